/** Runs that nobody touched: verified, replayed and proved from their log alone (laws 2, 3, 5). */
import { beforeAll, describe, expect, test } from 'vitest';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type DeployedRun,
  type DropView,
  leafHash,
  listDrops,
  type Log,
  openCheckpoint,
  parseRecordId,
  parseVkey,
  proveRecord,
  publishedRecords,
  readRun,
  TileBuilder,
  TileReader,
  tileFiles,
  toHex,
  verifyInclusion,
  verifyProof,
  verifyRun,
} from '#engine';
import { compileFile, FALLING_STACKS, openLog, runWorkflow } from '#topologies';
import { rejection } from '../support/log-tools.ts';
import { DyingExecutor } from '../support/lying.ts';
import { LocalExecutor, quickFolder } from '../support/run-support.ts';
import { LONG, makeRun, type MadeRun, replayed, RUNS, storyOf, withRun } from '../support/verify-support.ts';

const names = Object.keys(RUNS) as (keyof typeof RUNS)[];
const made = new Map<string, MadeRun>();
const runOf = (name: string): MadeRun => made.get(name) as MadeRun;
beforeAll(async () => {
  for (const name of names) made.set(name, await makeRun(RUNS[name]));
  made.set('long', await makeRun(LONG));
});

describe.each(names)('the run %s', (name) => {
  test('verifies, with the figures of its summary', async () => {
    const { summary } = runOf(name);
    await withRun(runOf(name), async (log, run) => {
      const report = await verifyRun(log, run);
      expect(report.problems).toEqual([]);
      expect(report).toMatchObject({
        ok: true,
        root: summary.root,
        treeSize: summary.treeSize,
        verifierKey: summary.verifierKey,
        keyGiven: false,
      });
      const counts = Object.fromEntries(report.checks.map((check) => [check.name, check.count]));
      expect(counts).toMatchObject({ published: summary.accepted, accounted: summary.candidates, tree: summary.treeSize });
      expect(await verifyRun(log, run, { verifierKey: summary.verifierKey })).toMatchObject({ ok: true, keyGiven: true });
    });
  });

  test('replays to the same leaves and records', async () => {
    const { summary } = runOf(name);
    await withRun(runOf(name), async (log, run) => {
      expect(await replayed(log, run)).toMatchObject({
        ok: true,
        leaves: summary.treeSize,
        records: summary.accepted,
        candidates: summary.candidates,
      });
    });
  });
});

/** k.i as two numbers. */
const placeOf = (id: string): readonly [number, number] => {
  const { k, i } = parseRecordId(id);
  return [k, i];
};
const inOrder = (ids: readonly string[]): boolean =>
  ids.every((id, n) => {
    const [k, i] = placeOf(id);
    const [before, at] = n === 0 ? [-1, -1] : placeOf(ids[n - 1] ?? '');
    return k > before || (k === before && i > at);
  });

type Published = ReturnType<typeof publishedRecords> extends AsyncIterable<infer T> ? T : never;

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function listsOf(log: Log, run: DeployedRun): Promise<{ readonly published: Published[]; readonly drops: DropView[][] }> {
  const published = await collect(publishedRecords(log, run));
  const drops: DropView[][] = [];
  for (const kind of ['rejected', 'failed', 'duplicate'] as const) drops.push(await collect(listDrops(log, run, kind)));
  return { published, drops };
}

describe.each(names)('what the run %s published and dropped', (name) => {
  test('is listed in canonical order, every candidate once (law 5)', async () => {
    const { summary } = runOf(name);
    await withRun(runOf(name), async (log, run) => {
      const { published, drops } = await listsOf(log, run);
      for (const list of [published, ...drops]) expect(inOrder(list.map(({ id }) => id))).toBe(true);
      const all = [...published, ...drops.flat()].map(({ id }) => id);
      expect(new Set(all).size).toBe(all.length);
      expect(all).toHaveLength(summary.candidates);
      expect([published.length, ...drops.map((list) => list.length)]).toEqual([
        summary.accepted,
        Object.values(summary.rejected).reduce((sum, count) => sum + count, 0),
        summary.failed,
        summary.duplicates,
      ]);
    });
  });

  test('is told step by step, as the steps did it', async () => {
    await withRun(runOf(name), async (log, run) => {
      const { published, drops } = await listsOf(log, run);
      const records = new Map(published.map((one) => [one.id, one]));
      const steps = run.program.stages[0]?.ops.map((op) => op.id) ?? [];
      for (const { id } of [...published, ...drops.flat()]) {
        const story = await storyOf(log, run, id);
        expect(story.candidate).toBe(placeOf(id)[0] * run.program.task.size + placeOf(id)[1]);
        expect(story.row).toEqual(records.get(id)?.row);
        const { drop } = story;
        expect(drop).toEqual(drops.flat().find((one) => one.id === id));
        expect(story.outcome).toBe(drop?.kind ?? 'published');
        const told = story.steps.map(({ step }) => step);
        const droppedHere = drop !== undefined && steps.includes(drop.step);
        expect(told).toEqual(droppedHere ? steps.slice(0, steps.indexOf(drop.step) + 1) : steps);
        const last = story.steps.at(-1);
        if (droppedHere)
          expect(last).toMatchObject({ verdict: drop.kind, measured: drop.measured, limit: drop.limit, message: drop.message });
        for (const { verdict } of droppedHere ? story.steps.slice(0, -1) : story.steps)
          expect(['kept', 'changed', 'flagged']).toContain(verdict);
        if (drop?.kind === 'duplicate') expect(inOrder([drop.winner ?? '', id])).toBe(true);
      }
    });
  });
});

test('a duplicate names the record that won: an earlier one with the same key', async () => {
  const run = runOf('counted');
  await withRun(run, async (log, deployed) => {
    const duplicates = await collect(listDrops(log, deployed, 'duplicate'));
    expect(duplicates).toHaveLength(run.summary.duplicates);
    for (const { id, row, winner } of duplicates) {
      const won = await storyOf(log, deployed, winner ?? '');
      const body = won.steps.findLast(({ writes }) => 'body' in writes)?.writes['body'];
      expect(row?.['body']).toBe(body);
      expect(inOrder([winner ?? '', id])).toBe(true);
      expect(won.outcome).not.toBe('duplicate');
    }
  });
});

test('a story of a candidate that the run does not have is not made up', async () => {
  await withRun(runOf('counted'), async (log, run) => {
    expect((await rejection(storyOf(log, run, 'w/1/0.8'))).code).toBe('NOT_FOUND');
    expect((await rejection(storyOf(log, run, 'w/1/12.0'))).message).toContain('neither published nor dropped');
  });
});

describe.each([...names, 'long'])('the tree of the run %s as a folder of files', (name) => {
  test('holds what any C2SP client needs, and nothing else', async () => {
    const { summary } = runOf(name);
    const folder = quickFolder();
    try {
      const paths: string[] = [];
      await withRun(runOf(name), async (log, run) => {
        for await (const { path, bytes } of tileFiles(log, run)) {
          paths.push(path);
          mkdirSync(dirname(join(folder, path)), { recursive: true });
          writeFileSync(join(folder, path), bytes);
        }
      });
      // From here on only the files and the printed key are known.
      const { size, root } = openCheckpoint(readFileSync(join(folder, 'checkpoint')), { key: parseVkey(summary.verifierKey) });
      expect(toHex(root)).toBe(summary.root);
      const reader = new TileReader(async (path) => readFileSync(join(folder, path)), Number(size));
      expect(toHex(await reader.root())).toBe(summary.root);
      const builder = new TileBuilder();
      const expected = ['checkpoint'];
      for (let index = 0; index < Number(size); index++) {
        const entry = await reader.entry(index);
        expected.push(...builder.append(entry).map(({ path }) => path));
        const proof = { index, size: Number(size), leafHash: leafHash(entry), path: await reader.inclusionPath(index), root };
        if (index % 17 === 0) expect(verifyInclusion(proof)).toBe(true);
      }
      expected.push(...builder.finish().map(({ path }) => path));
      expect(paths.sort()).toEqual(expected.sort());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test('candidates that killed every worker are failed by control, and proved, replayed and told as that (P9)', async () => {
  const run = await makeRun(RUNS.streamed, { executor: (deployed) => new DyingExecutor(new LocalExecutor(deployed), [14, 17]) });
  expect(run.summary.candidates).toBe(40);
  await withRun(run, async (log, deployed) => {
    expect((await verifyRun(log, deployed)).problems).toEqual([]);
    expect(await replayed(log, deployed)).toMatchObject({ ok: true, leaves: run.summary.treeSize });
    const poisoned = (await collect(listDrops(log, deployed, 'failed'))).filter(({ code }) => code === 'POISON');
    expect(poisoned.map(({ id }) => id)).toEqual(['w/1/2.2', 'w/1/2.5']);
    for (const { id } of poisoned) {
      const { text, verifierKey } = await proveRecord(log, deployed, parseRecordId(id));
      expect(verifyProof(text, verifierKey)).toMatchObject({ id, kind: 'failed', drop: { step: 'source', code: 'POISON' } });
      expect(await storyOf(log, deployed, id)).toMatchObject({ outcome: 'failed', steps: [], drop: { code: 'POISON' } });
    }
  });
});

test('the shipped topology falling-stacks verifies and replays', async () => {
  const directory = quickFolder();
  const log = await openLog(directory, { readOnly: false });
  try {
    const workflow = await compileFile(FALLING_STACKS, ['accept=12', 'task.size=10']);
    const summary = await runWorkflow(workflow, { log, workers: 1, signal: new AbortController().signal });
    const run = await readRun(log, summary.name);
    expect((await verifyRun(log, run, { verifierKey: summary.verifierKey })).problems).toEqual([]);
    expect(await replayed(log, run)).toMatchObject({ ok: true, records: 12, leaves: summary.treeSize });
  } finally {
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
