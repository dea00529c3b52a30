/**
 * A real log that ends its process's part at the n-th commit: before it, after it with the outcome lost, or with an abort. From there on
 * every commit through it fails, as from a process that is gone; what was committed stays on the log beneath.
 */
import type { Append, CommitOutcome, Log, LogWriter } from '#engine';
import { LogAround } from './log-around.ts';

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

export class CrashingLog extends LogAround {
  private readonly at: number | ((appends: readonly Append[]) => boolean);
  private readonly kind: CrashKind;
  /** Commits asked for so far, over all writers; empty ones are not counted. */
  commits = 0;
  /** Whether the n-th commit was reached. */
  crashed = false;

  /** @param at number of the commit, from 1, or what it must hold; Infinity never crashes and only counts. */
  constructor(log: Log, at: number | ((appends: readonly Append[]) => boolean), kind: CrashKind = 'before') {
    super(log);
    this.at = at;
    this.kind = kind;
  }

  protected override async commit(writer: LogWriter, appends: readonly Append[]): Promise<CommitOutcome> {
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
