/** What has arrived of a topic that is copied to the run's own log: numbered records whose sizes are known, so that no task grows too large. */
import { MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import { LogCursor } from './log-cursor.ts';
import { recordSizes, seekSource, sourceHeaders } from './source-store.ts';
import type { Arrivals } from './topic-planner.ts';

/** Most bytes of records that one task of a copied topic takes, unless a single record is longer: tasks are held in memory (law 6). */
const TASK_BYTES_LIMIT = 16 * 1024 * 1024;

export class CopiedArrivals implements Arrivals {
  complete = false;
  partitions: readonly { readonly start: number; readonly end: number }[] = [];
  private readonly log: Log;
  private readonly topic: string;
  private cursor: LogCursor | undefined;
  /** Sizes of the records from number `low` on. What the copy runs ahead of the cuts is bounded, and so is this. */
  private sizes: number[] = [];
  private low = 0;

  constructor(log: Log, topic: string) {
    this.log = log;
    this.topic = topic;
  }

  async refresh(at: ReadonlyMap<number, number>): Promise<void> {
    const next = at.get(0) ?? 0;
    this.cursor ??= await this.open(next);
    for (let entry = await this.cursor.take(); entry !== undefined; entry = await this.cursor.take()) {
      const { from, complete } = sourceHeaders(entry, `${this.topic}, partition 0`);
      if (from > this.end) {
        throw new MizuError('SOURCE_UNAVAILABLE', `unavailable: ${this.topic}, partition 0, records ${this.end} to ${from}`, {
          component: this.topic,
        });
      }
      const sizes = recordSizes(entry, `${this.topic}, partition 0`);
      // The first entry after a take-over may begin before the next cut does.
      this.sizes.push(...sizes.slice(Math.max(0, this.end - from)));
      this.complete ||= complete;
    }
    if (next > this.low) {
      this.sizes.splice(0, next - this.low);
      this.low = next;
    }
    this.partitions = [{ start: 0, end: this.end }];
  }

  fit(_partition: number, from: number, to: number): number {
    let bytes = 0;
    for (let record = from; record < to; record++) {
      bytes += this.sizes[record - this.low] ?? 0;
      if (bytes > TASK_BYTES_LIMIT && record > from) return record;
    }
    return to;
  }

  wait(_records: number, signal: AbortSignal): Promise<unknown> {
    return this.cursor?.wait(signal) ?? Promise.resolve();
  }

  async close(): Promise<void> {}

  private get end(): number {
    return this.low + this.sizes.length;
  }

  private async open(next: number): Promise<LogCursor> {
    this.low = next;
    // From the entry of the record before: if that is the last one, it says that the topic is complete.
    const position = next === 0 ? offset(0) : await seekSource(this.log, this.topic, next - 1);
    return new LogCursor(this.log, this.topic, 0, position, { maxEntries: 16 });
  }
}
