import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TaskSample } from '../../../engine/verify/task-sample.ts';

const STRETCHES = 4;

describe('a sample of tasks', () => {
  test('has one stretch in each part of the run, of so many candidates or up to the end of its part', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(sizes, fc.nat(4_000), fc.integer({ min: 1, max: 200 }), (tasks, whole, stretch) => {
        const sum = (from: number, to: number): number => tasks.slice(from, to + 1).reduce((all, size) => all + size, 0);
        const sample = TaskSample.draw(tasks, { whole, stretch });
        expect(sample === undefined).toBe(sum(0, tasks.length) <= whole || tasks.length < STRETCHES);
        sample?.stretches.forEach(({ from, to }, n) => {
          const [low, high] = [n, n + 1].map((part) => Math.floor((part * tasks.length) / STRETCHES)) as [number, number];
          expect(low <= from && from <= to && to < high).toBe(true);
          expect(sum(from, to) >= stretch || to === high - 1).toBe(true);
          if (to > from) expect(sum(from, to - 1)).toBeLessThan(stretch);
        });
        const isIn = (k: number): boolean => sample?.stretches.some(({ from, to }) => from <= k && k <= to) ?? false;
        const begins = (k: number): boolean => sample?.stretches.some(({ from }) => from === k) ?? false;
        for (const k of tasks.keys()) expect([sample?.has(k) ?? false, sample?.begins(k) ?? false]).toEqual([isIn(k), begins(k)]);
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  test('may hold any task of a part, the first and the last one, too', () => {
    const seen = new Set<number>();
    for (let n = 0; n < 400; n++)
      for (const { from } of TaskSample.draw(new Array(12).fill(10), { whole: 1, stretch: 1 })?.stretches ?? []) seen.add(from);
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('is not taken of a run of few candidates', () => {
    expect(TaskSample.draw(new Array(1_000).fill(65))).toBeUndefined();
    expect(TaskSample.draw(new Array(1_009).fill(65))?.stretches).toHaveLength(STRETCHES);
  });
});
