/** A run that goes on: verified, replayed and exported up to its newest signed head, whatever it does meanwhile, and said to go on (laws 2, 3). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import { askMode, type Log, publishedRecords, readRun, RunTopics, RunWatch, serve, ROLES, untilClosed, verifyRun } from '#engine';
import { deployWorkflow, exportRun, openSigner, registry, WORKER_URL } from '#topologies';
import { CrashingLog, type CrashKind } from '../support/crashing-log.ts';
import { readAll, rejection } from '../support/log-tools.ts';
import { quickFolder, runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { longFiles } from '../support/run-support-workflows.ts';
import { CHECKPOINTS, flipped, type Tamper, withTampered } from '../support/tamper.ts';
import { type MadeRun, replayed, withRun } from '../support/verify-support.ts';

const LIMIT_MS = 240_000;
/** 120 tasks: a head is signed after 64 of them, or earlier on a slow machine. */
const CANDIDATES = 1_200;
const FILES = longFiles('w', CANDIDATES);
const topics = new RunTopics({ name: 'w', generation: 1 });
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = quickFolder();
  folders.push(folder);
  return folder;
}

/** A log on which a run stopped at its first head. */
async function stopped(kind: CrashKind): Promise<Pick<MadeRun, 'directory'>> {
  const directory = newFolder();
  const log = await openEmbeddedLog({ directory });
  try {
    const crashing = new CrashingLog(log, (appends) => appends.some(({ topic }) => topic === topics.checkpoints), kind);
    await withWorkflow(FILES, async (workflow) => void (await rejection(runCompiled(workflow, { log: crashing, order: 1 }))));
  } finally {
    await log.close();
  }
  return { directory };
}

async function exported(log: Log, dir: string) {
  const signal = new AbortController().signal;
  return exportRun({ log, run: await readRun(log, 'w'), formats: ['jsonl'], dir, signer: openSigner(log), signal });
}

describe('a run that stands still under its first head', () => {
  let made: MadeRun;
  /** Tasks and leaves under the head. */
  let tasks = 0;
  let size = 0;
  beforeAll(async () => {
    made = (await stopped('after')) as MadeRun;
    await withRun(made, async (log) => {
      const [head] = await readAll(log, topics.checkpoints, 0);
      tasks = Number(head?.headers['tasks']);
      size = Number(head?.headers['size']);
    });
  }, LIMIT_MS);

  test('verifies and replays up to there, and is said to go on', { timeout: LIMIT_MS }, async () => {
    await withRun(made, async (log, run) => {
      const range = { from: 0, to: tasks - 1 };
      expect(await verifyRun(log, run)).toMatchObject({
        ok: true,
        problems: [],
        closed: false,
        tasks,
        range,
        forgotten: [],
        treeSize: size,
      });
      expect(await replayed(log, run)).toMatchObject({ ok: true, closed: false, range, tasks, leaves: size, unpublished: 0 });
      const last = { from: tasks - 1, to: tasks - 1 };
      expect(await replayed(log, run, { tasks: last })).toMatchObject({ ok: true, tasks: 1, range: last });
      expect(await rejection(replayed(log, run, { tasks: { from: 0, to: tasks } }))).toMatchObject({
        code: 'USAGE',
        hint: `The run's tasks are 0..${tasks - 1} so far: those under its newest signed head.`,
      });
    });
  });

  test('is exported up to there', { timeout: LIMIT_MS }, async () => {
    const dir = newFolder();
    await withRun(made, async (log, run) => {
      const ids: string[] = [];
      for await (const { id, k } of publishedRecords(log, run)) if (k < tasks) ids.push(id);
      expect(ids.length).toBeGreaterThan(0);
      const { records, firstId, extent } = await exported(log, dir);
      expect([records, firstId]).toEqual([ids.length, ids[0]]);
      expect(extent).toMatchObject({ summary: undefined, range: { from: 0, to: tasks - 1 }, whole: false, tree: { size } });
      expect(readFileSync(join(dir, 'README.md'), 'utf8')).toContain(
        `These are the records of tasks 0..${tasks - 1} of a run that goes on.`,
      );
    });
  });

  test.each<[string, (log: Tamper) => void]>([
    ['a record', (log) => log.flip({ topic: topics.verified, partition: 0 }, 0, -1)],
    ['a leaf', (log) => log.flip({ topic: topics.proofs, partition: 0 }, 0, -1)],
    ['a frame', (log) => log.flip({ topic: topics.frames(1), partition: 0 }, 0, -1)],
    ['a tile', (log) => log.edit({ topic: topics.tiles, partition: 0 }, 0, ({ value }) => ({ value: flipped(value, 9) }))],
    ['a result', (log) => log.edit({ topic: topics.results, partition: 0 }, 4, ({ value }) => ({ value: flipped(value, 60) }))],
  ])('with %s changed does not verify', { timeout: LIMIT_MS }, async (_what, change) => {
    await withTampered(made.directory, change, async (log, run) => expect((await verifyRun(log, await run())).ok).toBe(false));
  });

  test('is not taken for longer or shorter than the signed place of its head says', { timeout: LIMIT_MS }, async () => {
    const without = (log: Tamper): void => log.edit(CHECKPOINTS, 0, ({ headers }) => ({ headers: { size: headers['size'] ?? '' } }));
    await withTampered(made.directory, without, async (log, run) => {
      for (const check of [verifyRun, replayed])
        expect(await rejection(check(log, await run()))).toMatchObject({
          code: 'LOG_CORRUPT',
          message: expect.stringContaining('the key of the run did not sign this head, or not the tasks'),
        });
    });
  });

  test('goes on, and then verifies to its end', { timeout: LIMIT_MS }, async () => {
    const directory = newFolder();
    const log = await openEmbeddedLog({ directory: made.directory });
    try {
      const summary = await withWorkflow(FILES, (workflow) => runCompiled(workflow, { log, order: 2 }));
      const report = await verifyRun(log, await readRun(log, 'w'));
      expect(report).toMatchObject({ ok: true, closed: true, treeSize: summary.treeSize, range: { from: 0, to: CANDIDATES / 10 - 1 } });
      const { extent } = await exported(log, directory);
      expect(extent).toMatchObject({ whole: true, tree: { root: summary.root } });
    } finally {
      await log.close();
    }
  });
});

test('a run of which nothing is signed is neither verified nor replayed nor exported, and says what to do', {
  timeout: LIMIT_MS,
}, async () => {
  await withRun((await stopped('before')) as MadeRun, async (log, run) => {
    const dir = newFolder();
    for (const attempt of [() => verifyRun(log, run), () => replayed(log, run), () => exported(log, dir)])
      expect(await rejection(attempt())).toMatchObject({
        code: 'CHECK_FAILED',
        message: "'w/1' goes on, and nothing of it is signed yet",
        hint: expect.stringContaining('a head is signed after 64 tasks or 10 seconds'),
      });
  });
});

test('a served run is verified, replayed and exported while it works', { timeout: LIMIT_MS }, async () => {
  await withWorkflow(longFiles('w', 10_000_000), (workflow) =>
    withQuickLog(async (log) => {
      const stop = new AbortController();
      const local = openLocalStorage(newFolder());
      const work = serve({
        log,
        registry,
        local,
        signer: openSigner(log),
        roles: new Set(ROLES),
        name: 'one',
        workerUrl: WORKER_URL,
        workers: 1,
        weight: 1,
        memory: 1,
        onEvent: () => undefined,
        signal: stop.signal,
      });
      try {
        const signal = AbortSignal.timeout(LIMIT_MS);
        const { run } = await deployWorkflow(workflow, { log, newGeneration: false, env: () => undefined, by: 'ann@desk', signal });
        const deployed = await readRun(log, run.name, run.generation);
        const watch = await RunWatch.open(log, deployed, { signal });
        while ((await watch.status()).signed === null) expect(await watch.next()).toBe(true);
        await watch.close();
        const dir = mkdtempSync(join(tmpdir(), 'mizu-live-'));
        folders.push(dir);
        const verified = await verifyRun(log, deployed);
        // A slow machine may have done a few tasks only by then.
        const few = Math.min(verified.tasks, 10);
        const again = await replayed(log, deployed, { tasks: { from: 0, to: few - 1 } });
        const { extent } = await exported(log, dir);
        expect([verified.ok, verified.problems, verified.closed]).toEqual([true, [], false]);
        expect(again).toMatchObject({ ok: true, closed: false, tasks: few });
        expect(extent.whole).toBe(false);
        expect(extent.range?.to).toBeGreaterThanOrEqual(verified.range?.to ?? 0);
        const place = { log, run, signer: openSigner(log), by: 'ann@desk', signal };
        await askMode(place, 'draining', LIMIT_MS);
        await untilClosed(place, () => undefined);
        expect(await verifyRun(log, deployed)).toMatchObject({ ok: true, problems: [], closed: true });
      } finally {
        stop.abort();
        await work;
        await local.close();
      }
    }),
  );
});
