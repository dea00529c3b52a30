/** Time as a role sees it: only to decide when to act, never what a record becomes (law 1). */
import { setTimeout as after } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Resolves after the time, or when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => after(ms, undefined, { signal }).catch(() => undefined),
};
