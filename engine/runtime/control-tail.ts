/**
 * One process's view of the control log: reads it forwards, folds it, and wakes who waits for it to move. Given a place of snapshots it begins
 * with the newest of them (P14): for roles, which need what control says now. Who needs every task reads from the begin.
 */
import type { Log, LogEntry } from '../contract/log.ts';
import { ControlFold } from '../dispatch/control-fold.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import { decodeControl, readEntry } from '../dispatch/signed-entry.ts';
import { MemberKeys } from '../dispatch/member-keys.ts';
import type { SnapshotPlace } from './control-snapshot.ts';
import { newestControlState } from './control-snapshot.ts';
import { LogCursor } from './log-cursor.ts';

export class ControlTail {
  private readonly log: Log;
  private readonly topic: string;
  private readonly snapshots: SnapshotPlace | undefined;
  private state = { fold: new ControlFold(), keys: new MemberKeys() };
  private cursor: LogCursor | undefined;
  private readonly listeners = new Set<(body: ControlBody) => void>();
  private waiters: (() => void)[] = [];
  /** The running catch-up. The cursor is read by one at a time: two would both be given the same entries, and fold them twice. */
  private catching: Promise<void> = Promise.resolve();
  /** Aborts when control says that the pool is finished. */
  private readonly finished = new AbortController();

  constructor(log: Log, topic: string, snapshots?: SnapshotPlace) {
    this.log = log;
    this.topic = topic;
    this.snapshots = snapshots;
  }

  /** With snapshots, another one after the first catch-up than before it. */
  get fold(): ControlFold {
    return this.state.fold;
  }

  get keys(): MemberKeys {
    return this.state.keys;
  }

  /** Offset of the entry that is folded next. */
  get position(): number {
    return this.cursor?.position ?? 0;
  }

  /** Called for each entry that is read, after the fold took it, until the function that it gives is called. */
  listen(listener: (body: ControlBody) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Folds everything committed so far. Several may call it at once; each entry is folded once. */
  catchUp(): Promise<void> {
    return this.oneByOne(() => this.foldAll((cursor) => cursor.take()));
  }

  private oneByOne(work: () => Promise<void>): Promise<void> {
    const turn = this.catching.then(work);
    this.catching = turn.catch(() => undefined);
    return turn;
  }

  /** The first call begins with a snapshot, if there is one. */
  private async begin(): Promise<LogCursor> {
    if (this.cursor !== undefined) return this.cursor;
    const { log, topic, snapshots } = this;
    const start = snapshots === undefined ? undefined : await newestControlState(log, snapshots);
    if (start !== undefined) this.state = start;
    if (this.fold.finish !== undefined) this.finished.abort();
    this.cursor = new LogCursor(log, topic, 0, start?.position);
    return this.cursor;
  }

  private async foldAll(take: (cursor: LogCursor) => Promise<LogEntry | undefined>): Promise<void> {
    const cursor = await this.begin();
    for (let entry = await take(cursor); entry !== undefined; entry = await take(cursor)) {
      const { body } = readEntry(decodeControl, cursor.topic, 0, entry);
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
    if (this.cursor === undefined) await this.catchUp();
    else if (await this.cursor.wait(signal)) await this.oneByOne(() => this.foldAll((cursor) => cursor.takeArrived()));
    else return false;
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
