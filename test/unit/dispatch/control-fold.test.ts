/** The state of a run is a pure fold over its control log (P1), bounded by what was forgotten (law 6). MIZU_SEED replays a run. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEAD_ATTEMPT_LIMIT, FRUITLESS_BISECTION_LIMIT } from '../../../engine/dispatch/bisection.ts';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold } from '../../../engine/dispatch/control-fold.ts';
import { foldFromJson } from '../../../engine/dispatch/fold-snapshot.ts';
import { ATTEMPTS_BESIDE_LIMIT } from '../../../engine/dispatch/task-queues.ts';
import { nodesAt, searchFailed, type TaskState } from '../../../engine/dispatch/task-state.ts';
import { canonicalJson } from '../../../engine/proof/jcs.ts';
import { accept, admit, cut as cutOf, dead as deadOf, fold, NEEDS, offer, OPEN, seen, tick } from './control-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TASKS = 6;
const SIZE = 5;

const key = fc.constantFrom('a'.repeat(64), 'b'.repeat(64));
const k = fc.nat(TASKS - 1);
const small = fc.nat(4);
const kind = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type);
const anyOffer = fc.record({ slots: fc.nat(3), weight: fc.integer({ min: 1, max: 3 }), ops: fc.constantFrom([], ['echo@1']) }).map(offer);
const totals = { candidates: 0, accepted: 0, corrected: 0, duplicates: 0, failed: 0, rejected: {}, gas: 0, localBytes: 0, globalBytes: 0 };

/** Any entry, also such as no orchestrator would write there: a fold must not depend on its writer's manners. */
const entry: fc.Arbitrary<ControlBody> = fc.oneof(
  fc.record({ type: kind('open'), owner: fc.constantFrom('x:1', 'y:2'), key }),
  { arbitrary: fc.record({ type: kind('assign'), k, attempt: small, node: small, deadline: small }), weight: 6 },
  fc.record({ type: kind('lease'), stage: small, partition: small, epoch: small, node: small }),
  fc.record({
    type: kind('admit'),
    node: small,
    member: fc.constantFrom('a', 'b', 'c'),
    incarnation: fc.constantFrom('1', '2'),
    key,
    offer: anyOffer,
    request: small,
  }),
  fc.record({ type: kind('lost'), node: small, reason: fc.constantFrom('silent', 'left', 'replaced') }),
  fc.record({ type: kind('appoint'), role: fc.constantFrom('checkpointer', 'gateway'), epoch: small, node: small }),
  fc.record({
    type: kind('mode'),
    mode: fc.constantFrom('running', 'paused', 'draining', 'stopped'),
    by: fc.constantFrom('', 'me'),
    request: small,
  }),
  fc.record({
    type: kind('settings'),
    nodes: fc.integer({ min: 1, max: 3 }),
    deadlineMs: fc.integer({ min: 1, max: 9 }),
    memory: fc.nat(2),
    request: small,
  }),
  fc.record({ type: kind('confirm'), k, attempt: small, node: small, accepted: small, equal: fc.boolean() }),
  fc.record({ type: kind('tick'), tick: fc.nat(6) }),
  fc.record({
    type: kind('mark'),
    published: fc.nat(1),
    totals: fc.constant(totals),
    stages: fc.constant([]),
    members: fc.constant([]),
    results: fc.constant([]),
  }),
  fc.record({ type: kind('accept'), k, attempt: small, node: small, result: key }),
  {
    arbitrary: fc.record({ type: kind('dead'), k, attempt: small, reason: fc.constantFrom('WORKER_DIED', 'UPSTREAM_UNREACHABLE') }),
    weight: 3,
  },
  fc.record({ type: kind('probe'), k, probe: small, from: fc.constant(0), to: fc.constant(2), node: small }),
  fc.record({ type: kind('probed'), k, probe: small, outcome: fc.constantFrom('survived', 'died', 'unreachable') }),
  fc.record({ type: kind('poison'), k, i: fc.nat(SIZE - 1) }),
  fc.record({ type: kind('finish'), last: small, reason: fc.constantFrom('accepted', 'exhausted', 'drained') }),
);

/** Cuts come in order of k; everything else anywhere. */
const history: fc.Arbitrary<ControlBody[]> = fc
  .tuple(fc.array(entry, { maxLength: 80 }), fc.array(fc.nat(80), { minLength: TASKS, maxLength: TASKS }))
  .map(([entries, places]) => {
    const bodies: ControlBody[] = [...entries];
    const order = places.toSorted((a, b) => b - a);
    order.forEach((place, at) => {
      bodies.splice(Math.min(place, entries.length), 0, cut(TASKS - 1 - at));
    });
    return bodies;
  });

const cut = (task: number): ControlBody => ({
  ...cutOf(task, SIZE),
  first: task * SIZE,
  ranges: [[task % 2, task * SIZE, task * SIZE + SIZE]],
});

function taskOf(...bodies: readonly ControlBody[]): TaskState {
  const task = fold([cut(0), ...bodies]).tasks.get(0);
  if (task === undefined) throw new RangeError('the task was cut');
  return task;
}

const assign = (attempt: number, node = 0, deadline = 9): ControlBody => ({ type: 'assign', k: 0, attempt, node, deadline });
const dead = (attempt: number, reason?: string): ControlBody => deadOf(0, attempt, reason);
const died = (from = 0): ControlBody[] => Array.from({ length: DEAD_ATTEMPT_LIMIT }, (_, n) => [assign(from + n), dead(from + n)]).flat();
const probed = (outcome: 'survived' | 'died' | 'unreachable', probe = 0): ControlBody[] => [
  { type: 'probe', k: 0, probe, from: 0, to: 3, node: 0 },
  { type: 'probed', k: 0, probe, outcome },
];

/** The queue that a task belongs to, by the rule alone. */
function queueOf(task: TaskState, now: number): string | undefined {
  if (task.accepted !== undefined) return undefined;
  if (task.unreachable >= DEAD_ATTEMPT_LIMIT || (task.bisection !== undefined && searchFailed(task))) return 'stuck';
  if (task.bisection !== undefined) return task.probe === undefined ? 'searching' : undefined;
  if (task.live.length === 0) return 'unassigned';
  return task.live.every(({ deadline }) => deadline < now) && task.live.length < ATTEMPTS_BESIDE_LIMIT ? 'late' : undefined;
}

describe('the control fold', () => {
  it('is the same for the same prefix, whether read at once or piece by piece', () => {
    fc.assert(
      fc.property(history, fc.nat(90), (bodies, at) => {
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
      fc.property(history, fc.nat(90), fc.nat(TASKS), (bodies, at, low) => {
        const forgetful = fold(bodies.slice(0, at));
        forgetful.forgetBelow(low);
        fold(bodies.slice(at), forgetful);
        expect([...forgetful.tasks.keys()].every((task) => task >= low)).toBe(true);
        const kept = [...fold(bodies).tasks].filter(([task]) => task >= forgetful.low);
        expect([...forgetful.tasks]).toEqual(kept);
      }),
      { seed: SEED },
    );
  });

  it('knows at any time what counting all tasks would give: loads, slots, and what waits for a decision', () => {
    fc.assert(
      fc.property(history, (bodies) => {
        const state = new ControlFold();
        state.capable(NEEDS);
        for (const body of bodies) state.apply(body);
        const tasks = [...state.tasks];
        for (let node = 0; node < 5; node++)
          expect(state.loadOf(node)).toBe(tasks.flatMap(([, task]) => nodesAt(task)).filter((at) => at === node).length);
        expect(state.slots()).toBe([...state.members.values()].reduce((sum, { offer: { slots } }) => sum + slots, 0));
        for (const queue of ['stuck', 'searching', 'unassigned', 'late'] as const)
          expect([...state.queues[queue]]).toEqual(tasks.flatMap(([task, of]) => (queueOf(of, state.tick) === queue ? [task] : [])));
        const able = [...state.members.values()].filter(
          ({ offer: { slots, ops, memory } }) => slots > 0 && ops.includes('echo@1') && memory >= slots * state.memory,
        );
        const idle = able.filter(({ node, offer: { slots } }) => state.loadOf(node) < slots);
        const capable = state.capable(NEEDS);
        expect([capable.count, capable.idle.count]).toEqual([able.length, idle.length]);
        expect(capable.idle.total).toBe(idle.reduce((sum, { offer: { weight } }) => sum + weight, 0));
      }),
      { seed: SEED },
    );
  });

  it('keeps nothing of what is forgotten', () => {
    fc.assert(
      fc.property(history, (bodies) => {
        const state = fold(bodies);
        state.forgetBelow(TASKS);
        const { stuck, searching, unassigned, late, failing, alone } = state.queues;
        expect([...stuck, ...searching, ...unassigned, ...late, ...failing, ...alone]).toEqual([]);
        expect(Array.from({ length: 5 }, (_, node) => state.loadOf(node))).toEqual([0, 0, 0, 0, 0]);
        expect(state.queues.overdue(1_000)).toEqual([]);
      }),
      { seed: SEED },
    );
  });

  it('lets the first accept of a task stand', () => {
    expect(taskOf(assign(0), assign(1), accept(0, 1, 0), accept(0, 0, 0)).accepted?.attempt).toBe(1);
  });

  it('never lets time go back', () => {
    expect(fold([tick(5), tick(3)]).tick).toBe(5);
  });
});

describe('a snapshot of the fold', () => {
  it('and the entries after it give the whole fold, in the same bytes (P14)', () => {
    fc.assert(
      fc.property(history, fc.nat(90), (bodies, at) => {
        const text = canonicalJson(seen(fold(bodies.slice(0, at))));
        const restored = foldFromJson(JSON.parse(text));
        expect(canonicalJson(seen(restored))).toBe(text);
        const whole = fold(bodies);
        fold(bodies.slice(at), restored);
        expect(canonicalJson(seen(restored))).toBe(canonicalJson(seen(whole)));
        for (let node = 0; node < 5; node++) expect(restored.loadOf(node)).toBe(whole.loadOf(node));
        for (const queue of ['stuck', 'searching', 'unassigned', 'late', 'alone'] as const)
          expect([...restored.queues[queue]]).toEqual([...whole.queues[queue]]);
      }),
      { seed: SEED },
    );
  });

  it('of another form is refused, naming the place', () => {
    const snapshot = JSON.parse(canonicalJson(seen(fold([cut(0), assign(0)]))));
    for (const [change, place] of [
      [{ form: 2 }, 'form'],
      [{ tick: -1 }, 'tick'],
      [{ more: 1 }, ''],
      [{ tasks: [{ ...snapshot.tasks[0], live: [{ attempt: 0 }] }] }, 'tasks.0.live.0.node'],
    ] as const) {
      expect(() => foldFromJson({ ...snapshot, ...change })).toThrow(
        expect.objectContaining({ code: 'BYTES_INVALID', message: expect.stringContaining(`Not a snapshot of control: ${place}`) }),
      );
    }
  });
});

describe('a member', () => {
  it('that is lost leaves its attempts, accepted ones aside, and its number to the next who needs one', () => {
    const state = fold([
      admit(0),
      admit(1),
      cut(0),
      cut(1),
      assign(0, 0),
      assign(1, 1),
      { ...assign(0, 0), k: 1 } as ControlBody,
      accept(1, 0, 0),
    ]);
    expect([state.loadOf(0), state.loadOf(1), state.slots()]).toEqual([1, 1, 2]);
    state.apply({ type: 'lost', node: 0, reason: 'silent' });
    expect([state.loadOf(0), state.loadOf(1), state.slots()]).toEqual([0, 1, 1]);
    expect(state.tasks.get(0)?.live.map(({ node }) => node)).toEqual([1]);
    expect(state.numbers.get('m0')).toBe(0);
    state.apply(admit(0, {}, 'other'));
    expect([...state.numbers]).toEqual([
      ['m1', 1],
      ['other', 0],
    ]);
  });

  it('that comes back as another process begins with nothing', () => {
    const state = fold([admit(0, { slots: 2 }), cut(0), assign(0, 0), admit(0, { slots: 3 }, 'm0', '2')]);
    expect([state.loadOf(0), state.slots(), state.members.size]).toEqual([0, 3, 1]);
    expect([...state.queues.unassigned]).toEqual([0]);
  });

  it('goes on with its attempts when another orchestrator takes over', () => {
    const state = fold([admit(0), cut(0), assign(0, 0), OPEN]);
    expect(state.tasks.get(0)?.live).toHaveLength(1);
    expect(state.loadOf(0)).toBe(1);
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

  it('keeps over a change of orchestrator how far the search came, and is forgiven the deaths before', () => {
    const searched = [...died(), ...probed('survived')];
    const probe: ControlBody = { type: 'probe', k: 0, probe: 1, from: 3, to: 5, node: 0 };
    const task = taskOf(...searched, probe, OPEN);
    expect(task).toMatchObject({ probe: { probe: 1 }, probes: 2, died: 0 });
    expect(task.bisection).toEqual(taskOf(...searched).bisection);
  });

  it('learns nothing from a probe whose member was lost', () => {
    const lost: ControlBody[] = [admit(0), ...died(), ...probed('survived', 0).slice(0, 1), { type: 'lost', node: 0, reason: 'silent' }];
    const task = taskOf(...lost, { type: 'probed', k: 0, probe: 0, outcome: 'died' });
    expect(task.bisection).toEqual(taskOf(...died()).bisection);
    expect(task.probe).toBeUndefined();
  });

  it('is forgiven when the run goes on after a pause', () => {
    const mode = (to: 'paused' | 'running'): ControlBody => ({ type: 'mode', mode: to, by: 'me', request: 0 });
    const unreachable = [0, 1, 2].flatMap((n) => [assign(n), dead(n, 'UPSTREAM_UNREACHABLE')]);
    expect(taskOf(...unreachable, mode('paused')).unreachable).toBe(DEAD_ATTEMPT_LIMIT);
    expect(taskOf(...unreachable, mode('paused'), mode('running')).unreachable).toBe(0);
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
    expect(searchFailed(taskOf(...rounds.slice(0, -1), OPEN))).toBe(false);
  });
});
