/** Values over time, and whether they are flat: medians of the thirds of the time, slope by least squares, peak. */
import { median } from './result.ts';

/** The median of the last third may be so many times that of the middle one. */
export const FLAT_RATIO = 1.1;
const THIRDS = 3;
const MS_PER_HOUR = 3_600_000;

interface Trend {
  readonly first: number;
  readonly middle: number;
  readonly last: number;
  /** Last third over first one. */
  readonly ratio: number;
  readonly slopePerHour: number;
  readonly peak: number;
  /** What falls is flat, too. */
  readonly flat: boolean;
}

export class Series {
  private readonly points: { readonly at: number; readonly value: number }[] = [];

  /** @param at in ms, growing. */
  add(at: number, value: number): void {
    this.points.push({ at, value });
  }

  /** Undefined where a third has no value. */
  trend(): Trend | undefined {
    const { points } = this;
    const [start, end] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0];
    const third = (n: number): number[] =>
      points.filter(({ at }) => Math.min(THIRDS - 1, Math.floor(((at - start) * THIRDS) / (end - start))) === n).map(({ value }) => value);
    const [first = Number.NaN, middle = Number.NaN, last = Number.NaN] = [0, 1, 2].map((n) => median(third(n)));
    if ([first, middle, last].some(Number.isNaN)) return undefined;
    const peak = Math.max(...points.map(({ value }) => value));
    return { first, middle, last, ratio: last / first, slopePerHour: this.slope() * MS_PER_HOUR, peak, flat: last <= middle * FLAT_RATIO };
  }

  private slope(): number {
    const { points } = this;
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [at, value] = [mean(points.map((point) => point.at)), mean(points.map((point) => point.value))];
    const shared = points.reduce((sum, point) => sum + (point.at - at) * (point.value - value), 0);
    return shared / points.reduce((sum, point) => sum + (point.at - at) ** 2, 0);
  }
}
