/** The dispatcher keeps many nodes busy on virtual time, and no round looks at more tasks than it decides about. */
import { describe, expect, it } from 'vitest';
import { benchDispatch } from '../../bench/dispatch.ts';
import { accept, admit, cuts, Run, tick } from './control-tools.ts';

describe('many nodes with task times of heavy tails, some of which die', () => {
  it.each([1, 3, 5])('are done within 1.1 × the work per slot and the longest task (seed %i)', async (seed) => {
    const figures = await benchDispatch({ nodes: 200, tasks: 20_000, seed });
    expect(figures.nodesDied).toBeGreaterThan(0);
    expect(figures.assignments).toBeGreaterThanOrEqual(20_000);
    expect(figures.makespan).toBeLessThanOrEqual(figures.bound);
  });

  it('take the same course for the same seed', async () => {
    const course = async () => {
      const { makespan, assignments, entries, beside, again } = await benchDispatch({ nodes: 50, tasks: 2_000, seed: 5 });
      return { makespan, assignments, entries, beside, again };
    };
    expect(await course()).toEqual(await course());
  });
});

describe('a round of decisions', () => {
  it('looks at the tasks that it decides about and at no other, however many there are', () => {
    const run = new Run(...Array.from({ length: 100 }, (_, node) => admit(node)));
    const plan = { deadlineTicks: 1_000, more: true };
    run.decide({ ...plan, cuts: cuts(0, 5_000) });
    const looked = watch(run.state.tasks);
    run.decide(plan);
    expect(looked.count).toBe(0);
    const [first] = run.of('assign');
    run.write(tick(10), accept(first?.k ?? 0, 0, first?.node ?? 0));
    looked.count = 0;
    expect(run.decide(plan)).toHaveLength(1);
    // Once to decide, once to apply what was decided.
    expect(looked.count).toBeLessThanOrEqual(2);
  });

  it('that loses a member looks at the tasks of that member only', () => {
    const run = new Run(...Array.from({ length: 100 }, (_, node) => admit(node, { slots: 3 })));
    run.decide({ cuts: cuts(0, 5_000) });
    const looked = watch(run.state.tasks);
    run.write({ type: 'lost', node: 7, reason: 'silent' });
    expect(looked.count).toBe(3);
  });
});

/** Counts the tasks that are read from a map. */
function watch<V>(map: Map<number, V>): { count: number } {
  const looked = { count: 0 };
  const counted = <T>(value: T): T => {
    looked.count++;
    return value;
  };
  const { get, values, entries } = map;
  map.get = (key) => counted(get.call(map, key));
  map.values = () => [...values.call(map)].map(counted).values();
  map.entries = () => [...entries.call(map)].map(counted).values();
  map[Symbol.iterator] = map.entries;
  return looked;
}
