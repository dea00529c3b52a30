/**
 * The attempts that control accepted, in order of k, read from control itself: the fold of a process forgets early tasks, and who is behind would miss them. Control
 * is read as far as the task that is asked for needs it, so what is held are tasks accepted before it, which the window bounds (law 6).
 */
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import { decodeControl, readEntry } from '../dispatch/signed-entry.ts';
import { LogCursor } from './log-cursor.ts';

export class AcceptedTasks {
  private readonly cursor: LogCursor;
  /** Read and not passed yet. */
  private readonly held = new Map<number, { readonly attempt: number; readonly at: number }>();
  private finish: { readonly last: number; readonly at: number } | undefined;
  private next: number;

  /** `from`: an offset from which the `accept` entries of tasks `next`, `next` + 1 … are found. */
  constructor(log: Log, control: string, from: Offset, next: number) {
    this.cursor = new LogCursor(log, control, 0, from);
    this.next = next;
  }

  /** The attempt of task k that counts, once control says so; undefined when the run ends before k, or the signal aborts. */
  async of(k: number, signal: AbortSignal): Promise<number | undefined> {
    for (;;) {
      if (this.finish !== undefined && k > this.finish.last) return undefined;
      const held = this.held.get(k);
      if (held !== undefined) return held.attempt;
      if (!(await this.take(signal))) return undefined;
    }
  }

  /** Tasks up to k are done. */
  pass(k: number): void {
    for (; this.next <= k; this.next++) this.held.delete(this.next);
  }

  /** An offset of control from which all that is not passed yet is found. */
  resumeAt(): Offset {
    let low = Math.min(this.cursor.position, this.finish?.at ?? Number.POSITIVE_INFINITY);
    for (const { at } of this.held.values()) low = Math.min(low, at);
    return offset(low);
  }

  private async take(signal: AbortSignal): Promise<boolean> {
    const entry = await this.cursor.next(signal);
    if (entry === undefined) return false;
    const { body } = readEntry(decodeControl, this.cursor.topic, 0, entry);
    if (body.type === 'finish') this.finish ??= { last: body.last, at: entry.offset };
    if (body.type === 'accept' && body.k >= this.next && !this.held.has(body.k))
      this.held.set(body.k, { attempt: body.attempt, at: entry.offset });
    return true;
  }
}
