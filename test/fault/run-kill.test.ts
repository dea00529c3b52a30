/**
 * kill -9 of a running process, and interruption (laws 2, 4): the same command with the same log goes on, and ends with the root and the bytes of
 * an undisturbed run. MIZU_KILLS sets how many kills, MIZU_SEED replays their moments.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MizuError, soleRun } from '#engine';
import type { CompiledFile } from '#topologies';
import { rejection } from '../support/log-tools.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { startRunProcess } from '../support/run-support-child.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { longFiles } from '../support/run-support-workflows.ts';

/** `all` is for test/fault/killed-commands.test.ts. */
const KILLS = process.env['MIZU_KILLS'] === 'all' ? 50 : Number(process.env['MIZU_KILLS'] ?? 3);
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const CANDIDATES = 2_500;
/** More kills need a longer run to meet it alive, and more time. */
const LONGER = Math.max(1, KILLS / 10);

const undisturbed = (compiled: CompiledFile) =>
  withQuickLog(async (log) => {
    const summary = await runCompiled(compiled, { log, order: 0 });
    return { root: summary.root, accepted: summary.accepted, bytes: (await readOutcome(log, 'long')).bytes };
  });

describe(`a killed run (seed ${SEED})`, () => {
  it(
    `goes on with the same log to the same result, after ${KILLS} kills`,
    async () => {
      const moments = fc.sample(fc.record({ lines: fc.integer({ min: 0, max: 25 }), delay: fc.integer({ min: 0, max: 20 }) }), {
        seed: SEED,
        numRuns: KILLS,
      });
      await withWorkflow(longFiles('long', Math.ceil(CANDIDATES * LONGER)), async (compiled, folder) => {
        const expected = await undisturbed(compiled);
        await withQuickLog(async (log, directory) => {
          let struck = 0;
          for (const { lines, delay } of moments) {
            const victim = startRunProcess({ file: join(folder, 'workflow.yaml'), log: directory, workers: 2, nodes: 2 });
            await victim.hasTold(lines);
            setTimeout(() => victim.process.kill('SIGKILL'), delay);
            await victim.ended;
            if (victim.process.signalCode === 'SIGKILL') struck++;
          }
          expect(struck).toBeGreaterThan(KILLS / 5);
          const summary = await runCompiled(compiled, { log, order: SEED });
          expect({ root: summary.root, accepted: summary.accepted, bytes: (await readOutcome(log, 'long')).bytes }).toEqual(expected);
        });
      });
    },
    60_000 * LONGER,
  );
});

describe('an interrupted run', () => {
  it('says INTERRUPTED and what to do, and goes on where it stopped', async () => {
    await withWorkflow(longFiles('long', 600), async (compiled) => {
      const expected = await undisturbed(compiled);
      await withQuickLog(async (log) => {
        for (const turns of [0, 1, 2, 5, 9]) {
          const stop = new AbortController();
          if (turns === 0) stop.abort();
          let seen = 0;
          const onProgress = (): void => void (++seen === turns && stop.abort());
          const error = await rejection(runCompiled(compiled, { log, order: turns, signal: stop.signal, onProgress }));
          expect(error.code).toBe('INTERRUPTED');
          expect(error.hint).toContain('the same command with the same --log goes on');
        }
        const summary = await runCompiled(compiled, { log, order: 5 });
        expect({ root: summary.root, accepted: summary.accepted, bytes: (await readOutcome(log, 'long')).bytes }).toEqual(expected);
      });
    });
  });

  it('by SIGINT, at whatever moment, ends its process by itself', async () => {
    await withWorkflow(longFiles('long', CANDIDATES), async (_, folder) => {
      for (const lines of [1, 2, 6]) {
        await withQuickLog(async (_log, directory) => {
          const child = startRunProcess({ file: join(folder, 'workflow.yaml'), log: directory, workers: 1, nodes: 1 });
          await child.hasTold(lines);
          child.process.kill('SIGINT');
          await child.ended;
          expect(child.process.exitCode).toBe(0);
          expect(child.told.at(-1)).toEqual({ error: 'INTERRUPTED' });
        });
      }
    });
  }, 30_000);
});

describe('a live run', () => {
  it('refuses a second one, naming its owner; once it is dead the second goes on', async () => {
    await withWorkflow(longFiles('long', CANDIDATES), async (compiled, folder) => {
      const expected = await undisturbed(compiled);
      await withQuickLog(async (log, directory) => {
        const owner = startRunProcess({ file: join(folder, 'workflow.yaml'), log: directory, workers: 1, nodes: 1 });
        await owner.hasTold(4);
        const error = await rejection(runCompiled(compiled, { log, order: 1 }));
        expect(error.code).toBe('RUN_LIVE');
        expect(error.message).toContain(`${hostname()}:${owner.process.pid}`);
        expect(error.hint).toContain(`kill ${owner.process.pid}`);
        // As for one that began at the same moment, and whose writers the owner fenced.
        const fenced = new MizuError('LOG_FENCED', 'a newer writer');
        const lost = await rejection(soleRun(log, 'long', () => Promise.reject(fenced)));
        expect(lost).toMatchObject({ code: 'RUN_LIVE', message: error.message, cause: fenced });
        const other = new MizuError('DISK_FULL', 'no room');
        expect(await rejection(soleRun(log, 'long', () => Promise.reject(other)))).toBe(other);
        owner.process.kill('SIGKILL');
        await owner.ended;
        const summary = await runCompiled(compiled, { log, order: 1 });
        expect({ root: summary.root, accepted: summary.accepted, bytes: (await readOutcome(log, 'long')).bytes }).toEqual(expected);
      });
    });
  }, 30_000);
});
