/**
 * Whole weights by number, with their prefix sums (a Fenwick tree): a change and a draw each cost O(log n). Sums are exact: weights are
 * whole and their total stays below 2^53.
 */

const FIRST_CAPACITY = 16;

export class WeightTree {
  /** sums[i] covers the weights (i − lowest set bit of i, i], counted from 1. */
  private sums = new Float64Array(FIRST_CAPACITY + 1);
  private weights = new Float64Array(FIRST_CAPACITY);
  total = 0;
  /** Numbers whose weight is not 0. */
  count = 0;

  set(number: number, weight: number): void {
    if (number >= this.weights.length) this.grow(number);
    const before = this.weights[number] ?? 0;
    if (weight === before) return;
    this.weights[number] = weight;
    this.total += weight - before;
    this.count += (weight === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    this.add(number, weight - before);
  }

  weightOf(number: number): number {
    return this.weights[number] ?? 0;
  }

  /** The number whose share of [0, total) holds the point, where shares lie in order of number. */
  find(point: number): number {
    let at = 0;
    let rest = point;
    for (let step = this.weights.length; step > 0; step = Math.floor(step / 2)) {
      const sum = this.sums[at + step];
      if (sum === undefined || sum > rest) continue;
      rest -= sum;
      at += step;
    }
    return at;
  }

  private add(number: number, change: number): void {
    for (let at = number + 1; at < this.sums.length; at += at & -at) this.sums[at] = (this.sums[at] ?? 0) + change;
  }

  private grow(number: number): void {
    let capacity = this.weights.length;
    while (capacity <= number) capacity *= 2;
    const weights = this.weights;
    this.weights = new Float64Array(capacity);
    this.weights.set(weights);
    this.sums = new Float64Array(capacity + 1);
    for (const [at, weight] of weights.entries()) if (weight !== 0) this.add(at, weight);
  }
}
