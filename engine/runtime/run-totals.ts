/**
 * Totals of a run from its accepted results, in order of k (P15, P16): tasks beyond the one that reached the exact count are not
 * in them, so the figures are the same whatever ran too far. Holds what is not yet published, which the window bounds.
 */
import type { Program } from '../contract/program.ts';
import type { FinishReason, StepResult, TaskResult } from '../dispatch/control-entry.ts';

export interface Totals {
  candidates: number;
  accepted: number;
  corrected: number;
  duplicates: number;
  failed: number;
  rejected: Record<string, number>;
  gas: number;
  localBytes: number;
  globalBytes: number;
}

export class RunTotals {
  private readonly tasks = new Map<number, TaskResult>();
  private readonly steps = new Map<number, StepResult[]>();
  /** Steps that make task k complete: all partitions of all keyed stages. */
  private readonly stepsPerTask: number;
  private readonly publishingStage: number;
  private readonly hasTarget: boolean;
  readonly sum: Totals = {
    candidates: 0,
    accepted: 0,
    corrected: 0,
    duplicates: 0,
    failed: 0,
    rejected: {},
    gas: 0,
    localBytes: 0,
    globalBytes: 0,
  };
  /** Tasks 0 … published−1 are complete and counted. */
  published = 0;
  private reachedAt: number | undefined;

  constructor(program: Program) {
    const keyed = program.stages.filter((stage) => stage.kind !== 'source');
    this.stepsPerTask = keyed.reduce((sum, stage) => sum + stage.partitions, 0);
    this.publishingStage = program.stages.length - 1;
    this.hasTarget = program.accept !== undefined;
  }

  hasTask(k: number): boolean {
    return k < this.published || this.tasks.has(k);
  }

  addTask(result: TaskResult): void {
    if (this.hasTask(result.k)) return;
    this.tasks.set(result.k, result);
    this.advance();
  }

  addStep(result: StepResult): void {
    if (result.k < this.published) return;
    const steps = this.steps.get(result.k) ?? [];
    if (steps.some((step) => step.stage === result.stage && step.partition === result.partition)) return;
    steps.push(result);
    this.steps.set(result.k, steps);
    this.advance();
  }

  /** How the run ends, once it does. */
  end(taskLimit: number): { readonly last: number; readonly reason: FinishReason } | undefined {
    if (this.reachedAt !== undefined) return { last: this.reachedAt, reason: 'accepted' };
    if (this.published < taskLimit) return undefined;
    return { last: this.published - 1, reason: 'exhausted' };
  }

  private advance(): void {
    while (this.reachedAt === undefined) {
      const k = this.published;
      const task = this.tasks.get(k);
      const steps = this.steps.get(k);
      if (task === undefined || steps?.length !== this.stepsPerTask) return;
      this.tasks.delete(k);
      this.steps.delete(k);
      this.count(task, steps);
      this.published = k + 1;
      if (this.hasTarget && steps.some((step) => step.reached)) this.reachedAt = k;
    }
  }

  private count(task: TaskResult, steps: readonly StepResult[]): void {
    const { sum } = this;
    sum.candidates += task.candidates;
    sum.corrected += task.corrected;
    sum.gas += task.gas;
    sum.localBytes += task.localBytes;
    sum.globalBytes += task.globalBytes;
    for (const step of steps) {
      sum.gas += step.gas;
      sum.globalBytes += step.globalBytes;
      if (step.stage !== this.publishingStage) continue;
      sum.accepted += step.accepted;
      sum.duplicates += step.duplicates;
      sum.failed += step.failed;
      for (const [id, count] of Object.entries(step.rejected)) sum.rejected[id] = (sum.rejected[id] ?? 0) + count;
    }
  }
}
