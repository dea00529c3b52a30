/**
 * What the orchestrator decides next, as a pure function of the folded control log and the run's plan (P1): attempts for tasks that have
 * none, others beside late ones, the search for what kills workers (P9), new cuts (P7). Anyone who holds the prefix comes to the same.
 */
import { MizuError } from '../contract/errors.ts';
import type { NodeLoad } from './assign.ts';
import { assignNode } from './assign.ts';
import type { Bisection } from './bisection.ts';
import { bisectionStatus, DEAD_ATTEMPT_LIMIT, FRUITLESS_BISECTION_LIMIT, POISON_PER_TASK_LIMIT } from './bisection.ts';
import type { ControlBody } from './control-entry.ts';
import type { ControlFold, TaskState } from './control-fold.ts';
import { searchFailed } from './control-fold.ts';

export interface DispatchPlan {
  /** Logical nodes that take part, numbered from 0. */
  readonly nodes: number;
  /** Time frame of an attempt, ticks. */
  readonly deadlineTicks: number;
  /** Tasks below this may be cut now. */
  readonly cutEnd: number;
  readonly taskSize: number;
  /** Candidates that the run may have; Infinity for an endless one. */
  readonly candidates: number;
  /** Whether tasks take records of a source. */
  readonly source: boolean;
}

/** @throws ATTEMPTS_EXHAUSTED when a task can't be helped; the run can be resumed. */
export function nextEntries(fold: ControlFold, plan: DispatchPlan): ControlBody[] {
  const desk = new Desk(fold, plan);
  for (const [k, task] of fold.tasks) if (task.accepted === undefined) desk.handle(k, task);
  desk.cut();
  return desk.entries;
}

/** One round of decisions; keeps the loads that its own assignments add. */
class Desk {
  readonly entries: ControlBody[] = [];
  private readonly fold: ControlFold;
  private readonly plan: DispatchPlan;
  private readonly loads: number[];

  constructor(fold: ControlFold, plan: DispatchPlan) {
    this.fold = fold;
    this.plan = plan;
    this.loads = new Array<number>(plan.nodes).fill(0);
    for (const task of fold.tasks.values()) {
      if (task.accepted !== undefined) continue;
      for (const { node } of task.live) this.load(node);
      if (task.probe !== undefined) this.load(task.probe.node);
    }
  }

  handle(k: number, task: TaskState): void {
    if (task.unreachable >= DEAD_ATTEMPT_LIMIT) {
      throw exhausted(
        k,
        `its upstream could not be reached in ${DEAD_ATTEMPT_LIMIT} attempts`,
        'Nothing committed is lost; when the upstream answers again, run again with the same log.',
      );
    }
    if (task.bisection !== undefined) this.search(k, task, task.bisection);
    else if (task.live.length === 0) this.assign(k, task.attempts);
    else if (task.live.every(({ deadline }) => deadline < this.fold.tick)) this.assignBeside(k, task);
  }

  cut(): void {
    const { taskSize, candidates, source, cutEnd } = this.plan;
    if (this.fold.pool(cutEnd) !== 'open') return;
    for (let k = this.fold.nextCut; k < cutEnd; k++) {
      const first = k * taskSize;
      const count = Math.min(taskSize, candidates - first);
      this.entries.push({ type: 'cut', k, branch: 0, first, count, ranges: source ? [[0, first, first + count]] : [] });
      this.assign(k, 0);
    }
  }

  private search(k: number, task: TaskState, bisection: Bisection): void {
    if (searchFailed(task)) throw hopeless(k, bisection);
    const [part] = bisection.open;
    if (part === undefined) {
      for (const i of bisection.found) this.entries.push({ type: 'poison', k, i });
      this.assign(k, task.attempts);
    } else if (task.probe === undefined) {
      const node = this.choose(k, task.probes, () => true);
      this.entries.push({ type: 'probe', k, probe: task.probes, from: part.from, to: part.to, node });
    }
  }

  private assign(k: number, attempt: number, may: (node: number) => boolean = () => true): void {
    this.entries.push({
      type: 'assign',
      k,
      attempt,
      node: this.choose(k, attempt, may),
      deadline: this.fold.tick + this.plan.deadlineTicks,
    });
  }

  /** A late attempt is not wrong (law 8): another node tries too, and the first result counts. A node that is at it already would only be slower. */
  private assignBeside(k: number, task: TaskState): void {
    const busy = new Set(task.live.map(({ node }) => node));
    if (this.loads.some((_, node) => !busy.has(node))) this.assign(k, task.attempts, (node) => !busy.has(node));
  }

  private choose(k: number, attempt: number, may: (node: number) => boolean): number {
    const nodes = this.loads.map((load, node): NodeLoad => ({ node, weight: 1, load, capable: may(node) }));
    const node = assignNode(nodes, k, attempt);
    this.load(node);
    return node;
  }

  /** Nodes of a run before this one may have been more; they take nothing any longer. */
  private load(node: number): void {
    if (node < this.loads.length) this.loads[node] = (this.loads[node] ?? 0) + 1;
  }
}

function hopeless(k: number, bisection: Bisection): MizuError {
  const hint =
    'Nothing committed is lost; mend the cause (a step that crashes or hangs, too little memory) and run again with the same log.';
  if (bisectionStatus(bisection) === 'hopeless') {
    return exhausted(
      k,
      `more than ${POISON_PER_TASK_LIMIT} of its candidates end the worker that takes them: ${bisection.found.join(', ')}, and perhaps more`,
      hint,
    );
  }
  return exhausted(k, `its worker dies again and again, but for no single candidate (searched ${FRUITLESS_BISECTION_LIMIT} times)`, hint);
}

function exhausted(k: number, why: string, hint: string): MizuError {
  return new MizuError('ATTEMPTS_EXHAUSTED', `Task ${k} can't be done: ${why}`, { component: `0/${k}`, hint });
}
