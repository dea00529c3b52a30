/** Anyone can recompute which member gets a task (P17): integers only, capable members only, the less loaded one, spread over all. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseMember, type Question } from '../../../engine/dispatch/assign.ts';
import { MemberLoads, TASKS_PER_SLOT } from '../../../engine/dispatch/member-loads.ts';
import { NEEDS, offer } from './control-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

interface Node {
  readonly weight?: number;
  readonly slots?: number;
  readonly load?: number;
  readonly capable?: boolean;
}

const nodes = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 5 }), slots: fc.nat(3), load: fc.nat(14), capable: fc.boolean() }), {
  minLength: 1,
  maxLength: 40,
});

/** Members numbered from 0, in any order of joining. */
function loadsOf(list: readonly Node[], order: readonly number[] = list.map((_, node) => node)): MemberLoads {
  const loads = new MemberLoads();
  for (const node of order) {
    const { weight = 1, slots = 1, load = 0, capable = true } = list[node] ?? {};
    loads.join(node, offer({ weight, slots, ops: capable ? ['echo@1', 'other@1'] : ['other@1'] }));
    for (let k = 0; k < load; k++) loads.begin(node, k);
  }
  return loads;
}

const even = (count: number, node: Node = {}): Node[] => Array.from({ length: count }, () => node);
const ask = (k: number, number = 0, excluded: readonly number[] = []): Question => ({ kind: 'attempt', k, number, excluded });
const choose = (loads: MemberLoads, question: Question, wait = true) => chooseMember(loads, loads.capable(NEEDS, 0), question, wait);

describe('an assignment', () => {
  it('goes to a capable member with room, a free slot before a place to wait, and to the same one for everyone who asks', () => {
    fc.assert(
      fc.property(nodes, fc.nat(1_000_000), fc.nat(9), fc.array(fc.nat(40), { maxLength: 4 }), (list, k, attempt, excluded) => {
        const having = (room: number): number[] =>
          list.flatMap(({ slots, load, capable }, node) => (capable && load < slots * room && !excluded.includes(node) ? [node] : []));
        const idle = having(1);
        const able = idle.length > 0 ? idle : having(TASKS_PER_SLOT);
        const choice = choose(loadsOf(list), ask(k, attempt, excluded));
        if (able.length === 0) expect(choice).toBeUndefined();
        else expect(able).toContain(choice?.node);
        const backwards = list.map((_, node) => node).reverse();
        expect(choose(loadsOf(list, backwards), ask(k, attempt, excluded))).toEqual(choice);
      }),
      { seed: SEED },
    );
  });

  it('draws by weight among all who may take it, and takes the least loaded of the drawn', () => {
    fc.assert(
      fc.property(nodes, fc.nat(1_000_000), (list, k) => {
        const choice = choose(loadsOf(list), ask(k));
        if (choice === undefined) return;
        const room = choice.among === 'idle' ? 1 : TASKS_PER_SLOT;
        const shares = list.flatMap(({ weight, slots, load, capable }, node) =>
          capable && load < slots * room ? Array.from({ length: weight }, () => node) : [],
        );
        expect(choice.total).toBe(shares.length);
        expect(choice.members).toBe(new Set(shares).size);
        for (const { point, node } of choice.drawn) expect(shares[point]).toBe(node);
        const best = choice.drawn.toSorted((a, b) => a.load / a.slots - b.load / b.slots || a.node - b.node)[0];
        expect(choice.node).toBe(best?.node);
      }),
      { seed: SEED },
    );
  });

  it('stays what it was when it was first made', () => {
    // Recorded: a change of any of these makes assignments of old logs unverifiable.
    const loads = loadsOf(even(7));
    expect(Array.from({ length: 12 }, (_, k) => choose(loads, ask(k))?.node)).toEqual([1, 4, 2, 3, 2, 0, 4, 2, 0, 0, 6, 5]);
    expect(Array.from({ length: 6 }, (_, attempt) => choose(loads, ask(5, attempt))?.node)).toEqual([0, 1, 2, 0, 1, 0]);
  });

  it('goes to the only member that has less to do more often than chance would have it', () => {
    const loads = loadsOf([...even(2, { slots: 8, load: 5 }), { slots: 8 }, { slots: 8, load: 5 }]);
    const free = Array.from({ length: 1_000 }, (_, k) => choose(loads, ask(k))?.node).filter((node) => node === 2).length;
    // Two draws out of four: 1 − (3/4)² = 43.75 %.
    expect(free).toBeGreaterThan(380);
    expect(free).toBeLessThan(500);
  });

  it('compares loads by slot: two tasks on four slots are less than one on one', () => {
    const loads = loadsOf([
      { slots: 2, load: 1 },
      { slots: 8, load: 2 },
    ]);
    const won = Array.from({ length: 200 }, (_, k) => choose(loads, ask(k))).filter(
      (choice) => new Set(choice?.drawn.map((draw) => draw.node)).size === 2,
    );
    expect(won.length).toBeGreaterThan(50);
    expect(won.every((choice) => choice?.node === 1)).toBe(true);
  });

  it('spreads tasks so that loads stay close', () => {
    const loads = loadsOf(even(8, { slots: 1_000 }));
    for (let k = 0; k < 800; k++) loads.begin(choose(loads, ask(k))?.node ?? -1, k);
    const sorted = Array.from({ length: 8 }, (_, node) => loads.of(node)).sort((a, b) => a - b);
    expect((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)).toBeLessThanOrEqual(6);
  });

  it('gives a member of more weight more tasks', () => {
    const loads = loadsOf([{ slots: 9 }, { slots: 9, weight: 9, load: 1 }]);
    const heavy = Array.from({ length: 1_000 }, (_, k) => choose(loads, ask(k))?.node).filter((node) => node === 1).length;
    // Node 1 has more load, so it is chosen only when both draws fall on it: 81 %.
    expect(heavy).toBeGreaterThan(760);
    expect(heavy).toBeLessThan(860);
  });

  it('leaves the trees as they were, whoever is left out, even twice', () => {
    const loads = loadsOf(even(3, { weight: 7 }));
    const capable = loads.capable(NEEDS, 0);
    choose(loads, ask(1, 0, [1, 1, 2]));
    expect([capable.idle.total, capable.idle.count, capable.idle.weightOf(1)]).toEqual([21, 3, 7]);
  });

  it('asks for nobody but those with a free slot when tasks may not wait', () => {
    expect(choose(loadsOf(even(3, { load: 1 })), ask(1), false)).toBeUndefined();
    expect(choose(loadsOf(even(3, { load: 1 })), ask(1), true)?.among).toBe('room');
  });
});
