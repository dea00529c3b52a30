/**
 * Cuts tasks from a topic: as soon as enough records for a whole task are there, or, of a live topic, once the first of fewer has waited long
 * enough. Records are taken partition after partition, going on after the one that the last cut ended in, so the cuts of a topic with an end
 * follow from where it begins and ends alone (law 1).
 */
import type { CutEntry } from '../dispatch/control-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import type { Clock } from './clock.ts';
import type { CutPlanner } from './cut-planner.ts';

/** What has arrived: numbers or offsets [start, end) of each partition, that only grow. */
export interface Arrivals {
  /** Looks again. `at`: where the next cut begins, by partition; nothing below is asked for any more. */
  refresh(at: ReadonlyMap<number, number>): Promise<void>;
  /** By partition; undefined before the first look. */
  readonly partitions: readonly { readonly start: number; readonly end: number }[];
  /** Nothing more will ever arrive. */
  readonly complete: boolean;
  /** The furthest end of one task's range [from, to) that keeps it within a task's bytes; beyond `from`. */
  fit(partition: number, from: number, to: number): number;
  /** Resolves once at least `records` more than at the last look may be there, or when the signal aborts. */
  wait(records: number, signal: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
}

export interface TopicPlannerOptions {
  readonly arrivals: Arrivals;
  readonly size: number;
  /** Candidates that the run may have. */
  readonly candidates: number;
  /** How long a record waits for a full task; undefined: until the topic is complete. */
  readonly everyMs: number | undefined;
  readonly clock: Clock;
}

type Range = CutEntry['ranges'][number];

export class TopicPlanner implements CutPlanner {
  private readonly options: TopicPlannerOptions;
  /** When records that wait for a cut were first seen; undefined while none wait. */
  private since: number | undefined;
  private pending = 0;
  /** The last `due` gave all that it was allowed to. */
  private limited = false;
  /** `due` was called: what a pending wait waits for may be something else now. */
  private changed = new AbortController();
  private closed = false;

  constructor(options: TopicPlannerOptions) {
    this.options = options;
  }

  async due(fold: ControlFold, limit: number): Promise<readonly CutEntry[]> {
    const { arrivals, size, candidates, clock } = this.options;
    const at = new Map(fold.positions);
    await arrivals.refresh(at);
    const walk = new Walk(arrivals, at, fold.lastPartition);
    const cuts: CutEntry[] = [];
    let first = fold.candidates;
    let late = this.since !== undefined && this.options.everyMs !== undefined && clock.now() - this.since >= this.options.everyMs;
    let k = fold.nextCut;
    for (; k < limit && first < candidates; k++) {
      const room = Math.min(size, candidates - first);
      const ranges = walk.pending >= room || arrivals.complete || late ? walk.take(room) : [];
      if (ranges.length === 0) break;
      late = false;
      const count = ranges.reduce((sum, [, from, to]) => sum + to - from, 0);
      cuts.push({ type: 'cut', k, branch: 0, first, count, ranges });
      first += count;
    }
    this.limited = k >= limit || first >= candidates;
    this.pending = walk.pending;
    if (this.pending === 0) this.since = undefined;
    else if (cuts.length > 0 || this.since === undefined) this.since = clock.now();
    this.changed.abort();
    this.changed = new AbortController();
    return cuts;
  }

  /** Copying it, if it is copied, belongs to the run. */
  async missing(): Promise<number> {
    return 0;
  }

  over(fold: ControlFold): boolean {
    const { arrivals, candidates } = this.options;
    if (fold.candidates >= candidates) return true;
    return arrivals.complete && arrivals.partitions.every(({ start, end }, p) => (fold.positions.get(p) ?? start) >= end);
  }

  async wait(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.closed) {
      const { changed } = this;
      const stop = new AbortController();
      const ended = AbortSignal.any([signal, changed.signal, stop.signal]);
      try {
        await Promise.race([aborted(ended), ...this.reasons(ended)]);
      } finally {
        stop.abort();
      }
      if (!changed.signal.aborted) return;
    }
  }

  /** Whoever waits is let go: a loop over a signal that stays aborted would never give the event loop back. */
  async close(): Promise<void> {
    this.closed = true;
    this.changed.abort();
    await this.options.arrivals.close();
  }

  /** What may give another cut. */
  private reasons(signal: AbortSignal): Promise<unknown>[] {
    const { arrivals, size, everyMs, clock } = this.options;
    // Only its caller can know when the limit moves; and a topic that is complete gives everything at once.
    if (this.limited || arrivals.complete) return [];
    const reasons = [arrivals.wait(this.pending === 0 && everyMs !== undefined ? 1 : Math.max(1, size - this.pending), signal)];
    if (this.since !== undefined && everyMs !== undefined) reasons.push(clock.sleep(this.since + everyMs - clock.now(), signal));
    return reasons;
  }
}

/** Takes what waits, partition after partition. */
class Walk {
  /** Records that wait. With gaps in a topic's offsets it is more than there are. */
  pending: number;
  private readonly arrivals: Arrivals;
  private readonly at: number[];
  private partition: number;

  constructor(arrivals: Arrivals, at: ReadonlyMap<number, number>, last: number) {
    this.arrivals = arrivals;
    this.at = arrivals.partitions.map(({ start }, p) => at.get(p) ?? start);
    this.pending = this.at.reduce((sum, from, p) => sum + Math.max(0, this.end(p) - from), 0);
    this.partition = last;
  }

  /** Ranges of at most `room` records together. */
  take(room: number): Range[] {
    const ranges: Range[] = [];
    let left = room;
    for (let turn = 0; turn < this.at.length && left > 0; turn++) {
      const p = (this.partition + 1) % this.at.length;
      this.partition = p;
      const from = this.at[p] ?? 0;
      const wanted = Math.min(this.end(p), from + left);
      if (wanted <= from) continue;
      const to = this.arrivals.fit(p, from, wanted);
      ranges.push([p, from, to]);
      this.at[p] = to;
      this.pending -= to - from;
      left -= to - from;
      if (to < wanted) break;
    }
    const last = ranges.at(-1);
    if (last !== undefined) this.partition = last[0];
    return ranges;
  }

  private end(p: number): number {
    return this.arrivals.partitions[p]?.end ?? 0;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
