/** How much of a finite source is on the run's log: whoever deployed the run may still be copying it (P13). */
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import { fileSource, type Program } from '../contract/program.ts';
import { lastEntry } from './last-entry.ts';
import { sourceHeaders } from './source-store.ts';
import type { RunTopics } from './topics.ts';

export class CopiedRecords {
  private readonly log: Log;
  private readonly topic: string;
  private readonly total: number;
  /** End of the topic at the last look. */
  private seen: Offset = offset(0);
  /** Records that were there then, and whether more were wanted. */
  private there = 0;
  private short = true;

  constructor(log: Log, topic: string, total: number) {
    this.log = log;
    this.topic = topic;
    this.total = total;
  }

  /** Records that were not there at the last look. */
  get missing(): number {
    return Math.max(0, this.total - this.there);
  }

  /** Looks, unless so many are known to be there. @returns how many records are there at least. */
  async refresh(wanted = this.total): Promise<number> {
    this.short = this.there < Math.min(wanted, this.total);
    if (!this.short) return this.there;
    // Asked for first: what comes between this and the reading is met again.
    const end = await this.log.end(this.topic, 0);
    if (end > this.seen) {
      this.seen = end;
      this.there = await copyEnd(this.log, this.topic);
    }
    return this.there;
  }

  /** Resolves when more came than was there at a look that found too few, or else than is there now; or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const from = this.short ? this.seen : await this.log.end(this.topic, 0);
    await this.log.waitBeyond(this.topic, 0, from, signal);
  }
}

/** The number after the last copied record, from its last entry alone. @throws LOG_CORRUPT. */
export async function copyEnd(log: Log, topic: string): Promise<number> {
  const last = await lastEntry(log, topic, 0);
  if (last === undefined) return 0;
  const { from, count } = sourceHeaders(last, `${topic}, partition 0`);
  return from + count;
}

/** Whether all records that the program names are there; true for a program without a finite source. */
export async function isCopied(log: Log, topics: RunTopics, program: Program): Promise<boolean> {
  const files = fileSource(program);
  return files === undefined || (await copyEnd(log, topics.source)) >= files.records;
}
