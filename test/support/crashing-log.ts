/**
 * A real log that ends its process's part at the n-th commit: before it, after it with the outcome lost, or with an abort. From there on
 * every commit through it fails, as from a process that is gone; what was committed stays on the log beneath.
 */
import type { Append, CommitOutcome, Log, LogLimits, LogWriter, Offset, ReadOptions, ReadResult, TopicSpec } from '#engine';

/**
 * - `before`: the process ends, nothing of the commit is written.
 * - `after`: the commit is written, but its outcome is lost.
 * - `lost`: the outcome is lost, and nothing was written.
 * - `aborted`: the log says that it gave the transaction up.
 */
export type CrashKind = 'before' | 'after' | 'lost' | 'aborted';
export const CRASH_KINDS: readonly CrashKind[] = ['before', 'after', 'lost', 'aborted'];

export class Crash extends Error {
  override readonly name = 'Crash';
}

export class CrashingLog implements Log {
  private readonly log: Log;
  private readonly at: number | ((appends: readonly Append[]) => boolean);
  private readonly kind: CrashKind;
  /** Commits asked for so far, over all writers; empty ones are not counted. */
  commits = 0;
  /** Whether the n-th commit was reached. */
  crashed = false;

  /** @param at number of the commit, from 1, or what it must hold; Infinity never crashes and only counts. */
  constructor(log: Log, at: number | ((appends: readonly Append[]) => boolean), kind: CrashKind = 'before') {
    this.log = log;
    this.at = at;
    this.kind = kind;
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

  /** The log beneath stays open: it is what the next process goes on with. */
  async close(): Promise<void> {}

  private async commit(writer: LogWriter, appends: readonly Append[]): Promise<CommitOutcome> {
    if (this.crashed) return { status: 'aborted', writerDead: true, error: new Crash(`Commit of '${writer.owner}' after the crash`) };
    if (appends.length === 0) return writer.commit(appends);
    this.commits++;
    if (typeof this.at === 'number' ? this.commits < this.at : !this.at(appends)) return writer.commit(appends);
    this.crashed = true;
    const error = new Crash(`Crash ${this.kind} commit ${this.commits}, of '${writer.owner}'`);
    switch (this.kind) {
      case 'before':
        throw error;
      case 'aborted':
        return { status: 'aborted', writerDead: true, error };
      case 'lost':
        return { status: 'unknown', error };
      case 'after': {
        await writer.commit(appends);
        return { status: 'unknown', error };
      }
    }
  }
}
