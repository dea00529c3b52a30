/** The orchestrator is woken by what others write: ticks are for those who fall silent, not for going on. */
import { NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
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
});
