/**
 * Candidates that kill: a step that ends its worker thread, or never ends, at given candidates of the run, every time. And an executor in this
 * process that fails tasks with such candidates as a pool does, for tests that need many deaths quickly.
 */
import { z } from 'zod';
import { compileWorkflow, defineOperator, MizuError, type Registry, type TaskExecutor, type TaskInput, type TaskOutput } from '#engine';
import { type CompiledFile, registry } from '#topologies';
import { memoryHost } from './memory-host.ts';
import type { PlainWorkflow } from './oracle.ts';
import { workflowFiles } from './random-workflow.ts';

const params = z.strictObject({ candidates: z.array(z.int()).describe('At which candidates of the run.') });

const deadly = defineOperator({
  name: 'deadly',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Ends its worker thread.',
  description: 'For tests.',
  params,
  examples: [],
  gas: { perRecord: 1, per64Bytes: 0 },
  defaultId: () => 'deadly',
  plan: (p) => [{ params: { ...p }, reads: [], writes: [] }],
  open(op) {
    const { candidates } = params.parse(op.params);
    return {
      execute(input) {
        if (input.rows.some((row) => candidates.includes(input.candidate(row)))) process.exit(3);
      },
    };
  },
});

export const DEADLY_REGISTRY: Registry = { ...registry, operators: [...registry.operators, deadly] };
export const DEADLY_WORKER_URL = new URL('./deadly-worker.ts', import.meta.url);

/** The workflow with the deadly step before its other checks. */
export async function compileDeadly(workflow: PlainWorkflow, candidates: readonly number[]): Promise<CompiledFile> {
  const step = { op: 'deadly', id: 'deadly', params: { candidates: [...candidates] }, flag: false };
  const files = workflowFiles({ ...workflow, verify: [step, ...workflow.verify] });
  const compiled = await compileWorkflow({ text: files['workflow.yaml'], file: 'workflow.yaml', sets: [] }, memoryHost(), DEADLY_REGISTRY);
  return { ...compiled, file: 'workflow.yaml', source: async () => undefined };
}

/** Tells of every task that it is given. */
export class DeadlyExecutor implements TaskExecutor {
  private readonly inner: TaskExecutor;
  private readonly kills: (input: TaskInput, alone: boolean) => boolean;

  constructor(inner: TaskExecutor, kills: (input: TaskInput, alone: boolean) => boolean) {
    this.inner = inner;
    this.kills = kills;
  }

  async execute(input: TaskInput, alone = false): Promise<TaskOutput> {
    if (this.kills(input, alone)) throw new MizuError('WORKER_DIED', `The worker of task ${input.k} ended`);
    return this.inner.execute(input);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** Whether a candidate of the run would be executed. */
export function holds({ first, count, poison }: TaskInput, candidate: number): boolean {
  return candidate >= first && candidate < first + count && !poison.includes(candidate - first);
}
