/**
 * Scripts in whole runs: what becomes of a record is the same whatever its block, task, worker and neighbours are, also when every other record breaks a
 * limit; nothing vanishes; and who replays comes to the same.
 */
import { describe, expect, it } from 'vitest';
import { listDrops, publishedRecords, verifyRun } from '#engine';
import { makeRunOf, type MadeRun, replayed, withRun } from '../support/verify-support.ts';

const SCRIPT = `
const LIMIT = 'at least 2 words';
let seen = 0;
const words = (text) => text.split(/\\s+/u).filter(Boolean);

export default function check({ id, text }, drop) {
  seen += 1;
  switch (id % 7) {
    case 1: for (;;) seen++;
    case 2: return { ...grow() };
    case 3: return nested(0);
    case 4: throw new TypeError('record ' + id);
    case 5: return /^(\\w+\\s?)*$/.test('word'.repeat(40) + '!' + text);
    default:
  }
  const count = words(text).length;
  return count < 2 ? drop(count, LIMIT) : { text: text.trim(), words: count, seen };
}
function grow() { const all = []; for (;;) all.push(new Uint8Array(1e6)); }
function nested(n) { return nested(n + 1) + 1; }
`;

const CODES = [undefined, 'SCRIPT_STEPS', 'SCRIPT_MEMORY', 'SCRIPT_DEPTH', 'SCRIPT_ERROR', 'SCRIPT_STEPS', undefined];
const RECORDS = Array.from({ length: 21 }, (_, id) => ({ id, text: id % 2 === 0 ? ` one two ${id} ` : 'abcdefghijkl' }));

const files = (block: number, size: number): Record<string, string> => ({
  'workflow.yaml': `mizu: 1
name: w
seed: 3
block: ${block}
task: { size: ${size} }
partitions: 2
generate:
  - read: { path: source.jsonl, fields: { id: long, text: string } }
verify:
  - script: { file: check.js, writes: { text: string, words: long, seen: long } }
  - dedup: { by: [id] }
`,
  'check.js': SCRIPT,
  'source.jsonl': RECORDS.map((record) => `${JSON.stringify(record)}\n`).join(''),
});

/** By id of the source, whatever task it was in. */
async function outcomes(run: MadeRun): Promise<Map<unknown, unknown>> {
  return withRun(run, async (log, deployed) => {
    const all = new Map<unknown, unknown>();
    for await (const { row } of publishedRecords(log, deployed)) all.set(row['id'], row);
    for (const kind of ['rejected', 'failed'] as const) {
      for await (const { row, code, message, measured, limit } of listDrops(log, deployed, kind)) {
        all.set(row?.['id'], { row, code, message, measured, limit });
      }
    }
    return all;
  });
}

describe('a run with scripts', () => {
  it('has the same outcome for each record in blocks of 1, 5 and 64, with one worker and two, and replays', async () => {
    const first = await makeRunOf(files(1, 6), { nodes: 1, workers: 1 });
    const expected = await outcomes(first);
    const { summary } = first;
    expect(summary.candidates).toBe(RECORDS.length);
    expect(summary.accepted + Object.values(summary.rejected).reduce((a, b) => a + b, 0) + summary.duplicates + summary.failed).toBe(
      RECORDS.length,
    );
    for (const { id, text } of RECORDS) {
      const outcome = expected.get(id);
      const code = CODES[id % 7];
      if (code !== undefined) expect(outcome).toMatchObject({ code, row: { id, text } });
      else if (id % 2 === 1) expect(outcome).toMatchObject({ measured: 1, limit: 'at least 2 words', row: { id, text } });
      else expect(outcome).toEqual({ id, text: text.trim(), words: 3, seen: 1 });
    }
    for (const [block, size] of [
      [5, 42],
      [64, 42],
    ] as const) {
      const other = await makeRunOf(files(block, size), { nodes: 2, workers: 2 });
      expect(await outcomes(other)).toEqual(expected);
      const again = await makeRunOf(files(block, size), { nodes: 1, workers: 1 });
      expect([again.summary.root, again.summary.gas]).toEqual([other.summary.root, other.summary.gas]);
    }
    await withRun(first, async (log, deployed) => {
      expect((await verifyRun(log, deployed)).problems).toEqual([]);
      expect(await replayed(log, deployed, { workers: 1 })).toMatchObject({ ok: true });
    });
  });
});
