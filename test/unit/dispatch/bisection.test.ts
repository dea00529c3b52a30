/** The search for candidates that kill workers is right, short, and not misled by bad luck (P9, law 11). MIZU_SEED replays a run. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Bisection,
  bisectionStatus,
  DEAD_ATTEMPT_LIMIT,
  outsideOf,
  type Part,
  POISON_PER_TASK_LIMIT,
  startBisection,
  takeProbe,
} from '../../../engine/dispatch/bisection.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

/** Probes until the search ends. */
function search(count: number, dies: (part: Part, probe: number) => boolean): { state: Bisection; probes: number } {
  let state = startBisection(count);
  let probes = 0;
  while (bisectionStatus(state) === 'probing') {
    const [part] = state.open;
    if (part === undefined) break;
    state = takeProbe(state, dies(part, probes++));
  }
  return { state, probes };
}

const has = (part: Part, killers: readonly number[]): boolean => killers.some((i) => i >= part.from && i < part.to);

const taskWithKillers = fc.integer({ min: 1, max: 200 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    killers: fc.uniqueArray(fc.nat(count - 1), { minLength: 1, maxLength: POISON_PER_TASK_LIMIT }),
  }),
);

describe('the search for killers', () => {
  it('finds exactly those who kill, in a number of probes that grows with the logarithm of the task', () => {
    fc.assert(
      fc.property(taskWithKillers, ({ count, killers }) => {
        const { state, probes } = search(count, (part) => has(part, killers));
        expect(state.found).toEqual(killers.toSorted((a, b) => a - b));
        expect(bisectionStatus(state)).toBe('done');
        expect(probes).toBeLessThanOrEqual(killers.length * (2 * Math.ceil(Math.log2(count) + 1) + DEAD_ATTEMPT_LIMIT));
      }),
      { seed: SEED },
    );
  });

  it('names nobody because of deaths that no candidate caused, as long as they are fewer than the limit', () => {
    const unlucky = fc.array(fc.nat(40), { minLength: 0, maxLength: DEAD_ATTEMPT_LIMIT - 1 });
    fc.assert(
      fc.property(taskWithKillers, unlucky, ({ count, killers }, deaths) => {
        const { state } = search(count, (part, probe) => has(part, killers) || deaths.includes(probe));
        expect(state.found).toEqual(killers.toSorted((a, b) => a - b));
      }),
      { seed: SEED },
    );
  });

  it('names nobody when candidates kill only together', () => {
    const { state } = search(10, (part) => part.from <= 4 && part.to > 5);
    expect(state.found).toEqual([]);
    expect(bisectionStatus(state)).toBe('done');
  });

  it('gives up when more kill than one task may have', () => {
    const { state } = search(50, () => true);
    expect(bisectionStatus(state)).toBe('hopeless');
    expect(state.found).toHaveLength(POISON_PER_TASK_LIMIT + 1);
  });

  it('leaves everybody out of a probe but its part', () => {
    expect(outsideOf({ from: 2, to: 4 }, 6)).toEqual([0, 1, 4, 5]);
    expect(outsideOf({ from: 0, to: 6 }, 6)).toEqual([]);
  });
});
