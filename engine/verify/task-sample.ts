/**
 * Of which tasks `verify` reads what their leaves commit to: source, frames and published records. Of a small run of all, of a large one of some stretches drawn at
 * random, so that the time for a look does not grow with the run; whoever changed one of n tasks is found with a chance of looked/n, and by a full look for certain.
 */
import { randomInt } from 'node:crypto';
import type { TaskRange } from './task-range.ts';

/** Of a run with at most so many candidates all tasks are read. */
const WHOLE_CANDIDATES = 65_536;
/** Stretches of a larger one, each in a part of its own: one is always among the first tasks, one among the last. */
const SAMPLE_STRETCHES = 4;
/** Candidates of a stretch, and its last task whole. */
const STRETCH_CANDIDATES = 4_096;

export interface SampleLimits {
  readonly whole: number;
  readonly stretch: number;
}

const LIMITS: SampleLimits = { whole: WHOLE_CANDIDATES, stretch: STRETCH_CANDIDATES };

export class TaskSample {
  readonly stretches: readonly TaskRange[];

  private constructor(stretches: readonly TaskRange[]) {
    this.stretches = stretches;
  }

  /** Undefined for a run of which all is to be read. `sizes`: candidates of the tasks 0 … last. */
  static draw(sizes: readonly number[], { whole, stretch }: SampleLimits = LIMITS): TaskSample | undefined {
    const candidates = sizes.reduce((sum, size) => sum + size, 0);
    if (candidates <= whole || sizes.length < SAMPLE_STRETCHES) return undefined;
    const stretches = Array.from({ length: SAMPLE_STRETCHES }, (_, n) => {
      const [low, high] = [n, n + 1].map((part) => Math.floor((part * sizes.length) / SAMPLE_STRETCHES)) as [number, number];
      const from = low + randomInt(high - low);
      let to = from;
      for (let taken = sizes[from] ?? 0; taken < stretch && to + 1 < high; taken += sizes[to] ?? 0) to++;
      return { from, to };
    });
    return new TaskSample(stretches);
  }

  has(k: number): boolean {
    return this.stretches.some(({ from, to }) => from <= k && k <= to);
  }

  begins(k: number): boolean {
    return this.stretches.some(({ from }) => from === k);
  }
}
