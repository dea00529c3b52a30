/** Time that passes only when everybody waits: the next timer is rung once nothing else can go on. Chance is seeded, so a run is the same each time. */
import type { Timing } from '#connectors/inference';

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

export class VirtualTime implements Timing {
  private time = 0;
  private state: number;
  private timers: Timer[] = [];

  constructor(seed = 1) {
    this.state = seed;
  }

  now(): number {
    return this.time;
  }

  date(): number {
    return this.time;
  }

  /** mulberry32. */
  random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const timer = {
        at: this.time + ms,
        ring: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.timers = this.timers.filter((other) => other !== timer);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.timers.push(timer);
    });
  }

  /** Lets time pass until the work is done, or until that moment. What waits for something else than this time is a defect of the test. */
  async until(done: Promise<unknown> | number): Promise<void> {
    const end = typeof done === 'number' ? done : Number.POSITIVE_INFINITY;
    let over = false;
    if (typeof done !== 'number') {
      const finished = (): void => {
        over = true;
      };
      done.then(finished, finished);
    }
    for (;;) {
      // One turn of the event loop lets every promise that can go on do so.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (over) return;
      const next = this.timers.reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.at < first.at ? timer : first),
        undefined,
      );
      if (next === undefined || next.at > end) {
        if (typeof done === 'number') {
          this.time = end;
          return;
        }
        throw new RangeError('nothing waits for time any more, and the work is not done');
      }
      this.time = next.at;
      this.timers = this.timers.filter((timer) => timer !== next);
      next.ring();
    }
  }
}
