/**
 * A real log that takes only small entries and commits, forgets the begin of topics, compacts at once, and shows some entries changed: as stores with other limits,
 * with retention and compaction do, and as a broken one would. Counts what is read.
 */
import type { Append, CommitOutcome, Log, LogEntry, LogLimits, LogWriter, Offset, ReadOptions, ReadResult } from '#engine';
import { offset } from '#engine';
import { LogAround } from './log-around.ts';
import { admit } from '../../engine/contract/log-admission.ts';

export class LimitedLog extends LogAround {
  private readonly own: LogLimits;
  /** Entries that were committed with the header `part`. */
  parts = 0;
  /** Entries read, by topic. */
  readonly reads = new Map<string, number>();
  /** What a reader sees in place of an entry. */
  shown: (topic: string, entry: LogEntry) => LogEntry = (_, entry) => entry;
  private readonly compacted = new Set<string>();
  /** Topic, partition and key → offset of the newest entry. */
  private readonly newest = new Map<string, number>();
  private readonly begins = new Map<string, Offset>();

  constructor(log: Log, limits: Partial<LogLimits> = {}) {
    super(log);
    this.own = { ...log.limits, ...limits };
  }

  override get limits(): LogLimits {
    return this.own;
  }

  /** From now on, entries before the offset are gone. */
  forget(topic: string, partition: number, before: number): void {
    this.begins.set(`${topic}/${partition}`, offset(before));
  }

  /** Shows only the newest entry of each key from now on. */
  compact(topic: string): void {
    this.compacted.add(topic);
  }

  override async read(topic: string, partition: number, from: Offset, options?: ReadOptions): Promise<ReadResult> {
    const begin = await this.begin(topic, partition);
    for (let at = from < begin ? begin : from; ; ) {
      const { entries, next } = await this.log.read(topic, partition, at, options);
      const live = entries.filter(
        (entry) => !this.compacted.has(topic) || this.newest.get(keyOf(topic, partition, entry.key)) === entry.offset,
      );
      this.reads.set(topic, (this.reads.get(topic) ?? 0) + live.length);
      if (live.length > 0 || entries.length === 0) return { entries: live.map((entry) => this.shown(topic, entry)), next };
      at = next;
    }
  }

  async begin(topic: string, partition: number): Promise<Offset> {
    return this.begins.get(`${topic}/${partition}`) ?? offset(0);
  }

  protected override async commit(writer: LogWriter, appends: readonly Append[]): Promise<CommitOutcome> {
    try {
      admit(appends, this.limits);
    } catch (error) {
      return { status: 'aborted', writerDead: false, error: error as Error };
    }
    this.parts += appends.filter((append) => append.headers?.['part'] !== undefined).length;
    const outcome = await writer.commit(appends);
    if (outcome.status === 'committed')
      appends.forEach(({ topic, partition, key }, n) => void this.newest.set(keyOf(topic, partition, key), outcome.offsets[n] ?? 0));
    return outcome;
  }
}

function keyOf(topic: string, partition: number, key: Uint8Array | undefined): string {
  return `${topic}/${partition}/${Buffer.from(key ?? []).toString('hex')}`;
}
