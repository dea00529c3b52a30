/**
 * Readers that wait for a partition to grow. Commits of this process ring a bell; commits of others show in SQLite's
 * data version, which one timer per handle looks at, quickly at first and slower while nothing happens.
 */
import { MizuError, SignalWaiters } from '#engine';
import type { Database } from './database.ts';
import { POLL_FIRST_MS, POLL_SLOWDOWN, POLL_SLOWEST_MS } from './limits.ts';
import { isBusy, translate } from './sqlite-error.ts';

interface Waiter {
  readonly isReady: () => boolean;
  readonly resolve: (reached: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export class Waiters {
  readonly #db: Database;
  readonly #waiting = new Set<Waiter>();
  readonly #signals = new SignalWaiters();
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = POLL_FIRST_MS;
  #seenVersion = -1;
  #rung = false;

  constructor(db: Database, onRing: (listener: () => void) => () => void) {
    this.#db = db;
    this.#unsubscribe = onRing(() => this.#ring());
  }

  /** Resolves with true once `isReady` (synchronous, cheap, reads the database) holds, with false when the signal aborts. */
  wait(isReady: () => boolean, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        isReady,
        resolve: (reached) => {
          this.#remove(waiter, signal);
          resolve(reached);
        },
        reject: (error) => {
          this.#remove(waiter, signal);
          reject(error);
        },
      };
      this.#add(waiter, signal);
      this.#look(waiter);
      this.#pauseMs = POLL_FIRST_MS;
      if (this.#waiting.size > 0) this.#startTimer();
    });
  }

  #add(waiter: Waiter, signal: AbortSignal): void {
    this.#waiting.add(waiter);
    this.#signals.add(waiter, signal);
  }

  #remove(waiter: Waiter, signal: AbortSignal): void {
    this.#waiting.delete(waiter);
    if (this.#waiting.size === 0) this.#stopTimer();
    this.#signals.delete(waiter, signal);
  }

  close(): void {
    this.#unsubscribe();
    this.#stopTimer();
    for (const waiter of [...this.#waiting]) {
      waiter.reject(
        new MizuError('LOG_UNAVAILABLE', `The log ${this.#db.file} was closed while a reader waited`, { component: this.#db.file }),
      );
    }
  }

  /** Many commits in one turn of the event loop wake the waiters once. */
  #ring(): void {
    if (this.#rung || this.#waiting.size === 0) return;
    this.#rung = true;
    setImmediate(() => {
      this.#rung = false;
      this.#lookAll();
    });
  }

  /** A running timer is left alone: were it restarted by each new waiter, it might never fire. */
  #startTimer(): void {
    this.#timer ??= setTimeout(() => this.#poll(), this.#pauseMs);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #poll(): void {
    this.#timer = undefined;
    this.#pauseMs = Math.min(this.#pauseMs * POLL_SLOWDOWN, POLL_SLOWEST_MS);
    if (this.#hasChanged()) {
      this.#pauseMs = POLL_FIRST_MS;
      this.#lookAll();
    }
    if (this.#waiting.size > 0) this.#startTimer();
  }

  #hasChanged(): boolean {
    try {
      const version = this.#db.dataVersion();
      const changed = version !== this.#seenVersion;
      this.#seenVersion = version;
      return changed;
    } catch {
      // Whatever is wrong shows in the look itself, where it reaches a waiter.
      return true;
    }
  }

  #lookAll(): void {
    for (const waiter of [...this.#waiting]) this.#look(waiter);
  }

  #look(waiter: Waiter): void {
    try {
      if (waiter.isReady()) waiter.resolve(true);
    } catch (error) {
      if (isBusy(error)) this.#seenVersion = -1;
      else waiter.reject(translate(error, this.#db.file));
    }
  }
}
