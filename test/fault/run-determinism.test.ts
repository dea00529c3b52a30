/**
 * Who did the work leaves no trace (law 1): any number of worker threads and nodes, any window, any log and any key give the same root, the
 * same published bytes in every partition and the same drops.
 */
import { describe, expect, it } from 'vitest';
import type { RunSummary, TaskExecutor, TaskInput, TaskOutput } from '#engine';
import type { CompiledFile } from '#topologies';
import { runOracle } from '../support/oracle.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { LocalExecutor, type RunSettings, runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { COUNTED, STREAMED } from '../support/run-support-workflows.ts';

interface Outcome {
  readonly summary: Omit<RunSummary, 'verifierKey'>;
  readonly bytes: Readonly<Record<string, string>>;
}

async function outcomeOf(compiled: CompiledFile, how: Omit<RunSettings, 'log'>): Promise<Outcome & { readonly verifierKey: string }> {
  return withQuickLog(async (log) => {
    const { verifierKey, ...summary } = await runCompiled(compiled, { log, ...how });
    return { summary, bytes: (await readOutcome(log)).bytes, verifierKey };
  });
}

describe.each([
  ['with an exact count', COUNTED],
  ['from a source', STREAMED],
] as const)('a run %s', (_, workflow) => {
  it('gives the same bytes with 1, 2 and 4 worker threads, 1 and 3 nodes, and on other logs with other keys', async () => {
    await withWorkflow(workflowFiles(workflow), async (compiled) => {
      const { verifierKey, ...first } = await outcomeOf(compiled, { order: 0 });
      expect(first.summary.accepted).toBe(runOracle(workflow).accepted);
      for (const how of [{ workers: 1 }, { workers: 2, nodes: 3 }, { workers: 4, nodes: 2 }]) {
        const other = await outcomeOf(compiled, how);
        expect({ summary: other.summary, bytes: other.bytes }, JSON.stringify(how)).toEqual(first);
        expect(other.verifierKey).not.toBe(verifierKey);
      }
    });
  });

  it('gives the same bytes in whatever order tasks end, and whatever the window', async () => {
    await withWorkflow(workflowFiles(workflow), async (compiled) => {
      const { verifierKey: _key, ...first } = await outcomeOf(compiled, { order: 0 });
      for (let order = 1; order <= 12; order++) {
        const { summary, bytes } = await outcomeOf(compiled, { order, workers: 1 + (order % 4), nodes: 1 + (order % 5) });
        expect({ summary, bytes }, `order ${order}`).toEqual(first);
      }
    });
  });
});

describe('an attempt that is late', () => {
  it.each(['older', 'newer'] as const)(
    'gets another beside it, and the result is the same when the %s one is done first',
    async (winner) => {
      const files = workflowFiles(STREAMED);
      const hasty = { ...files, 'workflow.yaml': files['workflow.yaml'].replace('"size": 6', '"size": 6, "deadline": "1ms"') };
      const { verifierKey: _key, ...punctual } = await withWorkflow(files, (compiled) => outcomeOf(compiled, { order: 0 }));
      await withWorkflow(hasty, async (compiled) => {
        await withQuickLog(async (log) => {
          const { verifierKey: _other, ...summary } = await runCompiled(compiled, {
            log,
            nodes: 2,
            executor: (run) => new TwinExecutor(new LocalExecutor(run), 2, winner),
          });
          const read = await readOutcome(log);
          expect({ summary, bytes: read.bytes }).toEqual(punctual);
          const attempts = read.control.filter((body) => body.type === 'assign' && body.k === 2);
          expect(attempts.length).toBeGreaterThan(1);
          expect(read.control.filter((body) => body.type === 'accept' && body.k === 2)).toHaveLength(1);
        });
      });
    },
    20_000,
  );
});

/** Holds the first attempt at one task until a second has begun, then lets the chosen one go first. */
class TwinExecutor implements TaskExecutor {
  private readonly inner: TaskExecutor;
  private readonly k: number;
  private readonly winner: 'older' | 'newer';
  private attempts = 0;
  private readonly second = new Gate();
  private readonly firstDone = new Gate();

  constructor(inner: TaskExecutor, k: number, winner: 'older' | 'newer') {
    this.inner = inner;
    this.k = k;
    this.winner = winner;
  }

  async execute(input: TaskInput): Promise<TaskOutput> {
    if (input.k !== this.k) return this.inner.execute(input);
    const older = ++this.attempts === 1;
    if (older) await this.second.opened;
    else this.second.open();
    const output = await this.inner.execute(input);
    if (older === (this.winner === 'older')) this.firstDone.open();
    else await this.firstDone.opened;
    return output;
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

class Gate {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}
