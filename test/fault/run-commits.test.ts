/**
 * A crash at every commit (laws 2, 4): a run that breaks before, after or in its n-th commit goes on with the same log, and ends as the undisturbed
 * run does: same root, same published bytes, same drops and summary, nothing twice and nothing lost.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Log, MizuError, type RunSummary } from '#engine';
import type { CompiledFile } from '#topologies';
import { CRASH_KINDS, type CrashKind, CrashingLog } from '../support/crashing-log.ts';
import { text } from '../support/log-tools.ts';
import { type PlainWorkflow, runOracle } from '../support/oracle.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { COPIED, COUNTED, STREAMED } from '../support/run-support-workflows.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** A run of these workflows takes milliseconds: one that takes this long has stopped. */
const STUCK_MS = 10_000;

/** How many commits a run may have differs with the order of its tasks: the walk ends when so many numbers in a row were not reached. */
const UNREACHED = 5;

interface Outcome {
  readonly summary: Omit<RunSummary, 'verifierKey'>;
  readonly bytes: Readonly<Record<string, string>>;
}

async function runToOutcome(compiled: CompiledFile, log: Log, how: { order: number; nodes?: number; workers?: number }): Promise<Outcome> {
  const { verifierKey: _, ...summary } = await runCompiled(compiled, { log, ...how, signal: AbortSignal.timeout(STUCK_MS) });
  const { bytes, published } = await readOutcome(log);
  expect(published).toHaveLength(summary.accepted);
  return { summary, bytes };
}

type Moment = ConstructorParameters<typeof CrashingLog>[1];

/** Runs until the crash; gives whether it was reached. */
async function crash(
  compiled: CompiledFile,
  log: Log,
  at: Moment,
  kind: CrashKind,
  how: { order: number; nodes?: number },
): Promise<boolean> {
  const crashing = new CrashingLog(log, at, kind);
  const error = await runCompiled(compiled, { log: crashing, ...how, signal: AbortSignal.timeout(STUCK_MS) }).catch(
    (reason: unknown) => reason,
  );
  if (!crashing.crashed) return false;
  expect(error, `the run ends when a commit breaks (${kind}, ${crashing.commits})`).toBeInstanceOf(Error);
  if (error instanceof MizuError) expect(error.code, error.message).not.toBe('INTERRUPTED');
  return true;
}

/** Crashes at each commit in turn, up to `most`; gives the number of the last one there was. */
async function walkCommits(workflow: PlainWorkflow, kind: CrashKind, most = Number.POSITIVE_INFINITY): Promise<number> {
  return withWorkflow(workflowFiles(workflow), async (compiled) => {
    const undisturbed = await withQuickLog((log) => runToOutcome(compiled, log, { order: 1 }));
    const oracle = runOracle(workflow);
    expect(undisturbed.summary).toMatchObject({ accepted: oracle.accepted, candidates: oracle.candidates, duplicates: oracle.duplicates });
    let last = 0;
    for (let at = 1; at <= Math.min(most, last + UNREACHED); at++) {
      await withQuickLog(async (log) => {
        if (await crash(compiled, log, at, kind, { order: at })) last = at;
        expect(await runToOutcome(compiled, log, { order: at + 1 }), `crash ${kind} commit ${at}`).toEqual(undisturbed);
      });
    }
    return last;
  });
}

describe('a run that crashes at any of its commits goes on to the same result', () => {
  it.each(['before', 'after', 'aborted'] as const)('with an exact count, %s', async (kind) => {
    expect(await walkCommits(COUNTED, kind)).toBeGreaterThan(15);
  });

  it.each(['before', 'after', 'lost'] as const)('with published partitions, %s', async (kind) => {
    expect(await walkCommits(STREAMED, kind)).toBeGreaterThan(15);
  });

  it.each(CRASH_KINDS)('when it signs its tree, ends and closes, %s', async (kind) => {
    const holds =
      (topic: string, word: string): Moment =>
      (appends) =>
        appends.some((append) => append.topic === `w.1.${topic}` && text(append.value).includes(word));
    await withWorkflow(workflowFiles(COUNTED), async (compiled) => {
      const undisturbed = await withQuickLog((log) => runToOutcome(compiled, log, { order: 1 }));
      for (const moment of [holds('control', '"finish"'), holds('checkpoints', ''), holds('control', '"close"')]) {
        await withQuickLog(async (log) => {
          expect(await crash(compiled, log, moment, kind, { order: 1 })).toBe(true);
          expect(await runToOutcome(compiled, log, { order: 2 })).toEqual(undisturbed);
        });
      }
    });
  });

  it.each(['before', 'after', 'lost'] as const)('while it copies its source, %s', async (kind) => {
    expect(await walkCommits(COPIED, kind, 5)).toBe(5);
  });
});

describe(`several crashes (seed ${SEED})`, () => {
  it('of one run, resumed with other nodes and other windows, change nothing', async () => {
    const crashes = fc.array(
      fc.record({
        at: fc.integer({ min: 1, max: 20 }),
        kind: fc.constantFrom(...CRASH_KINDS),
        order: fc.nat(1_000),
        nodes: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 2, maxLength: 5 },
    );
    const last = fc.record({ order: fc.nat(1_000), nodes: fc.integer({ min: 1, max: 4 }), workers: fc.integer({ min: 1, max: 4 }) });
    await withWorkflow(workflowFiles(COUNTED), async (compiled) => {
      const undisturbed = await withQuickLog((log) => runToOutcome(compiled, log, { order: 1 }));
      await fc.assert(
        fc.asyncProperty(crashes, last, async (breaks, how) => {
          await withQuickLog(async (log) => {
            for (const { at, kind, ...rest } of breaks) await crash(compiled, log, at, kind, rest);
            expect(await runToOutcome(compiled, log, how)).toEqual(undisturbed);
          });
        }),
        { seed: SEED, numRuns: 25, endOnFailure: true },
      );
    });
  });
});
