/** What the orchestrator decides follows from the control log alone (P1), for tasks in time, late (law 8), and deadly ones (P9). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEAD_ATTEMPT_LIMIT, POISON_PER_TASK_LIMIT } from '../../../engine/dispatch/bisection.ts';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold } from '../../../engine/dispatch/control-fold.ts';
import { type DispatchPlan, nextEntries } from '../../../engine/dispatch/next-entries.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const PLAN: DispatchPlan = { nodes: 2, deadlineTicks: 3, cutEnd: 3, taskSize: 10, candidates: 24, source: false };
const OPEN: ControlBody = { type: 'open', owner: 'x:1', key: 'a'.repeat(64) };

function fold(bodies: readonly ControlBody[], into = new ControlFold()): ControlFold {
  for (const body of bodies) into.apply(body);
  return into;
}

/** A control log that grows by decisions and by what becomes of them. */
class Run {
  readonly log: ControlBody[] = [];
  readonly state = new ControlFold();
  private readonly plan: DispatchPlan;

  constructor(plan: DispatchPlan = PLAN) {
    this.plan = plan;
  }

  write(...bodies: readonly ControlBody[]): void {
    this.log.push(...bodies);
    fold(bodies, this.state);
  }

  decide(): ControlBody[] {
    const bodies = nextEntries(this.state, this.plan);
    expect(nextEntries(fold(this.log), this.plan)).toEqual(bodies);
    this.write(...bodies);
    return bodies;
  }

  /** Attempts and probes of task 0 die if one of the killers is among their candidates. */
  live(killers: readonly number[], takeOverAt = -1): void {
    for (let turn = 0; turn < 500; turn++) {
      if (turn === takeOverAt) this.write(OPEN);
      this.decide();
      const task = this.state.tasks.get(0);
      if (task === undefined || task.accepted !== undefined) return;
      const { probe, poison } = task;
      if (probe !== undefined) {
        const dies = killers.some((i) => i >= probe.from && i < probe.to && !poison.includes(i));
        this.write({ type: 'probed', k: 0, probe: probe.probe, outcome: dies ? 'died' : 'survived' });
        continue;
      }
      for (const { attempt, node } of task.live) {
        if (killers.some((i) => !poison.includes(i))) this.write({ type: 'dead', k: 0, attempt, reason: 'WORKER_DIED' });
        else this.write({ type: 'accept', k: 0, attempt, node, result: 'c'.repeat(64) });
      }
    }
    throw new RangeError('task 0 was never done');
  }

  of<T extends ControlBody['type']>(type: T): Extract<ControlBody, { readonly type: T }>[] {
    return this.log.filter((body): body is Extract<ControlBody, { readonly type: T }> => body.type === type);
  }
}

describe('decisions', () => {
  it('cut the whole of what may be cut, the last task short, each with one attempt, and then nothing more', () => {
    const run = new Run();
    run.decide();
    expect(run.of('cut').map(({ k, first, count }) => [k, first, count])).toEqual([
      [0, 0, 10],
      [1, 10, 10],
      [2, 20, 4],
    ]);
    expect(run.of('assign').map(({ k, attempt }) => [k, attempt])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(run.decide()).toEqual([]);
  });

  it('name the records of a source for each cut', () => {
    const run = new Run({ ...PLAN, source: true });
    run.decide();
    expect(run.of('cut').map(({ ranges }) => ranges)).toEqual([[[0, 0, 10]], [[0, 10, 20]], [[0, 20, 24]]]);
  });

  it('give a late task another attempt on another node, and none when all are at it', () => {
    const run = new Run({ ...PLAN, cutEnd: 1 });
    run.decide();
    const [first] = run.of('assign');
    run.write({ type: 'tick', tick: first?.deadline ?? 0 });
    expect(run.decide()).toEqual([]);
    run.write({ type: 'tick', tick: (first?.deadline ?? 0) + 1 });
    const [second] = run.decide();
    expect(second).toMatchObject({ type: 'assign', k: 0, attempt: 1, node: 1 - (first?.node ?? 0) });
    run.write({ type: 'tick', tick: 1_000 });
    expect(run.decide()).toEqual([]);
  });

  it('leave a late task alone when there is one node: it would only be slower', () => {
    const run = new Run({ ...PLAN, nodes: 1 });
    run.decide();
    run.write({ type: 'tick', tick: 1_000 });
    expect(run.decide()).toEqual([]);
  });

  it('give every unaccepted task a new attempt after a change of orchestrator', () => {
    const run = new Run();
    run.decide();
    run.write({ type: 'accept', k: 1, attempt: 0, node: 0, result: 'c'.repeat(64) }, OPEN);
    expect(run.decide().map((body) => (body.type === 'assign' ? [body.k, body.attempt] : body))).toEqual([
      [0, 1],
      [2, 1],
    ]);
  });

  it('end the run when an upstream stays unreachable, and go on with the next orchestrator', () => {
    const run = new Run({ ...PLAN, cutEnd: 1 });
    for (let attempt = 0; attempt < DEAD_ATTEMPT_LIMIT; attempt++) {
      run.decide();
      run.write({ type: 'dead', k: 0, attempt, reason: 'UPSTREAM_UNREACHABLE' });
    }
    expect(() => nextEntries(run.state, PLAN)).toThrow(expect.objectContaining({ code: 'ATTEMPTS_EXHAUSTED' }));
    run.write(OPEN);
    expect(run.decide()).toMatchObject([{ type: 'assign', attempt: DEAD_ATTEMPT_LIMIT }]);
  });
});

describe('a deadly task', () => {
  const killers = fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 });

  it('is done without exactly those who kill, whatever orchestrator finds them', () => {
    fc.assert(
      fc.property(killers, fc.integer({ min: -1, max: 40 }), (deadly, takeOverAt) => {
        const run = new Run({ ...PLAN, cutEnd: 1 });
        run.live(deadly, takeOverAt);
        expect(run.of('poison').map(({ i }) => i)).toEqual(deadly.toSorted((a, b) => a - b));
        const accepted = run.of('accept')[0];
        const after = run.log.slice(run.log.findLastIndex((body) => body.type === 'poison'));
        expect(after).toContainEqual(expect.objectContaining({ type: 'assign', attempt: accepted?.attempt }));
      }),
      { seed: SEED },
    );
  });

  it('has at most one probe at a time', () => {
    const run = new Run({ ...PLAN, cutEnd: 1 });
    run.live([3, 8]);
    let running = 0;
    for (const { type } of run.log) {
      if (type === 'probe') running++;
      if (type === 'probed') running--;
      expect(running === 0 || running === 1).toBe(true);
    }
    expect(run.of('probe').length).toBeGreaterThan(DEAD_ATTEMPT_LIMIT);
  });

  it('ends the run when too many kill, naming some of them', () => {
    const run = new Run({ ...PLAN, cutEnd: 1 });
    const all = Array.from({ length: POISON_PER_TASK_LIMIT + 1 }, (_, i) => i);
    expect(() => run.live(all)).toThrow(/Task 0 can't be done: more than 8 of its candidates .*: 0, 1, 2/);
    expect(run.of('poison')).toEqual([]);
  });
});
