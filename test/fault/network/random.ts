/** Seeded numbers: the same seed gives the same plan on every machine. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed + 1, 0x9e37_79b1) >>> 0;
  }

  /** A whole number in [low, high]. */
  whole(low: number, high: number): number {
    return low + (this.next() % (high - low + 1));
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.whole(0, list.length - 1)] ?? list[0];
  }

  chance(percent: number): boolean {
    return this.whole(1, 100) <= percent;
  }

  /** mulberry32 (Tommy Ettinger, public domain): small, and good enough to choose faults by. */
  private next(): number {
    this.state = (this.state + 0x6d2b_79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
}
