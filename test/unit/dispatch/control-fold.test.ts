/** The state of a run is a pure fold over its control log (P1), bounded by what was forgotten (law 6). MIZU_SEED replays a run. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEAD_ATTEMPT_LIMIT, FRUITLESS_BISECTION_LIMIT } from '../../../engine/dispatch/bisection.ts';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold, searchFailed, type TaskState } from '../../../engine/dispatch/control-fold.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TASKS = 6;
const SIZE = 5;

const key = fc.constantFrom('a'.repeat(64), 'b'.repeat(64));
const k = fc.nat(TASKS - 1);
const small = fc.nat(4);

/** Any entry, also such as no orchestrator would write there: a fold must not depend on its writer's manners. */
const entry: fc.Arbitrary<ControlBody> = fc.oneof(
  fc.record({ type: fc.constant('open' as const), owner: fc.constantFrom('x:1', 'y:2'), key }),
  fc.record({ type: fc.constant('assign' as const), k, attempt: small, node: small, deadline: small }),
  fc.record({ type: fc.constant('lease' as const), stage: small, partition: small, epoch: small, node: small }),
  fc.record({ type: fc.constant('tick' as const), tick: small }),
  fc.record({ type: fc.constant('accept' as const), k, attempt: small, node: small, result: key }),
  fc.record({ type: fc.constant('dead' as const), k, attempt: small, reason: fc.constantFrom('WORKER_DIED', 'UPSTREAM_UNREACHABLE') }),
  fc.record({ type: fc.constant('probe' as const), k, probe: small, from: fc.constant(0), to: fc.constant(2), node: small }),
  fc.record({ type: fc.constant('probed' as const), k, probe: small, outcome: fc.constantFrom('survived', 'died', 'unreachable') }),
  fc.record({ type: fc.constant('poison' as const), k, i: fc.nat(SIZE - 1) }),
  fc.record({ type: fc.constant('finish' as const), last: small, reason: fc.constantFrom('accepted', 'exhausted') }),
);

/** Cuts come in order of k; everything else anywhere. */
const history: fc.Arbitrary<ControlBody[]> = fc
  .tuple(fc.array(entry, { maxLength: 60 }), fc.array(fc.nat(60), { minLength: TASKS, maxLength: TASKS }))
  .map(([entries, places]) => {
    const bodies: ControlBody[] = [...entries];
    const order = places.toSorted((a, b) => b - a);
    order.forEach((place, at) => {
      bodies.splice(Math.min(place, entries.length), 0, cut(TASKS - 1 - at));
    });
    return bodies;
  });

const cut = (task: number): ControlBody => ({ type: 'cut', k: task, branch: 0, first: task * SIZE, count: SIZE, ranges: [] });

function fold(bodies: readonly ControlBody[], into = new ControlFold()): ControlFold {
  for (const body of bodies) into.apply(body);
  return into;
}

/** Everything that can be seen of a fold, of tasks from `low` on. */
function seen(state: ControlFold, low = 0): unknown {
  const { tasks, leases, nextCut, candidates, tick, opens, owner, keys, nodes, finish, close } = state;
  const kept = [...tasks].filter(([task]) => task >= low);
  return structuredClone({ tasks: kept, leases: [...leases], nextCut, candidates, tick, opens, owner, keys, nodes, finish, close });
}

function taskOf(...bodies: readonly ControlBody[]): TaskState {
  const task = fold([cut(0), ...bodies]).tasks.get(0);
  if (task === undefined) throw new RangeError('the task was cut');
  return task;
}

const assign = (attempt: number, node = 0): ControlBody => ({ type: 'assign', k: 0, attempt, node, deadline: 9 });
const dead = (attempt: number, reason = 'WORKER_DIED'): ControlBody => ({ type: 'dead', k: 0, attempt, reason });
const died = (from = 0): ControlBody[] => Array.from({ length: DEAD_ATTEMPT_LIMIT }, (_, n) => [assign(from + n), dead(from + n)]).flat();
const open: ControlBody = { type: 'open', owner: 'x:1', key: 'a'.repeat(64) };
const probed = (outcome: 'survived' | 'died' | 'unreachable', probe = 0): ControlBody[] => [
  { type: 'probe', k: 0, probe, from: 0, to: 3, node: 0 },
  { type: 'probed', k: 0, probe, outcome },
];

describe('the control fold', () => {
  it('is the same for the same prefix, whether read at once or piece by piece', () => {
    fc.assert(
      fc.property(history, fc.nat(70), (bodies, at) => {
        const pieces = fold(bodies.slice(at), fold(bodies.slice(0, at)));
        expect(seen(pieces)).toEqual(seen(fold(bodies)));
      }),
      { seed: SEED },
    );
  });

  it('changes no entry that it takes', () => {
    fc.assert(
      fc.property(history, (bodies) => {
        const before = structuredClone(bodies);
        fold(bodies);
        expect(bodies).toEqual(before);
      }),
      { seed: SEED },
    );
  });

  it('shows the same tasks whether or not those below a mark were forgotten', () => {
    fc.assert(
      fc.property(history, fc.nat(70), fc.nat(TASKS), (bodies, at, low) => {
        const forgetful = fold(bodies.slice(0, at));
        forgetful.forgetBelow(low);
        fold(bodies.slice(at), forgetful);
        expect([...forgetful.tasks.keys()].every((task) => task >= low)).toBe(true);
        expect(seen(forgetful, low)).toEqual(seen(fold(bodies), low));
      }),
      { seed: SEED },
    );
  });

  it('lets the first accept of a task stand', () => {
    const accept = (attempt: number): ControlBody => ({ type: 'accept', k: 0, attempt, node: 0, result: 'c'.repeat(64) });
    expect(taskOf(assign(0), assign(1), accept(1), accept(0)).accepted?.attempt).toBe(1);
  });

  it('is open while tasks may be cut, blocked while all wait for results, finished after the entry that says so', () => {
    const state = new ControlFold();
    expect(state.pool(2)).toBe('open');
    fold([cut(0), cut(1)], state);
    expect(state.pool(2)).toBe('blocked');
    expect(state.pool(3)).toBe('open');
    fold([cut(2)], state);
    expect(state.pool(3)).toBe('blocked');
    fold([{ type: 'finish', last: 2, reason: 'exhausted' }], state);
    expect(state.pool(4)).toBe('finished');
  });
});

describe('a task whose workers die', () => {
  it('is searched after so many deaths, and not after as many unreachable upstreams', () => {
    expect(taskOf(...died().slice(0, -1)).bisection).toBeUndefined();
    expect(taskOf(...died()).bisection?.open).toEqual([
      { from: 0, to: 3 },
      { from: 3, to: 5 },
    ]);
    const unreachable = taskOf(...died().map((body) => (body.type === 'dead' ? { ...body, reason: 'UPSTREAM_UNREACHABLE' } : body)));
    expect(unreachable).toMatchObject({ bisection: undefined, died: 0, unreachable: DEAD_ATTEMPT_LIMIT });
  });

  it('learns nothing from a probe that reached no upstream', () => {
    const before = taskOf(...died());
    const after = taskOf(...died(), ...probed('unreachable'));
    expect(after.bisection).toEqual(before.bisection);
    expect(after).toMatchObject({ unreachable: 1, probe: undefined, probes: 1 });
  });

  it('takes no result of an attempt that began before its poison was known', () => {
    const task = taskOf(assign(0), ...died(1), { type: 'poison', k: 0, i: 3 }, { type: 'poison', k: 0, i: 4 }, assign(4));
    expect(task).toMatchObject({ poison: [3, 4], validFrom: 4, bisection: undefined, died: 0 });
    expect(task.live.map(({ attempt }) => attempt)).toEqual([4]);
  });

  it('keeps over a change of orchestrator how far the search came, and no attempt or probe', () => {
    const searched = [...died(), ...probed('survived')];
    const task = taskOf(...searched, { type: 'probe', k: 0, probe: 1, from: 3, to: 5, node: 0 }, open);
    expect(task).toMatchObject({ live: [], probe: undefined, probes: 2, died: 0 });
    expect(task.bisection).toEqual(taskOf(...searched).bisection);
  });

  it('begins anew with the next orchestrator once its search had failed', () => {
    const fruitless = (round: number): ControlBody[] => [
      ...died(round * (DEAD_ATTEMPT_LIMIT + 1)),
      ...probed('survived', 2 * round),
      ...probed('survived', 2 * round + 1),
      assign(round * (DEAD_ATTEMPT_LIMIT + 1) + DEAD_ATTEMPT_LIMIT),
    ];
    const rounds = Array.from({ length: FRUITLESS_BISECTION_LIMIT }, (_, round) => fruitless(round)).flat();
    expect(searchFailed(taskOf(...rounds.slice(0, -1)))).toBe(true);
    expect(searchFailed(taskOf(...rounds.slice(0, -1), open))).toBe(false);
  });
});
