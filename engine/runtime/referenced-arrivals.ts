/** What has arrived in an external topic that is read where it is: offsets, of which gaps are told from records only by reading them. */
import { invariant } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { ExternalTopic, SourceBounds } from '../contract/source.ts';
import type { Clock } from './clock.ts';
import type { Arrivals } from './topic-planner.ts';

/** Between two looks at a topic that grows, milliseconds: a cut is late by half of it on average. */
const LOOK_MS = 5;

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
    this.partitions = await Promise.all(
      this.bounds.map(async ({ from }, p) => ({ start: from, end: Math.max(from, await this.topic.end(p)) })),
    );
  }

  fit(_partition: number, _from: number, to: number): number {
    return to;
  }

  /** A topic at rest is waited for, which brings its next records along; one that moves is only looked at, as others read it anyway. */
  async wait(records: number, signal: AbortSignal): Promise<void> {
    const seen = this.partitions;
    while (!signal.aborted) {
      const ends = await Promise.all(seen.map((_, p) => this.topic.end(p)));
      const grown = seen.reduce((sum, { end }, p) => sum + Math.max(0, (ends[p] ?? 0) - end), 0);
      if (grown >= records) return;
      if (grown > 0) await this.clock.sleep(LOOK_MS, signal);
      else await this.atRest(seen, signal);
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
