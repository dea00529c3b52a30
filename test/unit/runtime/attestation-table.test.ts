import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import { AttestationTable, type LocalStorage, type Log, type LogWriter, type Offset, sha256, utf8 } from '#engine';

const TOPIC = 'answers';
const keyOf = (n: number): Uint8Array => sha256(utf8(`question ${n}`));
const envelopeOf = (n: number, version = 0): Uint8Array => utf8(`answer ${n}, ${version}`);

let folder: string;
let log: Log;
let local: LocalStorage;
let writer: LogWriter;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-answers-'));
  log = await openEmbeddedLog({ directory: join(folder, 'log') });
  local = openLocalStorage(join(folder, 'local'));
  await log.createTopic({ name: TOPIC, partitions: 1, cleanup: 'keep' });
  writer = await log.openWriter('test');
});
afterEach(async () => {
  await writer.close();
  await local.close();
  await log.close();
  rmSync(folder, { recursive: true, force: true });
});

async function record(...answers: readonly (readonly [n: number, version?: number])[]): Promise<readonly Offset[]> {
  const appends = answers.map(([n, version]) => ({ topic: TOPIC, partition: 0, key: keyOf(n), value: envelopeOf(n, version) }));
  const outcome = await writer.commit(appends);
  if (outcome.status !== 'committed') throw outcome.error;
  return outcome.offsets;
}

const open = (): Promise<AttestationTable> => AttestationTable.open({ log, topics: [TOPIC], local });
const textOf = async (table: AttestationTable, n: number): Promise<string | undefined> => {
  const found = await table.find(keyOf(n));
  return found === undefined ? undefined : Buffer.from(found.envelope).toString();
};

describe('recorded answers', () => {
  test('are found in whatever order they are asked for, each as often as it is', async () => {
    const count = 300;
    await record(...Array.from({ length: count }, (_, n) => [n] as const));
    const table = await open();
    const order = fc.oneof(
      fc.array(fc.nat(count), { maxLength: 40 }),
      fc.tuple(fc.nat(count), fc.nat(200)).map(([from, length]) => Array.from({ length }, (_, n) => from + n)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(order, { maxLength: 4 }), async (parts) => {
        for (const n of parts.flat()) expect(await textOf(table, n)).toBe(n < count ? `answer ${n}, 0` : undefined);
      }),
      { numRuns: 30, seed: 7 },
    );
    table.close();
  });

  test('that are learned of are those that a table read back has: the first of a key is the answer', async () => {
    const heard: Offset[] = [];
    const table = await open();
    table.listen((entry) => heard.push(entry.offset));
    const learn = async (n: number, version: number, at: Offset | undefined): Promise<void> => {
      if (at === undefined) throw new Error('nothing was committed');
      await table.learn({ offset: at, key: keyOf(n), value: envelopeOf(n, version), headers: {} });
    };
    const [first] = await record([1, 0]);
    await learn(1, 0, first);
    // Not learned of: the next one is no neighbour of what was read.
    await record([2, 0]);
    const [again] = await record([1, 1]);
    await learn(1, 1, again);
    const [third, fourth] = await record([3, 0], [4, 0]);
    // In another order, together, and beside a reading that is on its way.
    await Promise.all([table.catchUp(), learn(4, 0, fourth), learn(3, 0, third)]);
    await learn(3, 0, third);
    const fresh = await open();
    for (const n of [1, 2, 3, 4]) expect(await textOf(table, n)).toBe(await textOf(fresh, n));
    expect(await textOf(table, 1)).toBe('answer 1, 0');
    expect([table.size, fresh.size]).toEqual([4, 4]);
    expect(heard).toEqual([0, 1, 3, 4]);
    table.close();
    fresh.close();
  });
});
