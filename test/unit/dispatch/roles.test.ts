/** Leases and roles go to members that live and offer them, one life and one epoch at a time (P2), and a living holder is disturbed little. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold } from '../../../engine/dispatch/control-fold.ts';
import { isHeld, MOVES_PER_ROUND, roleEntries } from '../../../engine/dispatch/roles.ts';
import { admit, fold, ofType, tick } from './control-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const STAGES = [
  { index: 1, partitions: 8 },
  { index: 2, partitions: 1 },
];
const LEASES = 9;
const QUIET = { gateway: false };
const lost = (node: number): ControlBody => ({ type: 'lost', node, reason: 'silent' });

/** Rounds, a tick apart, until nothing more is decided for longer than a move rests. */
function settle(state: ControlFold): ControlBody[] {
  const all: ControlBody[] = [];
  for (let round = 0, quiet = 0; quiet < 5; round++) {
    const entries = roleEntries(state, STAGES, QUIET);
    all.push(...entries);
    fold([...entries, tick(state.tick + 1)], state);
    quiet = entries.length === 0 ? quiet + 1 : 0;
    if (round > 200) throw new RangeError('roles never settled');
  }
  return all;
}

function held(state: ControlFold): Map<number, number> {
  const counts = new Map([...state.members.values()].filter(({ offer }) => offer.steps).map(({ node }) => [node, 0]));
  for (const lease of state.leases.values()) if (isHeld(state, lease)) counts.set(lease.node, (counts.get(lease.node) ?? 0) + 1);
  return counts;
}

describe('leases', () => {
  it('are given to nobody while nobody offers steps', () => {
    expect(roleEntries(fold([admit(0, { steps: false, checkpoints: false })]), STAGES, QUIET)).toEqual([]);
  });

  it('are spread over those who live at the begin, by weight', () => {
    const state = fold([admit(0, { weight: 1 }), admit(1, { weight: 2 }), admit(2, { steps: false })]);
    settle(state);
    expect([...held(state)]).toEqual([
      [0, 3],
      [1, 6],
    ]);
  });

  it('of a lost member go to the others at once, each with its next epoch, and no other lease moves', () => {
    const state = fold([admit(0), admit(1), admit(2)]);
    settle(state);
    const of1 = [...state.leases].filter(([, { node }]) => node === 1).map(([name]) => name);
    state.apply(lost(1));
    const moved = ofType(roleEntries(state, STAGES, QUIET), 'lease');
    expect(moved.map(({ stage, partition, epoch }) => [`${stage}/${partition}`, epoch])).toEqual(of1.map((name) => [name, 1]));
  });

  it('of a member that came back as another process are given anew: its former life holds them no longer', () => {
    const state = fold([admit(0)]);
    settle(state);
    state.apply(admit(0, {}, 'm0', '2'));
    expect(ofType(roleEntries(state, STAGES, QUIET), 'lease').map(({ epoch, node }) => [epoch, node])).toEqual(Array(LEASES).fill([1, 0]));
  });

  it('move to a member that joins, a few at a time, no more than it takes', () => {
    const state = fold([admit(0), admit(1)]);
    settle(state);
    state.apply(admit(2));
    expect(ofType(roleEntries(state, STAGES, QUIET), 'lease').map(({ node }) => node)).toEqual(Array(MOVES_PER_ROUND).fill(2));
    expect(ofType(settle(state), 'lease')).toHaveLength(3);
    expect([...held(state).values()]).toEqual([3, 3, 3]);
  });

  it('rest while some move', () => {
    const state = fold([admit(0)]);
    settle(state);
    state.apply(admit(1));
    fold(roleEntries(state, STAGES, QUIET), state);
    expect(roleEntries(state, STAGES, QUIET)).toEqual([]);
  });

  it('settle so that all are held, and no two of equal weight differ by more than one, whoever comes and goes', () => {
    const event = fc.oneof(
      fc.record({ join: fc.nat(5), life: fc.nat(2), steps: fc.boolean() }),
      fc.record({ leave: fc.nat(5) }),
      fc.record({ ticks: fc.nat(3) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const state = new ControlFold();
        for (const what of events) {
          if ('join' in what) state.apply(admit(what.join, { steps: what.steps }, `m${what.join}`, String(what.life)));
          else if ('leave' in what) state.apply(lost(what.leave));
          else state.apply(tick(state.tick + what.ticks));
          for (const lease of ofType(roleEntries(state, STAGES, QUIET), 'lease')) {
            expect(lease.epoch).toBe((state.leases.get(`${lease.stage}/${lease.partition}`)?.epoch ?? -1) + 1);
            state.apply(lease);
          }
        }
        settle(state);
        const counts = held(state);
        if (counts.size === 0) return;
        expect([...state.leases.values()].filter((lease) => isHeld(state, lease))).toHaveLength(LEASES);
        expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
      }),
      { seed: SEED },
    );
  });
});

describe('a role', () => {
  const appointed = (state: ControlFold, wants = QUIET): string[] =>
    ofType(roleEntries(state, [], wants), 'appoint').map(({ role, epoch, node }) => `${role} ${epoch} ${node}`);

  it('goes to one member that offers it, before all to one that takes no tasks, and stays there', () => {
    const state = fold([admit(0), admit(1, { answers: true }), admit(2, { slots: 0, answers: true, checkpoints: false })]);
    expect(appointed(state)).toEqual(['checkpointer 0 0']);
    expect(appointed(state, { gateway: true })).toEqual(['checkpointer 0 0', 'gateway 0 2']);
    fold(roleEntries(state, [], { gateway: true }), state);
    expect(appointed(state, { gateway: true })).toEqual([]);
  });

  it('goes on, with the next epoch, when its holder is lost or another process took its number', () => {
    const state = fold([admit(0), admit(1), { type: 'appoint', role: 'checkpointer', epoch: 4, node: 1 }]);
    expect(appointed(state)).toEqual([]);
    state.apply(admit(1, {}, 'm1', '2'));
    expect(appointed(state)).toEqual(['checkpointer 5 0']);
    fold([lost(0), lost(1)], state);
    expect(appointed(state)).toEqual([]);
  });
});
