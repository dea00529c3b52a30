/**
 * What the orchestrator decides next, as a pure function of the folded control log and the run's plan (P1): attempts for tasks that have
 * none, others beside late ones and stragglers, the search for what kills workers (P9), new cuts (P7). Anyone who holds the prefix comes
 * to the same. Entries are decided in the order in which they are written, each as if those before it were in control already. A round
 * costs as much as the entries that it makes, however many tasks and members there are.
 */
import { MizuError } from '../contract/errors.ts';
import { chooseMember, mayWait, medianPace, type Question } from './assign.ts';
import type { Bisection } from './bisection.ts';
import { bisectionStatus, DEAD_ATTEMPT_LIMIT, FRUITLESS_BISECTION_LIMIT, POISON_PER_TASK_LIMIT } from './bisection.ts';
import type { ControlBody, CutEntry } from './control-entry.ts';
import type { ControlFold } from './control-fold.ts';
import type { CapableMembers, Needs } from './member-loads.ts';
import type { TaskState } from './task-state.ts';
import { nodesAt } from './task-state.ts';

/** A task is a straggler when its only attempt has taken more than this many times the median of the tasks accepted last. */
const STRAGGLER_MEDIANS = 2;

export interface DispatchPlan {
  /** Time frame of an attempt, ticks. */
  readonly deadlineTicks: number;
  /** What the source stage asks of a member. */
  readonly needs: Needs;
  /** Tasks that may be cut now, in order of k, made by the source's planner. */
  readonly cuts: readonly CutEntry[];
  /** Whether any task will be cut later. */
  readonly more: boolean;
}

/** @throws ATTEMPTS_EXHAUSTED when a task can't be helped; the run can be resumed. */
export function nextEntries(fold: ControlFold, plan: DispatchPlan): ControlBody[] {
  if (fold.finish !== undefined || fold.mode === 'paused' || fold.mode === 'stopped') return [];
  const stuck = fold.queues.stuck.first();
  const task = stuck === undefined ? undefined : fold.tasks.get(stuck);
  if (stuck !== undefined && task !== undefined) throw beyondHelp(stuck, task);
  const desk = new Desk(fold, plan);
  try {
    desk.searchKillers();
    desk.helpLate();
    desk.assignWaiting();
    desk.cut();
    desk.helpStragglers();
    return desk.entries;
  } finally {
    desk.leave();
  }
}

/** One round of decisions. Loads that its own entries change are changed while it lasts, and put back when it is left. */
class Desk {
  readonly entries: ControlBody[] = [];
  private readonly fold: ControlFold;
  private readonly plan: DispatchPlan;
  private readonly capable: CapableMembers;
  /** Whether tasks may be given to members that have no free slot. */
  private readonly mayWait: boolean;
  private readonly changes: (readonly [node: number, by: number])[] = [];
  /** Whether a task found nobody in this round. */
  private short = false;

  constructor(fold: ControlFold, plan: DispatchPlan) {
    this.fold = fold;
    this.plan = plan;
    this.capable = fold.capable(plan.needs);
    this.mayWait = mayWait(fold.paces);
  }

  leave(): void {
    for (const [node, by] of this.changes) this.fold.loads.change(node, -by);
  }

  searchKillers(): void {
    for (const k of this.fold.queues.searching) {
      const task = this.fold.tasks.get(k);
      if (task?.bisection !== undefined) this.search(k, task, task.bisection);
    }
  }

  /** A late attempt is not wrong (law 8): another node tries too, and the first result counts. Only free slots are spent on it: while all
   * are taken, everything is late, and twice the work would make it later. */
  helpLate(): void {
    for (const k of this.fold.queues.late) {
      if (this.capable.idle.total === 0) return;
      this.assignBeside(k);
    }
  }

  assignWaiting(): void {
    for (const k of this.fold.queues.unassigned) {
      this.short ||= this.full;
      if (this.short) return;
      this.assign(k, this.fold.tasks.get(k)?.attempts ?? 0, []);
    }
  }

  cut(): void {
    if (this.fold.mode === 'draining') return;
    let next = this.fold.nextCut;
    for (const cut of this.plan.cuts) {
      // Cut already: the planner may not have seen it yet.
      if (cut.k < next) continue;
      next = cut.k + 1;
      this.entries.push(cut);
      this.assign(cut.k, 0, []);
    }
  }

  /** Once nothing else is left to do, free slots try what takes long elsewhere; equal results confirm both. */
  helpStragglers(): void {
    const { queues, tick, mode } = this.fold;
    if (this.short || (this.plan.more && mode !== 'draining')) return;
    const patience = STRAGGLER_MEDIANS * (medianPace(this.fold.paces) ?? 0);
    for (const [half, k] of queues.alone) {
      if (half > tick || this.capable.idle.total === 0) return;
      const since = this.fold.tasks.get(k)?.live[0]?.since ?? tick;
      // Those that follow were assigned later, unless the time frame was changed meanwhile: then they wait for this one.
      if (tick - since <= patience) return;
      this.assignBeside(k);
    }
  }

  private get full(): boolean {
    return (this.mayWait ? this.capable.room : this.capable.idle).total === 0;
  }

  private search(k: number, task: TaskState, bisection: Bisection): void {
    const [part] = bisection.open;
    if (part !== undefined) {
      if (this.full) return;
      const probe = task.probes;
      const node = this.choose({ kind: 'probe', k, number: probe, excluded: [] });
      if (node !== undefined) this.entries.push({ type: 'probe', k, probe, from: part.from, to: part.to, node });
      return;
    }
    if (bisection.found.length === 0) {
      this.assign(k, task.attempts, nodesAt(task));
      return;
    }
    for (const i of bisection.found) this.entries.push({ type: 'poison', k, i });
    // Attempts from before the poison was known are over.
    for (const node of nodesAt(task)) this.change(node, -1);
    this.assign(k, task.attempts, []);
  }

  private assign(k: number, attempt: number, excluded: readonly number[], free = false): void {
    const node = this.choose({ kind: 'attempt', k, number: attempt, excluded }, free);
    if (node === undefined) this.short ||= !free;
    else this.entries.push({ type: 'assign', k, attempt, node, deadline: this.fold.tick + this.plan.deadlineTicks });
  }

  private assignBeside(k: number): void {
    const task = this.fold.tasks.get(k);
    if (task !== undefined) this.assign(k, task.attempts, nodesAt(task), true);
  }

  private choose(question: Question, free = false): number | undefined {
    const node = chooseMember(this.fold.loads, this.capable, question, this.mayWait && !free)?.node;
    if (node !== undefined) this.change(node, 1);
    return node;
  }

  private change(node: number, by: number): void {
    this.fold.loads.change(node, by);
    this.changes.push([node, by]);
  }
}

function beyondHelp(k: number, task: TaskState): MizuError {
  const { bisection, unreachable } = task;
  if (unreachable >= DEAD_ATTEMPT_LIMIT || bisection === undefined) {
    return exhausted(
      k,
      `its upstream could not be reached in ${DEAD_ATTEMPT_LIMIT} attempts`,
      'Nothing committed is lost; when the upstream answers again, run again with the same log.',
    );
  }
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
