/** A candidate that kills every worker is found and failed by name; everything else of the run is as it would be anyway (P9, laws 1, 5). */
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import { type Log, type RunSummary, replayRun, verifyRun } from '#engine';
import type { CompiledFile } from '#topologies';
import { DEADLY_REGISTRY, DEADLY_WORKER_URL, DeadlyExecutor, compileDeadly, holds } from '../support/deadly.ts';
import { rejection } from '../support/log-tools.ts';
import { LocalExecutor, quickFolder, runCompiled, withQuickLog } from '../support/run-support.ts';
import { readOutcome, type RunRead } from '../support/run-support-read.ts';
import { COUNTED } from '../support/run-support-workflows.ts';

/** Candidate 21 is the sixth of task 2; 22 its neighbour. */
const KILLERS = [21, 22];

interface Ended {
  readonly summary: RunSummary;
  readonly read: RunRead;
}

/** Without the key, which is another on every log. */
const bytesOf = ({ summary: { verifierKey: _key, ...summary }, read: { bytes } }: Ended): unknown => ({ summary, bytes });

async function here(
  compiled: CompiledFile,
  log: Log,
  settings: { kills?: readonly number[]; signal?: AbortSignal; onProbe?: () => void } = {},
): Promise<Ended> {
  const { kills = KILLERS, signal, onProbe } = settings;
  const summary = await runCompiled(compiled, {
    log,
    registry: DEADLY_REGISTRY,
    ...(signal === undefined ? {} : { signal }),
    executor: (run) =>
      new DeadlyExecutor(new LocalExecutor(run, DEADLY_REGISTRY), (input, alone) => {
        if (alone) onProbe?.();
        return kills.some((candidate) => holds(input, candidate));
      }),
  });
  return { summary, read: await readOutcome(log) };
}

const poisonOf = ({ read }: Ended): unknown[] => read.control.flatMap((body) => (body.type === 'poison' ? [[body.k, body.i]] : []));
const failedOf = ({ read }: Ended): unknown[] => read.drops.flatMap((drop) => (drop.code === 'POISON' ? [drop.id] : []));

/** Some twenty threads are started one after the other, each of which loads the whole program. */
const REAL_THREADS_MS = 300_000;

describe('a candidate that kills its workers', () => {
  it('is failed by control, alone, and named', async () => {
    const compiled = await compileDeadly(COUNTED, []);
    const deadly = await withQuickLog((log) => here(compiled, log));
    const harmless = await withQuickLog((log) => here(compiled, log, { kills: [] }));
    expect(poisonOf(deadly)).toEqual([
      [2, 5],
      [2, 6],
    ]);
    expect(failedOf(deadly)).toEqual(['2.5', '2.6']);
    expect(failedOf(harmless)).toEqual([]);
    expect(deadly.summary.root).not.toBe(harmless.summary.root);
    const { candidates, accepted, duplicates, failed, rejected } = deadly.summary;
    expect(candidates).toBe(accepted + duplicates + failed + Object.values(rejected).reduce((sum, count) => sum + count, 0));
  });

  it('leaves a run that an auditor verifies and replays without dying', async () => {
    const compiled = await compileDeadly(COUNTED, []);
    await withQuickLog(async (log) => {
      const { summary, read } = await here(compiled, log);
      expect(await verifyRun(log, read.run, { verifierKey: summary.verifierKey })).toMatchObject({
        ok: true,
        problems: [],
        root: summary.root,
      });
      const folder = quickFolder();
      const local = openLocalStorage(folder);
      const executor = new DeadlyExecutor(new LocalExecutor(read.run, DEADLY_REGISTRY), (input) =>
        KILLERS.some((candidate) => holds(input, candidate)),
      );
      const { signal } = new AbortController();
      const settings = { log, run: read.run, registry: DEADLY_REGISTRY, local, workerUrl: DEADLY_WORKER_URL, workers: 1, executor, signal };
      const report = await replayRun(settings);
      expect(report).toMatchObject({ ok: true, leaves: summary.treeSize });
      await local.close();
      rmSync(folder, { recursive: true, force: true });
    });
  });

  it('gives the same run when its search is interrupted at any probe and gone on with', async () => {
    const compiled = await compileDeadly(COUNTED, []);
    let probes = 0;
    const whole = await withQuickLog((log) => here(compiled, log, { onProbe: () => probes++ }));
    expect(probes).toBeGreaterThan(6);
    for (let stopAt = 1; stopAt <= probes; stopAt += 3) {
      await withQuickLog(async (log) => {
        const stop = new AbortController();
        let seen = 0;
        const interrupted = here(compiled, log, { signal: stop.signal, onProbe: () => (++seen === stopAt ? stop.abort() : undefined) });
        expect((await rejection(interrupted)).code).toBe('INTERRUPTED');
        let left = 0;
        const resumed = await here(compiled, log, { onProbe: () => left++ });
        expect(bytesOf(resumed)).toEqual(bytesOf(whole));
        // What was learned is not asked again: only the probe that was cut off is.
        expect(left).toBeLessThanOrEqual(probes - stopAt + 1);
      });
    }
  });

  it(
    'kills real threads, and gives the same run as where deaths are only told of',
    async () => {
      const compiled = await compileDeadly(COUNTED, [21]);
      const told = await withQuickLog((log) => here(compiled, log, { kills: [21] }));
      const real = await withQuickLog(async (log) => {
        const summary = await runCompiled(compiled, { log, workers: 2, registry: DEADLY_REGISTRY, workerUrl: DEADLY_WORKER_URL });
        return { summary, read: await readOutcome(log) };
      });
      expect(failedOf(real)).toEqual(['2.5']);
      expect(bytesOf(real)).toEqual(bytesOf(told));
    },
    REAL_THREADS_MS,
  );

  it('is not blamed for a task that dies only as a whole: the run stops, and can be gone on with once that is mended', async () => {
    const compiled = await compileDeadly(COUNTED, []);
    const whole = await withQuickLog((log) => here(compiled, log, { kills: [] }));
    await withQuickLog(async (log) => {
      const together = runCompiled(compiled, {
        log,
        registry: DEADLY_REGISTRY,
        executor: (run) => new DeadlyExecutor(new LocalExecutor(run, DEADLY_REGISTRY), (input) => holds(input, 16) && holds(input, 23)),
      });
      const error = await rejection(together);
      expect([error.code, error.message]).toEqual([
        'ATTEMPTS_EXHAUSTED',
        expect.stringContaining("Task 2 can't be done: its worker dies again and again"),
      ]);
      const mended = await here(compiled, log, { kills: [] });
      expect(failedOf(mended)).toEqual([]);
      expect(bytesOf(mended)).toEqual(bytesOf(whole));
    });
  });

  it('in great number is the fault of the program: the run stops', async () => {
    const compiled = await compileDeadly({ ...COUNTED, taskSize: 16 }, []);
    await withQuickLog(async (log) => {
      const error = await rejection(here(compiled, log, { kills: Array.from({ length: 16 }, (_, n) => n) }));
      expect([error.code, error.message]).toEqual([
        'ATTEMPTS_EXHAUSTED',
        expect.stringContaining('of its candidates end the worker that takes them'),
      ]);
    });
  });
});
