/** Reads one partition forwards, in chunks, holding one chunk at most (law 6). */
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry, ReadOptions } from '../contract/log.ts';

export interface CursorOptions extends ReadOptions {
  readonly copies?: boolean;
}

export class LogCursor {
  readonly topic: string;
  readonly partition: number;
  private readonly log: Log;
  private readonly options: CursorOptions;
  private readonly copies: boolean;
  private chunk: readonly LogEntry[] = [];
  private free: (() => void) | undefined;
  private at = 0;
  private nextRead: Offset;
  /** Whether something may be there that was not read: at the begin, and whenever a wait says so. */
  private news = true;

  /** `copies`: the bytes of an entry are looked at until the next one is asked for, and no longer. */
  constructor(log: Log, topic: string, partition: number, from: Offset = offset(0), options: CursorOptions = {}) {
    this.log = log;
    this.copies = options.copies ?? false;
    this.topic = topic;
    this.partition = partition;
    this.nextRead = from;
    this.options = options;
  }

  /** The next committed entry, or undefined when there is none yet. */
  async take(): Promise<LogEntry | undefined> {
    if (this.at >= this.chunk.length) await this.read();
    return this.chunk[this.at++];
  }

  /** As `take`, but reads once only after each wait: who waits for more anyway need not ask a log far away for it, too. */
  async takeArrived(): Promise<LogEntry | undefined> {
    if (this.at >= this.chunk.length) {
      if (!this.news) return undefined;
      await this.read();
    }
    return this.chunk[this.at++];
  }

  /** The next entry, waiting for it; undefined when the signal aborts. */
  async next(signal: AbortSignal): Promise<LogEntry | undefined> {
    for (;;) {
      const entry = await this.takeArrived();
      if (entry !== undefined || !(await this.wait(signal))) return entry;
    }
  }

  private async read(): Promise<void> {
    this.news = false;
    this.free?.();
    this.free = undefined;
    const { entries, next, free } = await this.log.read(this.topic, this.partition, this.nextRead, this.options);
    this.chunk = entries;
    if (this.copies) this.free = free;
    this.nextRead = next;
    this.at = 0;
  }

  /** Offset of the entry that `take` gives next. */
  get position(): Offset {
    return this.chunk[this.at]?.offset ?? this.nextRead;
  }

  /**
   * Waits for entries beyond what was read; false when the signal aborts. One that aborted before asks what is there already. Who is to read anyway
   * waits for nothing: the log would fetch those entries once more, and keep them for a read that never comes.
   */
  async wait(signal: AbortSignal): Promise<boolean> {
    if (this.at < this.chunk.length || this.news) return true;
    if (signal.aborted) {
      await this.read();
      return this.chunk.length > 0;
    }
    const grown = await this.log.waitBeyond(this.topic, this.partition, this.nextRead, signal);
    this.news ||= grown;
    return grown;
  }
}

/** All entries of a partition from an offset to its present end, or to those before `until`. */
export async function* readAll(
  log: Log,
  topic: string,
  partition: number,
  from: Offset = offset(0),
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<LogEntry> {
  for (let position = from; position < until; ) {
    const { entries, next } = await log.read(topic, partition, position);
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (entry.offset >= until) return;
      yield entry;
    }
    position = next;
  }
}

/** The first offset that may still be read; 0 on a log that forgets nothing. */
export async function beginOf(log: Log, topic: string, partition: number): Promise<Offset> {
  return (await log.begin?.(topic, partition)) ?? offset(0);
}
