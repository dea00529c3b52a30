/** A log around a real one, which does what that does: for those that change a part of it. The log beneath stays open when this one is closed. */
import type { Append, CommitOutcome, Log, LogLimits, LogWriter, Offset, ReadOptions, ReadResult, TopicSpec } from '#engine';

export abstract class LogAround implements Log {
  protected readonly log: Log;

  constructor(log: Log) {
    this.log = log;
  }

  get address(): string {
    return this.log.address;
  }

  get network(): string {
    return this.log.network;
  }

  get limits(): LogLimits {
    return this.log.limits;
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

  /** Every commit through this log. */
  protected abstract commit(writer: LogWriter, appends: readonly Append[]): Promise<CommitOutcome>;

  read(topic: string, partition: number, from: Offset, options?: ReadOptions): Promise<ReadResult> {
    return this.log.read(topic, partition, from, options);
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

  async close(): Promise<void> {}
}
