/** Several judges' scores to one, in whole numbers and fractions: no sum depends on an order or a rounding (law 1). */

/** A fraction; `under` is positive. */
export interface Fraction {
  readonly over: number;
  readonly under: number;
}

export const COMBINE = ['mean', 'median', 'min', 'majority'] as const;
export type Combine = (typeof COMBINE)[number];

/** At least one value. A tie of `majority` goes to the lowest of the values that tie. */
export function combine(rule: Combine, values: readonly number[]): Fraction {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? 0;
  switch (rule) {
    case 'mean':
      return { over: sum(sorted), under: sorted.length };
    case 'median': {
      const middle = sorted.length >> 1;
      return sorted.length % 2 === 1 ? { over: at(middle), under: 1 } : { over: at(middle - 1) + at(middle), under: 2 };
    }
    case 'min':
      return { over: at(0), under: 1 };
    case 'majority':
      return { over: mostFrequent(sorted) ?? 0, under: 1 };
  }
}

/** The most frequent value; of those that tie, the one that stands first. */
export function mostFrequent<T>(values: readonly T[]): T | undefined {
  let best: T | undefined;
  let most = 0;
  for (const value of values) {
    const count = values.filter((other) => other === value).length;
    if (count > most) [best, most] = [value, count];
  }
  return best;
}

/** Mean of fractions over the same denominator. */
export function meanOf(fractions: readonly Fraction[]): Fraction {
  return { over: sum(fractions.map(({ over }) => over)), under: (fractions[0]?.under ?? 1) * Math.max(1, fractions.length) };
}

/** Whether a fraction reaches a limit that is written in decimals. */
export function reaches({ over, under }: Fraction, limit: number): boolean {
  const [whole = '0', decimals = ''] = String(limit).split('.');
  const scale = BigInt(`1${'0'.repeat(decimals.length)}`);
  return BigInt(over) * scale >= BigInt(`${whole}${decimals}`) * BigInt(under);
}

export function compareFractions(a: Fraction, b: Fraction): number {
  return a.over * b.under - b.over * a.under;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
