/** The orchestrator is woken by what others write: ticks are for those who fall silent, not for going on. Where all share a process, nobody of a process before takes part. */
import { NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { CrashingLog } from '../../support/crashing-log.ts';
import { workflowFiles } from '../../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../../support/run-support.ts';
import { COPIED, COUNTED, STREAMED } from '../../support/run-support-workflows.ts';

/** Such a run takes milliseconds. */
const STUCK_MS = 10_000;

describe('a run in one process', () => {
  it.each([
    ['with an exact count', COUNTED],
    ['with published partitions', STREAMED],
    ['of a source that it copies', COPIED],
  ])('%s needs no tick, from its first task to its close', async (_what, workflow) => {
    await withWorkflow(workflowFiles(workflow), (compiled) =>
      withQuickLog(async (log) => {
        for (const nodes of [1, 3]) {
          const summary = await runCompiled(compiled, { log, order: 1, nodes, ticks: NEVER, signal: AbortSignal.timeout(STUCK_MS) });
          expect(summary.accepted).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('goes on with its own members, whoever asked to join in processes that died before they were admitted', async () => {
    const died = [
      { at: 4, kind: 'lost', order: 5, nodes: 4 },
      { at: 5, kind: 'before', order: 5, nodes: 4 },
      { at: 3, kind: 'lost', order: 3, nodes: 1 },
    ] as const;
    await withWorkflow(workflowFiles(COUNTED), (compiled) =>
      withQuickLog(async (log) => {
        for (const { at, kind, ...how } of died)
          await expect(runCompiled(compiled, { log: new CrashingLog(log, at, kind), ...how })).rejects.toThrow();
        const { accepted } = await runCompiled(compiled, { log, order: 6, nodes: 1, signal: AbortSignal.timeout(STUCK_MS) });
        expect(accepted).toBeGreaterThan(0);
      }),
    );
  });
});
