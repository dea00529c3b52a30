/**
 * Runs long enough for snapshots of control (P14): whoever dies around one, the run goes on from it to the same records and root (laws 1, 4), and does not read its past.
 */
import { describe, expect, it } from 'vitest';
import { type Append, type Log, offset, readRun, type RunSummary, verifyRun } from '#engine';
import type { CompiledFile } from '#topologies';
import { CrashingLog } from '../support/crashing-log.ts';
import { LimitedLog } from '../support/limited-log.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { COUNTED } from '../support/run-support-workflows.ts';

const SNAPSHOTS = 'w.1.control-snapshots';
/** 450 tasks: each is cut, assigned and accepted, which is enough for one snapshot after 1,024 entries. */
const LONG = workflowFiles({ ...COUNTED, accept: 450, budget: 450, taskSize: 1, partitions: 1, verify: COUNTED.verify.slice(1, 3) });

const run = (compiled: CompiledFile, log: Log): Promise<RunSummary> => runCompiled(compiled, { log, order: 1 });
const rootOf = ({ root, treeSize, accepted, duplicates }: RunSummary) => ({ root, treeSize, accepted, duplicates });
const isSnapshot = (appends: readonly Append[]): boolean => appends.some(({ topic }) => topic === SNAPSHOTS);
/** The n-th commit of control after a snapshot. */
const commitAfter = (nth: number): ((appends: readonly Append[]) => boolean) => {
  let seen = 0;
  return (appends) => {
    if (isSnapshot(appends)) seen = 1;
    else if (seen > 0 && appends.some(({ topic }) => topic === 'w.1.control')) seen++;
    return seen > nth;
  };
};

describe('a run with snapshots of control', () => {
  it('goes on to the same root wherever its orchestrator dies around one, reading what came after', async () => {
    await withWorkflow(LONG, async (compiled) => {
      const whole = await withQuickLog((log) => run(compiled, log));
      for (const [at, kind, snapshot] of [
        [isSnapshot, 'before', false],
        [isSnapshot, 'after', true],
        [commitAfter(1), 'after', true],
        [commitAfter(20), 'lost', true],
      ] as const) {
        await withQuickLog(async (real) => {
          const crashing = new CrashingLog(real, at, kind);
          await expect(run(compiled, crashing)).rejects.toThrow();
          expect(crashing.crashed).toBe(true);
          const before = (await real.read('w.1.control', 0, offset(0), { maxEntries: 100_000 })).entries.length;
          expect(before).toBeGreaterThan(1_000);
          const log = new LimitedLog(real);
          expect(rootOf(await run(compiled, log))).toEqual(rootOf(whole));
          const added = (await real.read('w.1.control', 0, offset(before), { maxEntries: 100_000 })).entries.length;
          // Read by the orchestrator once, by the process's view and the checkpointer each: what is new, and little of what was there.
          const old = (log.reads.get('w.1.control') ?? 0) - 3 * added;
          if (snapshot) expect(old).toBeLessThan(before);
          expect(await verifyRun(real, await readRun(real, 'w'))).toMatchObject({ ok: true, root: whole.root });
        });
      }
    });
  });
});
