/**
 * Sets that are read in order: of numbers, and of tasks by tick. A set is a list of short sorted runs, so that a change moves one run's
 * numbers only, and reading the first few costs no more than those few.
 */

/** Numbers in a run before it is cut in two: moving 256 numbers takes less time than finding the run in a tree of nodes would. */
const RUN_LIMIT = 256;

export class SortedNumbers implements Iterable<number> {
  private readonly runs: number[][] = [];
  size = 0;

  add(value: number): void {
    const at = this.runOf(value);
    const run = this.runs[at];
    if (run === undefined) {
      this.runs.push([value]);
      this.size++;
      return;
    }
    const place = placeOf(run, value);
    if (run[place] === value) return;
    run.splice(place, 0, value);
    this.size++;
    if (run.length > RUN_LIMIT) this.runs.splice(at + 1, 0, run.splice(run.length >> 1));
  }

  delete(value: number): void {
    const at = this.runOf(value);
    const run = this.runs[at];
    if (run === undefined) return;
    const place = placeOf(run, value);
    if (run[place] !== value) return;
    run.splice(place, 1);
    this.size--;
    if (run.length === 0) this.runs.splice(at, 1);
  }

  first(): number | undefined {
    return this.runs[0]?.[0];
  }

  /** Ascending. The set must not change meanwhile. */
  *[Symbol.iterator](): Iterator<number> {
    for (const run of this.runs) yield* run;
  }

  /** The last run that begins at or before the value, or the first one. */
  private runOf(value: number): number {
    let low = 0;
    let high = this.runs.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.runs[middle]?.[0] ?? 0) <= value) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Tasks by tick, the earliest first; those of one tick in order of k. */
export class TickQueue implements Iterable<readonly [tick: number, k: number]> {
  private readonly ticks = new SortedNumbers();
  private readonly tasks = new Map<number, SortedNumbers>();

  add(tick: number, k: number): void {
    let tasks = this.tasks.get(tick);
    if (tasks === undefined) {
      tasks = new SortedNumbers();
      this.tasks.set(tick, tasks);
      this.ticks.add(tick);
    }
    tasks.add(k);
  }

  delete(tick: number, k: number): void {
    const tasks = this.tasks.get(tick);
    tasks?.delete(k);
    if (tasks?.size !== 0) return;
    this.tasks.delete(tick);
    this.ticks.delete(tick);
  }

  /** Earliest tick that has tasks. */
  first(): number | undefined {
    return this.ticks.first();
  }

  at(tick: number): Iterable<number> {
    return this.tasks.get(tick) ?? [];
  }

  /** The queue must not change meanwhile. */
  *[Symbol.iterator](): Iterator<readonly [number, number]> {
    for (const tick of this.ticks) for (const k of this.at(tick)) yield [tick, k];
  }
}

/** Index of the first number that is not below the value. */
function placeOf(run: readonly number[], value: number): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((run[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
