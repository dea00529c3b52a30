/** Scores of several judges: exact, and the same in whatever order they are given (law 1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMBINE, combine, meanOf, mostFrequent, reaches } from '../../../operators/judge/combine.ts';

const scores = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 9 });
const numberOf = ({ over, under }: { readonly over: number; readonly under: number }): number => over / under;

describe('rules to combine', () => {
  it.each(COMBINE)(
    '%s does not depend on the order of judges, lies between the lowest and the highest, and is the score of one judge',
    (rule) => {
      fc.assert(
        fc.property(scores, (values) => {
          const combined = combine(rule, values);
          expect(combine(rule, [...values].reverse())).toEqual(combined);
          expect(numberOf(combined)).toBeGreaterThanOrEqual(Math.min(...values));
          expect(numberOf(combined)).toBeLessThanOrEqual(Math.max(...values));
          const [first = 0] = values;
          expect(numberOf(combine(rule, [first]))).toBe(first);
        }),
      );
    },
  );

  it.each([
    ['mean', [1, 2, 2], 5 / 3],
    ['median', [5, 1, 2], 2],
    ['median', [4, 1, 2, 9], 3],
    ['min', [3, 1, 2], 1],
    ['majority', [3, 1, 3], 3],
    ['majority', [3, 1, 1, 3], 1],
    ['majority', [3, 2, 1], 1],
  ] as const)('%s of %j is %f', (rule, values, expected) => {
    expect(numberOf(combine(rule, values))).toBe(expected);
  });
});

it('a minimum is reached exactly, whatever its decimals look like in binary', () => {
  const mean = meanOf([combine('mean', [3, 3, 4]), combine('mean', [3, 3, 4])]);
  expect(numberOf(mean)).toBeCloseTo(10 / 3);
  expect([reaches(mean, 3.333333), reaches(mean, 3.333334)]).toEqual([true, false]);
  fc.assert(
    fc.property(fc.integer({ min: -10_000, max: 10_000 }), fc.integer({ min: 1, max: 6 }), (over, decimals) => {
      const under = Number(`1${'0'.repeat(decimals)}`);
      const limit = over / under;
      // As it is written, which is what an author means.
      if (!/^-?\d+(\.\d{1,6})?$/.test(String(limit))) return;
      expect([reaches({ over, under }, limit), reaches({ over: over - 1, under }, limit)]).toEqual([true, false]);
    }),
  );
});

it('of what is named equally often, the first wins', () => {
  expect(mostFrequent(['b', 'a', 'a', 'b'])).toBe('b');
  expect(mostFrequent(['c', 'a', 'a'])).toBe('a');
  expect(mostFrequent([])).toBeUndefined();
});
