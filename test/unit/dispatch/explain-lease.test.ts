/** Anyone is told who holds a keyed partition, since when and by which rule, and whether the orchestrator kept to it (P2, P17). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold } from '../../../engine/dispatch/control-fold.ts';
import type { LeaseExplanation } from '../../../engine/dispatch/explain-lease.ts';
import { explainLeaseEntry, leaseText } from '../../../engine/dispatch/explain-lease.ts';
import { roleEntries } from '../../../engine/dispatch/roles.ts';
import { admit, fold, tick } from './control-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const STAGES = [
  { index: 1, partitions: 5 },
  { index: 2, partitions: 1 },
];

/** Every lease of a log. */
function explain(log: readonly ControlBody[]): LeaseExplanation[] {
  const state = new ControlFold();
  const all: LeaseExplanation[] = [];
  for (const body of log) {
    if (body.type === 'lease') all.push(explainLeaseEntry(state, body, STAGES));
    state.apply(body);
  }
  return all;
}

/** The log of an orchestrator that keeps to the rule: what happens, a round of decisions, a tick. */
function logOf(rounds: readonly (readonly ControlBody[])[]): ControlBody[] {
  const log: ControlBody[] = [];
  const state = new ControlFold();
  const write = (bodies: readonly ControlBody[]): void => {
    log.push(...bodies);
    fold(bodies, state);
  };
  for (const bodies of rounds) {
    write(bodies);
    write(roleEntries(state, STAGES, { gateway: false }));
    write([tick(state.tick + 1)]);
  }
  return log;
}

const lost = (node: number): ControlBody => ({ type: 'lost', node, reason: 'silent' });

describe('an explanation of a lease', () => {
  it('comes to what an orchestrator that keeps to the rule has written, whoever came and went', () => {
    const node = fc.nat(4);
    const happening = fc.oneof(
      fc.record({ node, weight: fc.integer({ min: 1, max: 3 }), life: fc.nat(2) }).map(({ node: n, weight, life }) => {
        return admit(n, { weight }, `m${n}`, String(life));
      }),
      node.map(lost),
    );
    fc.assert(
      fc.property(fc.array(fc.array(happening, { maxLength: 3 }), { maxLength: 12 }), (rounds) => {
        for (const one of explain(logOf(rounds))) expect(one).toMatchObject({ equal: true, expected: one.logged });
      }),
      { seed: SEED },
    );
  });

  it('says who had it before, how many each held, and by which rule it went', () => {
    const log = logOf([[admit(0, {}, 'left')], [admit(1, {}, 'right')], [], [], [lost(0)]]);
    const texts = explain(log).map(leaseText);
    expect(texts[0]).toBe(
      [
        'Partition 1/0, epoch 0: node 0 (left), given at tick 0; nobody had it before.',
        'Members that take leases, before:',
        '  node 0 (left), weight 1: 0',
        'By the rule it goes to who would have least per weight with one more: node 0 (left). The log says the same.',
      ].join('\n'),
    );
    const moved = texts.find((text) => text.includes('moved from'));
    expect(moved).toMatch(/^Partition 2\/0, epoch 1: node 1 \(right\), given at tick 2; moved from node 0 \(left\)\./);
    expect(moved).toContain('  node 0 (left), weight 1: 6\n  node 1 (right), weight 1: 0\n');
    expect(moved).toContain('By the rule it goes from who has most per weight to who would have least with one more: node 1 (right).');
    expect(texts.at(-1)).toContain('its holder before, node 0, was gone');
  });

  it('says so when the log gives a lease to another, or one that was not to be given', () => {
    const members = [admit(0), admit(1)];
    const lease = (partition: number, node: number, epoch = 0): ControlBody => ({ type: 'lease', stage: 1, partition, epoch, node });
    const [wrong, early] = explain([...members, lease(0, 1), lease(0, 0, 1)]);
    expect(wrong).toMatchObject({ equal: false, expected: 0, logged: 1 });
    expect(leaseText(wrong as LeaseExplanation)).toContain('The log says node 1 (m1): it does not keep to the rule.');
    expect(early).toMatchObject({ equal: false, expected: undefined });
    expect(leaseText(early as LeaseExplanation)).toContain('By the rule it was not to be given then.');
  });
});
