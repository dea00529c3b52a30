/** Who may run what (P2, P12): a new owner fences the old one; a changed program needs a new generation; a finished run is not run again. */
import { describe, expect, it } from 'vitest';
import type { TaskExecutor } from '#engine';
import { listRuns, readRun, signerFromSeed, verifyRun } from '#engine';
import { CrashingLog } from '../support/crashing-log.ts';
import { rejection } from '../support/log-tools.ts';
import { runOracle } from '../support/oracle.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { LocalExecutor, runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { COUNTED, STREAMED } from '../support/run-support-workflows.ts';

const CHANGED = { ...COUNTED, seed: 8 };

describe('a run', () => {
  it('that is finished gives the same summary again, and writes nothing', async () => {
    await withWorkflow(workflowFiles(STREAMED), async (compiled) => {
      await withQuickLog(async (log) => {
        const first = await runCompiled(compiled, { log, order: 1 });
        const counting = new CrashingLog(log, Number.POSITIVE_INFINITY);
        const never: TaskExecutor = {
          execute: () => Promise.reject(new RangeError('a finished run executes nothing')),
          close: async () => {},
        };
        expect(await runCompiled(compiled, { log: counting, executor: () => never })).toEqual(first);
        expect(counting.commits).toBe(0);
      });
    });
  });

  it('of a changed program is refused, and runs as a new generation beside the old one when asked to', async () => {
    await withQuickLog(async (log) => {
      const old = await withWorkflow(workflowFiles(COUNTED), (compiled) => runCompiled(compiled, { log, order: 1 }));
      const before = await readOutcome(log, 'w', 1);
      await withWorkflow(workflowFiles(CHANGED), async (compiled) => {
        const error = await rejection(runCompiled(compiled, { log, order: 1 }));
        expect(error.code).toBe('PROGRAM_CHANGED');
        expect(error.message).toContain(old.program.slice(0, 12));
        expect(error.message).toContain(compiled.digest.slice(0, 12));
        expect(error.hint).toContain('--new-generation');
        const summary = await runCompiled(compiled, { log, order: 1, newGeneration: true });
        expect(summary).toMatchObject({ generation: 2, program: compiled.digest });
        const read = await readOutcome(log);
        expect(read.published).toEqual(runOracle(CHANGED).published);
        // Asked for again, it is the same generation.
        expect(await runCompiled(compiled, { log, order: 1, newGeneration: true })).toEqual(summary);
      });
      expect((await listRuns(log, 'w')).map((run) => run.generation)).toEqual([1, 2]);
      const after = await readOutcome(log, 'w', 1);
      expect({ bytes: after.bytes, published: after.published }).toEqual({ bytes: before.bytes, published: before.published });
    });
  });

  it('goes on with the key that it was begun with, and with no other', async () => {
    await withWorkflow(workflowFiles(COUNTED), async (compiled) => {
      await withQuickLog(async (log) => {
        const own = signerFromSeed(new Uint8Array(32).fill(1));
        const crashing = new CrashingLog(log, 20, 'before');
        await rejection(runCompiled(compiled, { log: crashing, order: 1, signer: own }));
        const other = signerFromSeed(new Uint8Array(32).fill(2));
        const error = await rejection(runCompiled(compiled, { log, order: 1, signer: other }));
        expect(error.code).toBe('KEY_INVALID');
        expect(error.hint).toContain('--key');
        const summary = await runCompiled(compiled, { log, order: 1, signer: own });
        expect((await verifyRun(log, await readRun(log, summary.name), { verifierKey: summary.verifierKey })).problems).toEqual([]);
      });
    });
  });

  it('that is taken over while it works can write nothing more, and the new owner ends it', async () => {
    await withWorkflow(workflowFiles(COUNTED), async (compiled) => {
      const undisturbed = await withQuickLog(async (log) => ({
        root: (await runCompiled(compiled, { log, order: 1 })).root,
        bytes: (await readOutcome(log)).bytes,
      }));
      await withQuickLog(async (log) => {
        let begun = (): void => {};
        const working = new Promise<void>((resolve) => {
          begun = resolve;
        });
        let release = (): void => {};
        const held = new Promise<void>((resolve) => {
          release = resolve;
        });
        const old = runCompiled(compiled, {
          log,
          executor: (run) => {
            const inner = new LocalExecutor(run);
            return {
              execute: async (input) => {
                begun();
                await held;
                return inner.execute(input);
              },
              close: () => inner.close(),
            };
          },
        });
        const oldError = rejection(old);
        await working;
        const summary = await runCompiled(compiled, { log, order: 2 });
        release();
        expect((await oldError).code).toBe('LOG_FENCED');
        expect({ root: summary.root, bytes: (await readOutcome(log)).bytes }).toEqual(undisturbed);
      });
    });
  });
});
