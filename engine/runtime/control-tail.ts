/** One process's view of the control log: reads it forwards, folds it, and wakes who waits for it to move. */
import type { Log } from '../contract/log.ts';
import { ControlFold } from '../dispatch/control-fold.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import { decodeControl, readEntry } from '../dispatch/control-entry.ts';
import { MemberKeys } from '../dispatch/member-keys.ts';
import { LogCursor } from './log-cursor.ts';

export class ControlTail {
  readonly fold = new ControlFold();
  readonly keys = new MemberKeys();
  private readonly cursor: LogCursor;
  private readonly listeners = new Set<(body: ControlBody) => void>();
  private waiters: (() => void)[] = [];
  /** The running catch-up. The cursor is read by one at a time: two would both be given the same entries, and fold them twice. */
  private catching: Promise<void> = Promise.resolve();
  /** Aborts when control says that the pool is finished. */
  private readonly finished = new AbortController();

  constructor(log: Log, topic: string) {
    this.cursor = new LogCursor(log, topic, 0);
  }

  /** Called for each entry, after the fold took it, until the function that it gives is called. */
  listen(listener: (body: ControlBody) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Folds everything committed so far. Several may call it at once; each entry is folded once. */
  catchUp(): Promise<void> {
    const turn = this.catching.then(() => this.foldCommitted());
    this.catching = turn.catch(() => undefined);
    return turn;
  }

  private async foldCommitted(): Promise<void> {
    for (let entry = await this.cursor.take(); entry !== undefined; entry = await this.cursor.take()) {
      const { body } = readEntry(decodeControl, this.cursor.topic, 0, entry);
      this.fold.apply(body);
      this.keys.note(body);
      if (body.type === 'finish') this.finished.abort();
      for (const listener of this.listeners) listener(body);
      this.wakeAll();
    }
    this.wakeAll();
  }

  /** After every entry: a log that grows as fast as it is read would never let anybody go on otherwise. */
  private wakeAll(): void {
    const { waiters } = this;
    if (waiters.length === 0) return;
    this.waiters = [];
    for (const wake of waiters) wake();
  }

  /** One turn of the tail: waits for entries, folds them. False when the signal aborts. */
  async turn(signal: AbortSignal): Promise<boolean> {
    if (!(await this.cursor.wait(signal))) return false;
    await this.catchUp();
    return true;
  }

  /** Resolves at the next move of the control log or when the signal aborts. */
  moved(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.waiters.push(done);
    });
  }

  /**
   * Does what waits for something of task k, which control accepted. The run may end before k, and then it never comes:
   * `wait` gets a signal that also aborts at the end of the pool, and is asked once more if k still counts.
   */
  async unlessBeyond<T>(k: number, signal: AbortSignal, wait: (signal: AbortSignal) => Promise<T | undefined>): Promise<T | undefined> {
    const first = await wait(AbortSignal.any([signal, this.finished.signal]));
    if (first !== undefined || signal.aborted || this.fold.finish === undefined || k > this.fold.finish.last) return first;
    return wait(signal);
  }

  /** Waits until the condition holds over the fold; false when the signal aborts first. */
  async until(condition: (fold: ControlFold) => boolean, signal: AbortSignal): Promise<boolean> {
    while (!condition(this.fold)) {
      if (signal.aborted) return false;
      await this.moved(signal);
    }
    return true;
  }
}
