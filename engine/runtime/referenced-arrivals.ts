/** What has arrived in an external topic that is read where it is: offsets, of which gaps are told from records only by reading them. */
import { invariant } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { ExternalTopic, SourceBounds } from '../contract/source.ts';
import type { Clock } from './clock.ts';
import type { Arrivals } from './topic-planner.ts';

/**
 * Between two looks at a topic that grows, milliseconds. The next look comes when, at the pace so far, half of what is missing will have come: a cut is
 * late by half of the least pause on average, and a broker is asked a few times for each task, not all the time.
 */
const LOOK_MS = [5, 100] as const;

export class ReferencedArrivals implements Arrivals {
  readonly complete: boolean;
  partitions: readonly { readonly start: number; readonly end: number }[] = [];
  private readonly topic: ExternalTopic;
  private readonly bounds: SourceBounds['partitions'];

  private readonly clock: Clock;

  constructor(topic: ExternalTopic, source: SourceBounds | undefined, clock: Clock) {
    invariant(source !== undefined, 'a program that reads a topic was deployed with its bounds');
    this.topic = topic;
    this.clock = clock;
    this.complete = source.partitions.every(({ to }) => to !== undefined);
    // Partitions that a live topic was given later are read from their begin; a finite source has none of them.
    const added = this.complete ? 0 : Math.max(0, topic.partitions - source.partitions.length);
    this.bounds = [...source.partitions, ...Array.from({ length: added }, () => ({ from: 0 }))];
    if (this.complete) this.partitions = this.bounds.map(({ from, to = from }) => ({ start: from, end: to }));
  }

  async refresh(): Promise<void> {
    if (this.complete) return;
    const ends = await this.topic.ends();
    this.partitions = this.bounds.map(({ from }, p) => ({ start: from, end: Math.max(from, ends[p] ?? from) }));
  }

  fit(_partition: number, _from: number, to: number): number {
    return to;
  }

  /** A topic at rest is waited for, which brings its next records along; one that moves is only looked at, as others read it anyway. */
  async wait(records: number, signal: AbortSignal): Promise<void> {
    const seen = this.partitions;
    let since = this.clock.now();
    while (!signal.aborted) {
      const ends = await this.topic.ends();
      const grown = seen.reduce((sum, { end }, p) => sum + Math.max(0, (ends[p] ?? 0) - end), 0);
      if (grown >= records) return;
      if (grown > 0) await this.clock.sleep(untilNextLook(records - grown, grown / (this.clock.now() - since)), signal);
      else {
        await this.atRest(seen, signal);
        since = this.clock.now();
      }
    }
  }

  private async atRest(seen: readonly { readonly end: number }[], signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    try {
      await Promise.race(seen.map(({ end }, p) => this.topic.waitBeyond(p, offset(end), ended)));
    } finally {
      stop.abort();
    }
  }

  close(): Promise<void> {
    return this.topic.close();
  }
}

/** @param pace records per millisecond; infinite when they were there at once */
function untilNextLook(missing: number, pace: number): number {
  const [least, most] = LOOK_MS;
  return Math.min(Math.max(missing / pace / 2, least), most);
}
