/** What has arrived in an external topic that is read where it is: offsets, of which gaps are told from records only by reading them. */
import { invariant } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { ExternalTopic, SourceBounds } from '../contract/source.ts';
import type { Arrivals } from './topic-planner.ts';

export class ReferencedArrivals implements Arrivals {
  readonly complete: boolean;
  partitions: readonly { readonly start: number; readonly end: number }[] = [];
  private readonly topic: ExternalTopic;
  private readonly bounds: SourceBounds['partitions'];

  constructor(topic: ExternalTopic, source: SourceBounds | undefined) {
    invariant(source !== undefined, 'a program that reads a topic was deployed with its bounds');
    this.topic = topic;
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

  /** Once the partitions have grown by n together, one of p has grown by n / p: so nothing is missed, and few looks are for nothing. */
  wait(records: number, signal: AbortSignal): Promise<unknown> {
    const share = Math.ceil(records / Math.max(1, this.partitions.length));
    return Promise.race(this.partitions.map(({ end }, p) => this.topic.waitBeyond(p, offset(end + share - 1), signal)));
  }

  close(): Promise<void> {
    return this.topic.close();
  }
}
