/** Tries again what a moving cluster could not answer, until a deadline. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRetriable } from './failures.ts';
import { RETRY_PAUSE_MS } from './limits.ts';

/** Pauses that double, for one series of tries. */
export class Pauses {
  readonly #until: number;
  #next = 0;

  constructor(deadlineMs: number) {
    this.#until = performance.now() + deadlineMs;
  }

  get over(): boolean {
    return performance.now() >= this.#until;
  }

  /** @param bounds what is waited for may be known to come sooner */
  async pause([least, most]: readonly [number, number] = RETRY_PAUSE_MS): Promise<void> {
    const ms = Math.min(Math.max(this.#next, least), most);
    this.#next = ms * 2;
    await sleep(ms);
  }
}

/** @throws what the last try threw, once the deadline has passed or when another try can't help. */
export async function retrying<T>(deadlineMs: number, attempt: () => Promise<T>): Promise<T> {
  const pauses = new Pauses(deadlineMs);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isRetriable(error) || pauses.over) throw error;
      await pauses.pause();
    }
  }
}
