/** Anyone can recompute which node gets a task (P17): integers only, capable nodes only, the less loaded one, spread over all. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignNode, type NodeLoad } from '../../../engine/dispatch/assign.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

const nodes = fc
  .array(fc.record({ weight: fc.integer({ min: 1, max: 5 }), load: fc.nat(20), capable: fc.boolean() }), { minLength: 1, maxLength: 40 })
  .map((list): NodeLoad[] => list.map((rest, node) => ({ node, ...rest })))
  .filter((list) => list.some(({ capable }) => capable));

const even = (count: number): NodeLoad[] => Array.from({ length: count }, (_, node) => ({ node, weight: 1, load: 0, capable: true }));

describe('an assignment', () => {
  it('goes to a capable node, the same one for everyone who asks', () => {
    fc.assert(
      fc.property(nodes, fc.nat(1_000_000), fc.nat(9), (list, k, attempt) => {
        const chosen = assignNode(list, k, attempt);
        expect(list.find(({ node }) => node === chosen)?.capable).toBe(true);
        expect(assignNode(structuredClone(list), k, attempt)).toBe(chosen);
      }),
      { seed: SEED },
    );
  });

  it('stays what it was when it was first made', () => {
    // Recorded: a change of any of these makes assignments of old logs unverifiable.
    expect(Array.from({ length: 12 }, (_, k) => assignNode(even(7), k, 0))).toMatchInlineSnapshot(`
      [
        1,
        4,
        2,
        3,
        2,
        0,
        4,
        2,
        0,
        0,
        6,
        5,
      ]
    `);
    expect(Array.from({ length: 6 }, (_, attempt) => assignNode(even(7), 5, attempt))).toMatchInlineSnapshot(`
      [
        0,
        1,
        2,
        0,
        1,
        0,
      ]
    `);
  });

  it('goes to the only node that is free more often than chance would have it', () => {
    const list = even(4).map((node) => ({ ...node, load: node.node === 2 ? 0 : 5 }));
    const free = Array.from({ length: 1_000 }, (_, k) => assignNode(list, k, 0)).filter((node) => node === 2).length;
    // Two draws out of four: 1 − (3/4)² = 43.75 %.
    expect(free).toBeGreaterThan(380);
    expect(free).toBeLessThan(500);
  });

  it('spreads tasks so that loads stay close', () => {
    const loads = even(8).map((node) => ({ ...node }));
    for (let k = 0; k < 800; k++) {
      const chosen = assignNode(loads, k, 0);
      loads[chosen] = { ...(loads[chosen] as NodeLoad), load: (loads[chosen]?.load ?? 0) + 1 };
    }
    const sorted = loads.map(({ load }) => load).sort((a, b) => a - b);
    expect((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)).toBeLessThanOrEqual(6);
  });

  it('gives a node of more weight more tasks', () => {
    const list = even(2).map((node) => ({ ...node, weight: node.node === 0 ? 1 : 9, load: node.node }));
    const heavy = Array.from({ length: 1_000 }, (_, k) => assignNode(list, k, 0)).filter((node) => node === 1).length;
    // Node 1 has more load, so it is chosen only when both draws fall on it: 81 %.
    expect(heavy).toBeGreaterThan(760);
    expect(heavy).toBeLessThan(860);
  });

  it('is refused with the task named when no node is capable', () => {
    const none = even(3).map((node) => ({ ...node, capable: false }));
    expect(() => assignNode(none, 12, 0)).toThrow('No node can take task 12');
  });
});
