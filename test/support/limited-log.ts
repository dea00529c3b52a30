/** A real log that takes only small entries and commits, and may forget the begin of topics, as a store with other limits and with retention does. */
import type { Append, CommitOutcome, Log, LogLimits, LogWriter, Offset, ReadOptions, ReadResult, TopicSpec } from '#engine';
import { offset } from '#engine';
import { admit } from '../../engine/contract/log-admission.ts';

export class LimitedLog implements Log {
  readonly limits: LogLimits;
  /** Entries that were committed with the header `part`. */
  parts = 0;
  private readonly log: Log;
  private readonly begins = new Map<string, Offset>();

  constructor(log: Log, limits: Partial<LogLimits> = {}) {
    this.log = log;
    this.limits = { ...log.limits, ...limits };
  }

  /** From now on, entries before the offset are gone. */
  forget(topic: string, partition: number, before: number): void {
    this.begins.set(`${topic}/${partition}`, offset(before));
  }

  get address(): string {
    return this.log.address;
  }

  get network(): string {
    return this.log.network;
  }

  createTopic(spec: TopicSpec): Promise<void> {
    return this.log.createTopic(spec);
  }

  topics(prefix?: string): Promise<readonly TopicSpec[]> {
    return this.log.topics(prefix);
  }

  async openWriter(owner: string): Promise<LogWriter> {
    const writer = await this.log.openWriter(owner);
    return {
      owner,
      commit: (appends) => this.commit(writer, appends),
      waitVisible: () => writer.waitVisible(),
      close: () => writer.close(),
    };
  }

  async read(topic: string, partition: number, from: Offset, options?: ReadOptions): Promise<ReadResult> {
    const begin = await this.begin(topic, partition);
    return this.log.read(topic, partition, from < begin ? begin : from, options);
  }

  async begin(topic: string, partition: number): Promise<Offset> {
    return this.begins.get(`${topic}/${partition}`) ?? offset(0);
  }

  end(topic: string, partition: number): Promise<Offset> {
    return this.log.end(topic, partition);
  }

  waitBeyond(topic: string, partition: number, position: Offset, signal: AbortSignal): Promise<boolean> {
    return this.log.waitBeyond(topic, partition, position, signal);
  }

  size(): ReturnType<Log['size']> {
    return this.log.size();
  }

  /** The log beneath stays open. */
  async close(): Promise<void> {}

  private async commit(writer: LogWriter, appends: readonly Append[]): Promise<CommitOutcome> {
    try {
      admit(appends, this.limits);
    } catch (error) {
      return { status: 'aborted', writerDead: false, error: error as Error };
    }
    this.parts += appends.filter((append) => append.headers?.['part'] !== undefined).length;
    return writer.commit(appends);
  }
}
