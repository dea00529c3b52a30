/**
 * Tasks by what is to be decided about them, so that a round looks at those and at no other. A task is in one queue at most, and among
 * `alone` besides. The queues follow from the tasks and the tick: they are an index, not a state of their own.
 */
import { DEAD_ATTEMPT_LIMIT } from './bisection.ts';
import { SortedNumbers, TickQueue } from './sorted-numbers.ts';
import type { TaskState } from './task-state.ts';
import { searchFailed } from './task-state.ts';

/** Attempts of one task that may run side by side. A task that is slow by itself would otherwise spread over all members in the end. */
export const ATTEMPTS_BESIDE_LIMIT = 3;

interface Place {
  /** Where it waits for a decision; undefined while it waits for a member's word. */
  readonly queue: 'stuck' | 'searching' | 'unassigned' | 'late' | undefined;
  /** Last tick of its time frame, while it is in time. */
  readonly deadline: number | undefined;
  /** Tick from which its only attempt has used half of its frame. */
  readonly half: number | undefined;
}

export class TaskQueues {
  /** Beyond help: upstream unreachable, or a search that failed. */
  readonly stuck = new SortedNumbers();
  /** Searched for killers, with no probe that runs. */
  readonly searching = new SortedNumbers();
  /** With no attempt that runs. */
  readonly unassigned = new SortedNumbers();
  /** All attempts late, and few enough for another one. */
  readonly late = new SortedNumbers();
  /** In time with one attempt, by the tick at which half its time frame is over. */
  readonly alone = new TickQueue();
  /** Those that an orchestrator who takes over forgives something. */
  readonly failing = new Set<number>();
  private readonly deadlines = new TickQueue();
  private readonly places = new Map<number, Place>();

  /** Puts the task where it belongs now. */
  put(k: number, task: TaskState, tick: number): void {
    this.remove(k);
    if (task.accepted !== undefined) return;
    const place = placeOf(task, tick);
    this.places.set(k, place);
    if (place.queue !== undefined) this[place.queue].add(k);
    if (place.deadline !== undefined) this.deadlines.add(place.deadline, k);
    if (place.half !== undefined) this.alone.add(place.half, k);
    if (task.died + task.unreachable + task.fruitless > 0 || task.bisection !== undefined) this.failing.add(k);
  }

  remove(k: number): void {
    const place = this.places.get(k);
    if (place === undefined) return;
    this.places.delete(k);
    if (place.queue !== undefined) this[place.queue].delete(k);
    if (place.deadline !== undefined) this.deadlines.delete(place.deadline, k);
    if (place.half !== undefined) this.alone.delete(place.half, k);
    this.failing.delete(k);
  }

  /** Tasks whose time frame ended before the tick: they are to be put anew. Each attempt is so once. */
  overdue(tick: number): number[] {
    const first = this.deadlines.first();
    return first !== undefined && first < tick ? [...this.deadlines.at(first)] : [];
  }
}

function placeOf(task: TaskState, tick: number): Place {
  if (task.unreachable >= DEAD_ATTEMPT_LIMIT || (task.bisection !== undefined && searchFailed(task))) return waiting('stuck');
  if (task.bisection !== undefined) return waiting(task.probe === undefined ? 'searching' : undefined);
  const [attempt, ...others] = task.live;
  if (attempt === undefined) return waiting('unassigned');
  const deadline = others.reduce((latest, other) => Math.max(latest, other.deadline), attempt.deadline);
  if (deadline < tick) return waiting(task.live.length < ATTEMPTS_BESIDE_LIMIT ? 'late' : undefined);
  const half = others.length === 0 ? attempt.since + Math.ceil((attempt.deadline - attempt.since) / 2) : undefined;
  return { queue: undefined, deadline, half };
}

function waiting(queue: Place['queue']): Place {
  return { queue, deadline: undefined, half: undefined };
}
