/** What the orchestrator decides follows from the control log alone (P1), for tasks in time, late (law 8), and deadly ones (P9). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEAD_ATTEMPT_LIMIT, POISON_PER_TASK_LIMIT } from '../../../engine/dispatch/bisection.ts';
import type { ControlBody, Offer, RunMode } from '../../../engine/dispatch/control-entry.ts';
import { NO_REQUEST } from '../../../engine/dispatch/control-fold.ts';
import { TASKS_PER_SLOT } from '../../../engine/dispatch/member-loads.ts';
import { nextEntries } from '../../../engine/dispatch/next-entries.ts';
import { ATTEMPTS_BESIDE_LIMIT } from '../../../engine/dispatch/task-queues.ts';
import { whyUnassigned } from '../../../engine/dispatch/why-unassigned.ts';
import { accept, admit, cut, cuts, dead, fold, OPEN, planOf, Run, tick } from './control-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

/** `count` members, numbered from 0. */
const members = (count: number, given: Partial<Offer> = {}): ControlBody[] =>
  Array.from({ length: count }, (_, node) => admit(node, given));
const mode = (to: RunMode): ControlBody => ({ type: 'mode', mode: to, by: 'me', request: 0 });

/** Tasks that were done in so many ticks, so that it is known how long tasks take. */
function paced(run: Run, ticks: number): void {
  const [k, node] = [run.state.nextCut, 99];
  run.write(cut(k), { type: 'assign', k, attempt: 0, node, deadline: 1_000 }, tick(run.state.tick + ticks), accept(k, 0, node));
}

/** Attempts and probes of task 0 die if one of the killers is among their candidates. */
function live(run: Run, killers: readonly number[], takeOverAt = -1): void {
  for (let turn = 0; turn < 500; turn++) {
    if (turn === takeOverAt) run.write(OPEN);
    run.decide(turn === 0 ? { cuts: [cut(0)] } : {});
    const task = run.state.tasks.get(0);
    if (task === undefined || task.accepted !== undefined) return;
    const { probe, poison } = task;
    if (probe !== undefined) {
      const dies = killers.some((i) => i >= probe.from && i < probe.to && !poison.includes(i));
      run.write({ type: 'probed', k: 0, probe: probe.probe, outcome: dies ? 'died' : 'survived' });
      continue;
    }
    for (const { attempt, node } of task.live)
      run.write(killers.some((i) => !poison.includes(i)) ? dead(0, attempt) : accept(0, attempt, node));
  }
  throw new RangeError('task 0 was never done');
}

describe('decisions', () => {
  it('cut what may be cut, each with one attempt, and then nothing more', () => {
    const run = new Run(...members(2, { slots: 2 }));
    run.decide({ cuts: cuts(0, 3) });
    expect(run.of('cut')).toEqual(cuts(0, 3));
    expect(run.of('assign').map(({ k, attempt, deadline }) => [k, attempt, deadline])).toEqual([
      [0, 0, 3],
      [1, 0, 3],
      [2, 0, 3],
    ]);
    expect(run.decide({ cuts: cuts(0, 3) })).toEqual([]);
  });

  it('are the same for everyone who holds the log, and change nothing by being asked for', () => {
    const run = new Run(...members(3));
    for (let turn = 0; turn < 5; turn++) {
      const plan = planOf({ cuts: cuts(turn, turn + 2) });
      const bodies = nextEntries(run.state, plan);
      expect(nextEntries(run.state, plan)).toEqual(bodies);
      expect(nextEntries(fold(run.log), plan)).toEqual(bodies);
      run.write(...bodies, tick(turn));
    }
  });

  it('give a member no more than its slots, and tasks to wait only once tasks are known to be quick', () => {
    const run = new Run(...members(2, { slots: 2 }));
    run.decide({ cuts: cuts(0, 20) });
    expect([run.state.loadOf(0), run.state.loadOf(1)]).toEqual([2, 2]);
    paced(run, 4);
    run.decide();
    expect([run.state.loadOf(0), run.state.loadOf(1)]).toEqual([2 * TASKS_PER_SLOT, 2 * TASKS_PER_SLOT]);
    const slow = new Run(...members(2, { slots: 2 }));
    paced(slow, 5);
    slow.decide({ cuts: cuts(1, 20) });
    expect([slow.state.loadOf(0), slow.state.loadOf(1)]).toEqual([2, 2]);
  });

  it('assign what waits in order of k, the tasks of a lost member before later ones', () => {
    const run = new Run(...members(2));
    run.decide({ cuts: cuts(0, 6) });
    const first = run.of('assign').find(({ k }) => k === 0);
    run.write({ type: 'lost', node: first?.node ?? 0, reason: 'silent' }, admit(7));
    expect(run.decide()).toMatchObject([{ type: 'assign', k: 0, attempt: 1, node: 7 }]);
  });

  it('give a late task another attempt on another member, up to a limit, and none when all are at it', () => {
    const run = new Run(...members(2), cut(0));
    run.decide();
    const [first] = run.of('assign');
    run.write(tick(first?.deadline ?? 0));
    expect(run.decide({ more: true })).toEqual([]);
    run.write(tick((first?.deadline ?? 0) + 1));
    expect(run.decide({ more: true })).toMatchObject([{ type: 'assign', k: 0, attempt: 1, node: 1 - (first?.node ?? 0) }]);
    run.write(tick(1_000));
    expect(run.decide()).toEqual([]);
    run.write(...members(9).slice(2));
    for (let turn = 1; turn < 9; turn++) {
      run.decide();
      run.write(tick(1_000 + 10 * turn));
    }
    expect(run.of('assign')).toHaveLength(ATTEMPTS_BESIDE_LIMIT);
    expect(new Set(run.of('assign').map(({ node }) => node)).size).toBe(ATTEMPTS_BESIDE_LIMIT);
  });

  it('spend only free slots on late tasks: twice the work would make everything later', () => {
    const run = new Run(...members(2));
    run.decide({ cuts: cuts(0, 4) });
    run.write(tick(100));
    expect(run.decide()).toEqual([]);
    run.write(accept(1, 0, run.of('assign').find(({ k }) => k === 1)?.node ?? 0));
    expect(run.decide()).toMatchObject([{ type: 'assign', k: 0, attempt: 1 }]);
  });

  it('go on with the attempts that run after a change of orchestrator', () => {
    const run = new Run(...members(2));
    run.decide({ cuts: cuts(0, 2) });
    run.write(OPEN);
    expect(run.decide()).toEqual([]);
  });

  it('end the run when an upstream stays unreachable, and go on with the next orchestrator', () => {
    const run = new Run(...members(2), cut(0));
    for (let attempt = 0; attempt < DEAD_ATTEMPT_LIMIT; attempt++) {
      run.decide();
      run.write(dead(0, attempt, 'UPSTREAM_UNREACHABLE'));
    }
    expect(() => run.decide()).toThrow(expect.objectContaining({ code: 'ATTEMPTS_EXHAUSTED', component: '0/0' }));
    run.write(OPEN);
    expect(run.decide()).toMatchObject([{ type: 'assign', attempt: DEAD_ATTEMPT_LIMIT }]);
  });

  it.each(['paused', 'stopped'] as const)('are none while the run is %s, not even an error', (to) => {
    const run = new Run(...members(2), cut(0), mode(to));
    expect(run.decide({ cuts: cuts(1, 3) })).toEqual([]);
    run.write(...[0, 1, 2].map((n) => dead(0, n, 'UPSTREAM_UNREACHABLE')));
    expect(run.decide()).toEqual([]);
    run.write(mode('running'));
    expect(run.decide({ cuts: cuts(1, 2) })).toMatchObject([
      { type: 'assign', k: 0 },
      { type: 'cut', k: 1 },
      { type: 'assign', k: 1 },
    ]);
  });

  it('cut nothing while the run drains, and finish what was cut', () => {
    const run = new Run(...members(1), cut(0), mode('draining'));
    expect(run.decide({ cuts: cuts(1, 3), more: true })).toMatchObject([{ type: 'assign', k: 0 }]);
  });

  it('are none once the pool is finished', () => {
    const run = new Run(...members(1), cut(0), { type: 'finish', last: -1, reason: 'drained' });
    expect(run.decide({ cuts: cuts(1, 3) })).toEqual([]);
  });
});

describe('a straggler', () => {
  /** Task 1 runs since tick 4 on one of two members; the other is free. Task 0 took 4 ticks. */
  function straggling(deadlineTicks: number): Run {
    const run = new Run(...members(2));
    paced(run, 4);
    run.decide({ cuts: [cut(1)], deadlineTicks });
    return run;
  }

  it('gets a second attempt on a free member once it took half its time frame and twice the median, and no third', () => {
    const run = straggling(20);
    run.write(tick(4 + 9));
    expect(run.decide()).toEqual([]);
    run.write(tick(4 + 10));
    const { node } = run.of('assign')[1] ?? { node: -1 };
    expect(run.decide()).toMatchObject([{ type: 'assign', k: 1, attempt: 1, node: 1 - node }]);
    run.write(admit(2));
    expect(run.decide()).toEqual([]);
  });

  it('is none while it takes less than twice the median, however short its time frame', () => {
    const run = straggling(10);
    run.write(tick(4 + 8));
    expect(run.decide()).toEqual([]);
    run.write(tick(4 + 9));
    expect(run.decide()).toHaveLength(1);
  });

  it('waits while other work is left for the free slots', () => {
    const run = straggling(20);
    run.write(tick(4 + 15));
    expect(run.decide({ more: true })).toEqual([]);
    expect(run.decide({ cuts: [cut(2)] })).toMatchObject([{ type: 'cut' }, { type: 'assign', k: 2 }]);
    expect(run.decide()).toEqual([]);
  });
});

describe('a task that nobody can take', () => {
  it('waits without an error, and its reason is told: no member, none that is able, none that is free', () => {
    const run = new Run(cut(0), cut(1));
    expect(run.decide()).toEqual([]);
    expect(whyUnassigned(run.state, planOf())).toBe('2 tasks wait: no member takes tasks; start a node');
    run.write(admit(0, { ops: ['other@1'] }), admit(1, { slots: 0 }));
    expect(run.decide()).toEqual([]);
    expect(whyUnassigned(run.state, planOf())).toBe('2 tasks wait: no member that takes tasks offers op echo@1; start one that does');
    run.write(admit(2, { ops: ['another@1'] }));
    expect(whyUnassigned(run.state, planOf({ needs: { ops: ['another@1', 'other@1'] } }))).toMatch(
      /no member offers all .* closest comes node 0 \(m0\), which misses op another@1$/,
    );
    run.write(admit(3));
    expect(whyUnassigned(run.state, planOf())).toBe('2 tasks wait: they are assigned in the next turn of the orchestrator');
    expect(run.decide()).toMatchObject([{ type: 'assign', k: 0, node: 3 }]);
    expect(whyUnassigned(run.state, planOf())).toBe('1 task waits: the only capable member has no free slot');
    run.write(mode('paused'));
    expect(whyUnassigned(run.state, planOf())).toBe('1 task waits: the run is paused (me)');
    run.write(mode('running'), admit(4));
    run.decide();
    expect(whyUnassigned(run.state, planOf())).toBeUndefined();
  });

  it('is given to a member with enough memory for each of its slots, as the run was begun and as its settings say now', () => {
    const settings = (memory: number): ControlBody => ({ type: 'settings', nodes: 9, deadlineMs: 9, memory, request: NO_REQUEST });
    const run = new Run({ ...OPEN, memory: 500 }, admit(0, { slots: 4, memory: 1_999 }), admit(1, { slots: 2, memory: 1_000 }));
    run.decide({ cuts: [cut(0)] });
    expect(run.of('assign')).toMatchObject([{ node: 1 }]);
    run.write(settings(501), cut(1));
    expect(run.decide()).toEqual([]);
    expect(whyUnassigned(run.state, planOf())).toBe(
      '1 task waits: no member that takes tasks offers 501 bytes of memory for each of its slots (task.memory; 500 at most: fewer workers leave more for each); start one that does',
    );
    run.write(settings(0));
    expect(run.decide()).toMatchObject([{ type: 'assign', k: 1, node: 0 }]);
  });
});

describe('a deadly task', () => {
  const killers = fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 });

  it('is done without exactly those who kill, whatever orchestrator finds them', () => {
    fc.assert(
      fc.property(killers, fc.integer({ min: -1, max: 40 }), (deadly, takeOverAt) => {
        const run = new Run(...members(2));
        live(run, deadly, takeOverAt);
        expect(run.of('poison').map(({ i }) => i)).toEqual(deadly.toSorted((a, b) => a - b));
        const accepted = run.of('accept')[0];
        const after = run.log.slice(run.log.findLastIndex((body) => body.type === 'poison'));
        expect(after).toContainEqual(expect.objectContaining({ type: 'assign', attempt: accepted?.attempt }));
        expect([run.state.loadOf(0), run.state.loadOf(1)]).toEqual([0, 0]);
      }),
      { seed: SEED },
    );
  });

  it('has at most one probe at a time', () => {
    const run = new Run(...members(2));
    live(run, [3, 8]);
    let running = 0;
    for (const { type } of run.log) {
      if (type === 'probe') running++;
      if (type === 'probed') running--;
      expect(running === 0 || running === 1).toBe(true);
    }
    expect(run.of('probe').length).toBeGreaterThan(DEAD_ATTEMPT_LIMIT);
  });

  it('is probed again when the member at it is lost', () => {
    const run = new Run(...members(1), cut(0), ...[0, 1, 2].map((n) => dead(0, n)));
    expect(run.decide()).toMatchObject([{ type: 'probe', probe: 0, node: 0 }]);
    run.write({ type: 'lost', node: 0, reason: 'silent' });
    expect(run.decide()).toEqual([]);
    run.write(admit(1));
    expect(run.decide()).toMatchObject([{ type: 'probe', probe: 1, node: 1, from: 0, to: 5 }]);
  });

  /** Task 0 died three times, and a fourth attempt of it still runs on member 0; both halves of it were probed. */
  function searched(slots: number, ...outcomes: readonly ('survived' | 'died')[]): Run {
    const assign: ControlBody = { type: 'assign', k: 0, attempt: 3, node: 0, deadline: 99 };
    const run = new Run(admit(0, { slots }), cut(0, 2), assign, ...[0, 1, 2].map((n) => dead(0, n)));
    for (const [probe, outcome] of outcomes.entries())
      run.write({ type: 'probe', k: 0, probe, from: 0, to: 1, node: 0 }, { type: 'probed', k: 0, probe, outcome });
    return run;
  }

  it('is given in the round that names its poison to a member that an attempt from before it kept busy', () => {
    const run = searched(1, 'died', 'died', 'died', 'survived');
    expect(run.state.loadOf(0)).toBe(1);
    expect(run.decide()).toMatchObject([
      { type: 'poison', i: 0 },
      { type: 'assign', attempt: 4, node: 0 },
    ]);
    expect(run.state.loadOf(0)).toBe(1);
  });

  it('is given after a search that named nobody to a member that is not at it', () => {
    const run = searched(5, 'survived', 'survived');
    expect(run.decide()).toEqual([]);
    run.write(admit(1));
    expect(run.decide()).toMatchObject([{ type: 'assign', attempt: 4, node: 1 }]);
  });

  it('ends the run when too many kill, naming some of them', () => {
    const run = new Run(...members(2));
    const all = Array.from({ length: POISON_PER_TASK_LIMIT + 1 }, (_, i) => i);
    expect(() => live(run, all)).toThrow(/Task 0 can't be done: more than 8 of its candidates .*: 0, 1, 2/);
    expect(run.of('poison')).toEqual([]);
  });
});
