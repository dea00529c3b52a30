/** Clock and chance of the retries, as values, so that tests run in virtual time. Neither touches a record: what counts is the answer. */
import { setTimeout } from 'node:timers/promises';

export interface Timing {
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** In [0, 1). */
  random(): number;
  /** Milliseconds since some moment: never goes back, whatever becomes of the machine's clock. */
  now(): number;
  /** Milliseconds since 1970, as the machine's clock says: for what others name by date. */
  date(): number;
}

export const SYSTEM_TIMING: Timing = {
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }),
  random: () => Math.random(),
  now: () => performance.now(),
  date: () => Date.now(),
};
