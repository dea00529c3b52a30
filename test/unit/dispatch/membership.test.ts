/** Who takes part follows from control and the requests alone: one life per name and per number (P1, P2). */
import { describe, expect, it } from 'vitest';
import { admitMembers, silentMembers } from '../../../engine/dispatch/membership.ts';
import { admit, fold, join, tick } from './control-tools.ts';

const LIMITS = { employed: 2, numbers: 4 };

const short = (entries: readonly { type: string; node?: number; member?: string; reason?: string }[]): string[] =>
  entries.map(({ type, node, member, reason }) => `${type} ${node} ${member ?? reason}`);

describe('a member that asks to join', () => {
  it('is admitted under the lowest free number, in order of request, while fewer than are employed take tasks', () => {
    const { entries, waiting } = admitMembers(fold([]), [join('c', 9), join('a', 7), join('b', 8)], LIMITS);
    expect(short(entries)).toEqual(['admit 0 a', 'admit 1 b']);
    expect(entries[0]).toMatchObject({ request: 7, incarnation: '1' });
    expect(waiting.map(({ body }) => body.member)).toEqual(['c']);
  });

  it('that takes no tasks is admitted beside those employed, while there are numbers', () => {
    const joins = ['a', 'b', 'gateway', 'other', 'last'].map((name, n) => join(name, n, { slots: n < 2 ? 1 : 0 }));
    const { entries, waiting } = admitMembers(fold([]), joins, LIMITS);
    expect(short(entries)).toEqual(['admit 0 a', 'admit 1 b', 'admit 2 gateway', 'admit 3 other']);
    expect(waiting.map(({ body }) => body.member)).toEqual(['last']);
  });

  it('and lives already is left alone', () => {
    expect(admitMembers(fold([admit(0, {}, 'a')]), [join('a', 3)], LIMITS)).toEqual({ entries: [], waiting: [] });
  });

  it('under the name of one that lives takes its number over, and the other is lost', () => {
    const before = fold([admit(0, {}, 'x'), admit(1, {}, 'a')]);
    const { entries } = admitMembers(before, [join('a', 3, {}, '2')], LIMITS);
    expect(short(entries)).toEqual(['lost 1 replaced', 'admit 1 a']);
    const after = fold(entries, before);
    expect([...after.members.values()].map(({ member, incarnation }) => [member, incarnation])).toEqual([
      ['x', '1'],
      ['a', '2'],
    ]);
  });

  it('twice at once is the one that asked last', () => {
    const { entries } = admitMembers(fold([]), [join('a', 4, {}, 'new'), join('a', 3, {}, 'old')], LIMITS);
    expect(entries).toMatchObject([{ type: 'admit', member: 'a', incarnation: 'new' }]);
  });

  it('gets the number that it had, unless another has it now', () => {
    const gone = fold([admit(0, {}, 'a'), admit(1, {}, 'b'), { type: 'lost', node: 1, reason: 'silent' }]);
    expect(short(admitMembers(gone, [join('b', 3, {}, '2')], { employed: 3, numbers: 4 }).entries)).toEqual(['admit 1 b']);
    gone.apply(admit(1, {}, 'c'));
    expect(short(admitMembers(gone, [join('b', 3, {}, '2')], { employed: 3, numbers: 4 }).entries)).toEqual(['admit 2 b']);
  });

  it('waits when no number is left', () => {
    const full = fold([admit(0), admit(1)]);
    const { entries, waiting } = admitMembers(full, [join('z', 3, { slots: 0 })], { employed: 9, numbers: 2 });
    expect([entries, waiting.length]).toEqual([[], 1]);
  });
});

describe('members beyond those employed', () => {
  it('are let go from the highest number down, but never those who take no tasks', () => {
    const state = fold([admit(0), admit(1), admit(2, { slots: 0 }), admit(3)]);
    expect(short(admitMembers(state, [], { employed: 1, numbers: 4 }).entries)).toEqual(['lost 3 left', 'lost 1 left']);
  });

  it('stay while nobody else takes leases', () => {
    const state = fold([admit(0, { steps: false }), admit(1, { steps: false }), admit(2)]);
    expect(short(admitMembers(state, [], { employed: 1, numbers: 4 }).entries)).toEqual(['lost 1 left', 'lost 0 left']);
  });

  it('make no place for one who waits', () => {
    const state = fold([admit(0), admit(1)]);
    const { entries, waiting } = admitMembers(state, [join('z', 3)], { employed: 1, numbers: 4 });
    expect([short(entries), waiting.length]).toEqual([['lost 1 left'], 1]);
  });
});

describe('a silent member', () => {
  it('is lost once it said nothing for longer than it may, counted from its admission or its last word', () => {
    const state = fold([admit(0), admit(1), tick(4), admit(2), tick(11)]);
    const heard = new Map([[1, 6]]);
    expect(short(silentMembers(state, heard, 10))).toEqual(['lost 0 silent']);
    expect(short(silentMembers(state, heard, 11))).toEqual([]);
    state.apply(tick(17));
    expect(short(silentMembers(state, heard, 10))).toEqual(['lost 0 silent', 'lost 1 silent', 'lost 2 silent']);
  });
});
