/** Models that judge and repair, run by the real composition against a server that speaks the protocol: what is asked, paid for, counted and replayed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listDrops, publishedRecords, readRun, type RunSummary, verifyRun } from '#engine';
import { compileFile, openLog, runWorkflow } from '#topologies';
import { rejection } from '../support/log-tools.ts';
import { letterModel } from '../support/judged-letters.ts';
import { judging, partOf, scored } from '../support/judging-peer.ts';
import { type ModelPeer, openModelPeer, type PeerCall } from '../support/model-peer.ts';
import { recordedAttestations } from '../support/recorded-attestations.ts';
import { replayTasks } from '../support/replay-tasks.ts';

const CANDIDATES = 12;
const RUN = { name: 'letters', generation: 1 } as const;
let folder: string;
let peer: ModelPeer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-judging-'));
  peer = await openModelPeer();
  peer.always(letterModel);
});
afterEach(async () => {
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Settings {
  readonly log?: string;
  readonly workers?: number;
  readonly min?: number;
  readonly judge?: string;
  readonly words?: number;
  readonly newGeneration?: boolean;
  readonly signal?: AbortSignal;
}

async function run(settings: Settings = {}): Promise<RunSummary> {
  const { log: name = 'log', workers = 1, min = 2, judge = 'onFail: repair, tries: 2', words = 3, ...more } = settings;
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: letters
seed: 7
budget: { candidates: ${CANDIDATES} }
task: { size: 4 }
partitions: 2
data: { products: { list: [kettle, lamp, chair, clock] } }
models: { small: { url: "${peer.url}", model: smollm2 } }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, prompt: "Write about the {{product}}." }
verify:
  - repair: { id: form, field: body, model: small, checks: [{ length: { field: body, words: [${words}, 20] } }] }
  - judge:
      id: quality
      field: body
      with: [product]
      model: small
      rubric: { scores: { tone: { 1: rude, 3: kind }, facts: { 1: none, 2: some } } }
      min: ${min}
      least: { tone: 2 }
      as: quality
      ${judge.split(', ').join('\n      ')}
publish: { fields: [product, body, quality] }
`,
  );
  const log = await openLog(join(folder, name), { readOnly: false });
  try {
    const signal = new AbortController().signal;
    return await runWorkflow(await compileFile(file), { log, workers, env: () => undefined, signal, ...more });
  } finally {
    await log.close();
  }
}

const callsOf = (part: string): number => peer.calls.filter((call) => partOf(call) === part).length;
const rejectedOf = (summary: RunSummary): number => Object.values(summary.rejected).reduce((sum, count) => sum + count, 0);

async function published(name = 'log'): Promise<{ readonly id: string; readonly row: object }[]> {
  const log = await openLog(join(folder, name), { readOnly: true });
  const found = await readRun(log, 'letters', 1);
  const rows: { id: string; row: object }[] = [];
  for await (const { id, row } of publishedRecords(log, found)) rows.push({ id, row });
  await log.close();
  return rows;
}

describe('judging and repairing', () => {
  test('each text is judged, what falls short is written anew and judged again; repaired records keep their id and count as corrected (P16)', async () => {
    const summary = await run();
    expect(summary.candidates).toBe(CANDIDATES);
    expect(summary.accepted + rejectedOf(summary) + summary.failed).toBe(CANDIDATES);
    expect(summary.failed).toBe(0);
    const records = await published();
    expect(records).toHaveLength(summary.accepted);
    for (const { id, row } of records) {
      expect(id).toMatch(/^letters\/1\/\d+\.\d+$/);
      expect(row).toMatchObject({ quality: { facts: 2, score: 2.5, tone: 3 } });
    }
    expect(summary.corrected).toBeGreaterThan(0);
    expect(callsOf('write')).toBe(CANDIDATES);
    // A short text is written anew once, before it is judged; each rewriting of a rude one is judged.
    const short = records.filter(({ row }) => (row as { body: string }).body.startsWith('A longer')).length;
    expect(short).toBeGreaterThan(0);
    expect(callsOf('judge')).toBe(CANDIDATES + (callsOf('repair') - short));
  });

  test('the same answers give the same root, whatever the number of workers (law 1), and replay without a server (law 3)', async () => {
    const roots = [await run({ log: 'one', workers: 1 }), await run({ log: 'two', workers: 3 })].map(({ root }) => root);
    expect(roots[1]).toBe(roots[0]);
    await peer.close();
    const log = await openLog(join(folder, 'one'), { readOnly: true });
    expect(await replayTasks(log, 'letters', join(folder, 'replay'))).toEqual({ frames: 6, same: 6 });
    await log.close();
    peer = await openModelPeer();
  });

  test('an interrupted run goes on and pays for no recorded answer twice (law 4)', async () => {
    const undisturbed = await run({ log: 'other' });
    const all = peer.calls.length;
    peer.calls.length = 0;
    const stop = new AbortController();
    peer.always((response, call, number) => {
      letterModel(response, call, number);
      if (number === Math.floor(all / 2)) stop.abort();
    });
    expect((await rejection(run({ signal: stop.signal }))).code).toBe('INTERRUPTED');
    const recorded = (await recordedAttestations(join(folder, 'log'), RUN)).length;
    // A call of the interrupted run may arrive late: where it is not counted.
    await peer.close();
    peer = await openModelPeer();
    peer.always(letterModel);
    expect((await run()).root).toBe(undisturbed.root);
    expect(peer.calls).toHaveLength(all - recorded);
  });
});

describe('a changed rule pays for nothing again (P8, P12)', () => {
  test('a lower minimum asks nobody; a higher one asks only for the texts that it finds wanting', async () => {
    await run();
    const before = peer.calls.length;
    const lower = await run({ min: 1, newGeneration: true });
    expect(lower.candidates).toBe(CANDIDATES);
    expect(peer.calls).toHaveLength(before);
    await run({ min: 2.6, newGeneration: true });
    const later = peer.calls.slice(before);
    expect(later.length).toBeGreaterThan(0);
    expect(later.filter((call) => partOf(call) === 'write')).toEqual([]);
    // The first verdict of every text is recorded: only rewritten ones are judged.
    const rewritten = later.filter((call) => partOf(call) === 'repair').length;
    expect(later.filter((call) => partOf(call) === 'judge').length).toBeLessThanOrEqual(rewritten);
  });

  test('more draws ask anew only where the last one was broken; that run is verified and replayed by its own topics', async () => {
    const broken = ({ body }: { readonly [field: string]: unknown }): boolean => Number(/\d+/.exec(String(body))) % 3 === 0;
    const seen = new Set<string>();
    peer.always(
      judging({
        write: ({ body: { seed } }) => `Kind words number ${seed % 1_000} about it.`,
        judge: (record) => {
          const isFirst = !seen.has(String(record['body']));
          seen.add(String(record['body']));
          return broken(record) && isFirst ? 'I give it a 3 out of 3!' : scored({ facts: 2, tone: 3 });
        },
        repair: () => '',
      }),
    );
    const once = await run({ judge: 'onFail: drop' });
    expect(once.failed).toBeGreaterThan(0);
    expect(once.accepted + once.failed).toBe(CANDIDATES);
    const before = peer.calls.length;
    const twice = await run({ judge: 'onFail: drop, draws: 2', newGeneration: true });
    expect(twice).toMatchObject({ accepted: CANDIDATES, failed: 0 });
    expect(peer.calls.slice(before).map(partOf)).toEqual(Array(once.failed).fill('judge'));
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    expect((await verifyRun(log, await readRun(log, 'letters', 2))).problems).toEqual([]);
    expect(await replayTasks(log, 'letters', join(folder, 'replay'))).toEqual({ frames: 6, same: 6 });
    await log.close();
  });

  test('flag or drop in place of repair, another rule to combine, another later step: nobody is asked', async () => {
    await run({ judge: 'onFail: drop' });
    const before = peer.calls.length;
    const flagged = await run({ judge: 'onFail: flag, combine: median', newGeneration: true });
    expect(flagged.accepted).toBe(CANDIDATES);
    await run({ judge: 'onFail: repair, tries: 1', min: 1, newGeneration: true });
    expect(
      peer.calls.slice(before).filter((call) => partOf(call) !== 'repair' && JSON.stringify(call.body).includes('Write about')),
    ).toEqual([]);
  });
});

test('a record that no try mends is rejected with its best score, and its reasons are on the log', async () => {
  peer.always(
    judging({
      write: () => 'Rude words all over it.',
      judge: () => scored({ facts: 1, tone: 1 }, 'it shouts'),
      repair: () => 'Rude words as before, again.',
    }),
  );
  const summary = await run();
  expect(summary).toMatchObject({ accepted: 0, rejected: { quality: CANDIDATES } });
  // The first text, and one judged rewriting for each of two tries.
  expect([callsOf('judge'), callsOf('repair')]).toEqual([3 * CANDIDATES, 2 * CANDIDATES]);
  expect(peer.calls.find((call) => partOf(call) === 'repair')?.body.messages.at(-1)?.content).toContain(
    '"tone 1: it shouts; facts 1: it shouts"',
  );
  const log = await openLog(join(folder, 'log'), { readOnly: true });
  const found = await readRun(log, 'letters', 1);
  for await (const drop of listDrops(log, found, 'rejected'))
    expect(drop).toMatchObject({ step: 'quality', measured: '1 (tone 1, facts 1)', limit: 'at least 2, tone at least 2' });
  await log.close();
});

test('judges that answer by no schema fail their records; every draw is signed with its bytes (law 5)', async () => {
  peer.always(judging({ write: () => 'Words that are long enough.', judge: () => 'I give it a 3 out of 3!', repair: () => 'x' }));
  const summary = await run({ judge: 'draws: 2' });
  expect(summary).toMatchObject({ accepted: 0, failed: CANDIDATES });
  expect(callsOf('judge')).toBe(2 * CANDIDATES);
  const judged = (await recordedAttestations(join(folder, 'log'), RUN)).filter(({ step }) => step === 'quality.judge1');
  for (const { response } of judged) expect(Buffer.from(response).toString()).toContain('I give it a 3');
  const draws = judged.map(({ draw }) => draw);
  expect(draws.sort()).toEqual([...Array<number>(CANDIDATES).fill(0), ...Array<number>(CANDIDATES).fill(1)]);
});

test('three judges are put together by their median, three sorters by what most of them say, over lists that depend on each other', async () => {
  const places: readonly string[] = ['a', 'b', 'c'];
  const at = ({ body }: PeerCall): number => places.indexOf(body.model);
  peer.always(
    judging({
      write: ({ body: { seed } }) => `Words number ${seed % 1_000}.`,
      // The first is always hard, the last always kind; the one between them decides.
      judge: ({ body }, call) => scored({ tone: at(call) === 1 ? 1 + (Number(/\d+/.exec(String(body))) % 5) : 1 + 2 * at(call) }),
      repair: () => '',
      // The first dissents.
      sort: ({ thing }, call) => JSON.stringify({ reason: '', verdict: at(call) === 0 ? 'other' : thing === 'pot' ? 'kitchen' : 'shed' }),
    }),
  );
  const file = join(folder, 'workflow.yaml');
  const models = places.map((name) => `  ${name}: { url: "${peer.url}", model: ${name} }`).join('\n');
  writeFileSync(
    file,
    `mizu: 1
name: letters
seed: 11
budget: { candidates: 24 }
task: { size: 5 }
partitions: 2
data: { kinds: { list: [tea, tool, rock] }, teas: { list: [pot] }, tools: { list: [saw, axe] } }
models:
${models}
generate:
  - select: { from: kinds, as: kind, weight: { tea: 1, tool: 2, rock: 0 } }
  - select: { from: { by: kind, lists: { tea: teas, tool: tools } }, as: thing }
  - inference: { as: body, model: a, prompt: "Write about the {{thing}}." }
verify:
  - judge: { field: body, models: [a, b, c], rubric: { scores: { tone: { 1: rude, 2: cool, 3: fair, 4: warm, 5: kind } } }, combine: median, min: 3, as: quality }
  - classify: { as: place, field: body, with: [thing], models: [a, b, c], options: { kitchen: A kitchen., shed: A shed., other: Anything else. } }
publish: { fields: [kind, thing, body, quality, place] }
`,
  );
  const log = await openLog(join(folder, 'log'), { readOnly: false });
  try {
    const summary = await runWorkflow(await compileFile(file), {
      log,
      workers: 2,
      env: () => undefined,
      signal: new AbortController().signal,
    });
    expect(summary).toMatchObject({ candidates: 24, failed: 0, rejected: { 'judge-body': 24 - summary.accepted } });
    const rows = [];
    for await (const { row } of publishedRecords(log, await readRun(log, 'letters', 1))) rows.push(row);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThan(24);
    for (const { kind, thing, body, quality, place } of rows) {
      const tone = 1 + (Number(/\d+/.exec(String(body))) % 5);
      expect(quality).toEqual({ score: tone, tone });
      expect(tone).toBeGreaterThanOrEqual(3);
      expect(kind === 'tea' ? ['pot'] : ['saw', 'axe']).toContain(thing);
      expect(place).toBe(thing === 'pot' ? 'kitchen' : 'shed');
    }
    expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(['tea', 'tool']));
    expect([callsOf('judge'), callsOf('sort')]).toEqual([3 * 24, 3 * rows.length]);
    expect((await verifyRun(log, await readRun(log, 'letters', 1))).problems).toEqual([]);
    expect(await replayTasks(log, 'letters', join(folder, 'replay'))).toEqual({ frames: 10, same: 10 });
  } finally {
    await log.close();
  }
});
