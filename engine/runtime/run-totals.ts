/**
 * Totals of a run from its accepted results, in order of k (P15, P16): tasks beyond the one that reached the exact count are not
 * in them, so the figures are the same whatever ran too far. Holds what is not yet published, which the window bounds.
 */
import { sumUsage } from '../compile/token-budget.ts';
import type { Usage } from '../contract/inference.ts';
import type { Program } from '../contract/program.ts';
import type { Cost, Mark, MemberTotals, StageTotals, Totals } from '../dispatch/control-entry.ts';
import type { StepResult, TaskResult } from '../dispatch/member-entry.ts';

export class RunTotals {
  private readonly tasks = new Map<number, TaskResult>();
  private readonly steps = new Map<number, StepResult[]>();
  /** Steps that make task k complete: all partitions of all keyed stages. */
  private readonly stepsPerTask: number;
  private readonly publishingStage: number;
  private readonly hasTarget: boolean;
  /** The member that a number belongs to now; its sums begin anew when another has it. */
  private readonly nameOf: (node: number) => string;
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
  /** By stage, and by number of the member. */
  readonly stages: StageTotals[];
  readonly members: MemberTotals[] = [];
  /** Tasks 0 … published−1 are complete and counted. */
  published = 0;
  /** The task with which the exact count was reached. */
  reachedAt: number | undefined;

  constructor(program: Program, nameOf: (node: number) => string) {
    const keyed = program.stages.filter((stage) => stage.kind !== 'source');
    this.stepsPerTask = keyed.reduce((sum, stage) => sum + stage.partitions, 0);
    this.publishingStage = program.stages.length - 1;
    this.hasTarget = program.accept !== undefined;
    this.stages = program.stages.map(() => ({ ...NOTHING, duplicates: 0, failed: 0 }));
    this.nameOf = nameOf;
  }

  /** What a mark says of it. */
  save(): Pick<Mark, 'totals' | 'stages' | 'members'> {
    const { sum, stages, members } = this;
    return {
      totals: { ...sum, rejected: { ...sum.rejected } },
      stages: stages.map((stage) => ({ ...stage })),
      members: members.map((member) => ({ ...member })),
    };
  }

  /** Counts on from what an orchestrator before had counted. */
  goOn(mark: Mark): void {
    this.published = mark.published;
    Object.assign(this.sum, mark.totals, { rejected: { ...mark.totals.rejected } });
    for (const [index, stage] of mark.stages.entries()) this.stages[index] = { ...stage };
    for (const [node, member] of mark.members.entries()) this.members[node] = { ...member };
    for (const k of this.tasks.keys()) if (k < mark.published) this.tasks.delete(k);
    for (const k of this.steps.keys()) if (k < mark.published) this.steps.delete(k);
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

  /** What all accepted tasks took, those that are not published yet among them; and how many tasks these are (P15). */
  get taken(): { readonly usage: Usage; readonly tasks: number } {
    const waiting = [...this.tasks.values()].map(({ usage }) => usage);
    return { usage: sumUsage(this.sum.usage, ...waiting), tasks: this.published + waiting.length };
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
    if (task.usage !== undefined) sum.usage = sumUsage(sum.usage, task.usage);
    this.charge(0, task.node, task);
    for (const step of steps) {
      this.charge(step.stage, step.node, { gas: step.gas, localBytes: 0, globalBytes: step.globalBytes });
      if (step.stage !== this.publishingStage) continue;
      sum.accepted += step.accepted;
      sum.duplicates += step.duplicates;
      sum.failed += step.failed;
      for (const [id, count] of Object.entries(step.rejected)) sum.rejected[id] = (sum.rejected[id] ?? 0) + count;
    }
    this.countLeaving(task, steps);
  }

  private charge(stage: number, node: number, cost: Cost): void {
    addCost(this.sum, cost);
    const ofStage = this.stages[stage];
    if (ofStage !== undefined) addCost(ofStage, cost);
    const member = this.nameOf(node);
    for (let other = this.members.length; other < node; other++) this.members[other] = { member: this.nameOf(other), ...NOTHING };
    let own = this.members[node];
    if (own?.member !== member) {
      own = { member, ...NOTHING };
      this.members[node] = own;
    }
    addCost(own, cost);
  }

  /** A step counts all records that left the stream up to its stage: what left in a stage is what the one before has not. */
  private countLeaving(task: TaskResult, steps: readonly StepResult[]): void {
    let before = { duplicates: 0, failed: 0 };
    for (const [index, stage] of this.stages.entries()) {
      const upTo = index === 0 ? { duplicates: 0, failed: task.failed } : { duplicates: 0, failed: 0 };
      for (const step of steps) {
        if (step.stage !== index) continue;
        upTo.duplicates += step.duplicates;
        upTo.failed += step.failed;
      }
      stage.duplicates += upTo.duplicates - before.duplicates;
      stage.failed += upTo.failed - before.failed;
      before = upTo;
    }
  }
}

const NOTHING: Readonly<Cost> = { gas: 0, localBytes: 0, globalBytes: 0 };

function addCost(sum: Cost, { gas, localBytes, globalBytes }: Cost): void {
  sum.gas += gas;
  sum.localBytes += localBytes;
  sum.globalBytes += globalBytes;
}
