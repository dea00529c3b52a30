/** Those who wait until something comes or a signal aborts: one listener for each signal, however many wait with it. A reader of many partitions waits with one signal, and Node warns of more than ten listeners. */

export interface SignalWaiter {
  /** Ends the wait: false when the signal aborted. */
  resolve(reached: boolean): void;
}

export class SignalWaiters {
  readonly #groups = new Map<AbortSignal, { readonly waiters: Set<SignalWaiter>; readonly onAbort: () => void }>();

  add(waiter: SignalWaiter, signal: AbortSignal): void {
    const group = this.#groups.get(signal);
    if (group !== undefined) {
      group.waiters.add(waiter);
      return;
    }
    const waiters = new Set([waiter]);
    const onAbort = (): void => {
      for (const one of [...waiters]) one.resolve(false);
    };
    signal.addEventListener('abort', onAbort);
    this.#groups.set(signal, { waiters, onAbort });
  }

  delete(waiter: SignalWaiter, signal: AbortSignal): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    group.waiters.delete(waiter);
    if (group.waiters.size > 0) return;
    signal.removeEventListener('abort', group.onAbort);
    this.#groups.delete(signal);
  }
}
