/**
 * For any history in which members come, go, fall silent and come back, tasks are late, die, and are searched for killers: every assignment
 * in control is explained by the entries before it, to the same member (P17); and who holds the same prefix, read at once, piece by piece, or
 * from a snapshot, decides the same (P1, P14). MIZU_SEED replays a run, MIZU_RUNS sets how many.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { NO_REQUEST } from '../../engine/dispatch/control-fold.ts';
import { explainAssignment, explainEntry } from '../../engine/dispatch/explain.ts';
import { foldFromJson } from '../../engine/dispatch/fold-snapshot.ts';
import { admitMembers, silentMembers } from '../../engine/dispatch/membership.ts';
import { TASKS_PER_SLOT } from '../../engine/dispatch/member-loads.ts';
import { type DispatchPlan, nextEntries } from '../../engine/dispatch/next-entries.ts';
import { roleEntries } from '../../engine/dispatch/roles.ts';
import { accept, admit, cuts, dead, fold, join, NEEDS, planOf, Run, seen, tick } from '../unit/dispatch/control-tools.ts';

const RUNS = Number(process.env['MIZU_RUNS'] ?? 200);
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const LIMITS = { employed: 6, numbers: 8 };
const LOST_TICKS = 5;

const event = fc.oneof(
  {
    arbitrary: fc.record({
      what: fc.constant('join' as const),
      member: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
      life: fc.nat(2),
      slots: fc.nat(3),
      weight: fc.integer({ min: 1, max: 4 }),
      able: fc.nat(4).map((n) => n > 0),
    }),
    weight: 4,
  },
  fc.record({ what: fc.constant('leave' as const), pick: fc.nat(20) }),
  fc.record({ what: fc.constant('ticks' as const), count: fc.integer({ min: 1, max: 4 }), silent: fc.nat(12) }),
  { arbitrary: fc.record({ what: fc.constant('cut' as const), count: fc.integer({ min: 1, max: 6 }), more: fc.boolean() }), weight: 3 },
  { arbitrary: fc.record({ what: fc.constant('results' as const), pick: fc.array(fc.nat(20), { maxLength: 5 }) }), weight: 4 },
  {
    arbitrary: fc.record({ what: fc.constant('deaths' as const), pick: fc.array(fc.nat(3), { maxLength: 3 }), reached: fc.boolean() }),
    weight: 2,
  },
  fc.record({ what: fc.constant('probed' as const), outcome: fc.constantFrom('survived', 'died', 'unreachable') }),
  fc.record({ what: fc.constant('open' as const) }),
  fc.record({ what: fc.constant('mode' as const), mode: fc.constantFrom('running', 'running', 'paused', 'draining') }),
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** A run of the real decisions over any events. */
class History extends Run {
  readonly plans: { readonly at: number; readonly plan: DispatchPlan }[] = [];
  private requests = 0;
  private readonly heard = new Map<number, number>();
  private more = true;

  happen(event: Event): void {
    const wanted: DispatchPlan['cuts'][number][] = [];
    switch (event.what) {
      case 'join': {
        const { member, life, slots, weight, able } = event;
        const given = { slots, weight, ops: able ? NEEDS.ops : [] };
        this.write(...admitMembers(this.state, [join(member, this.requests++, given, String(life))], LIMITS).entries);
        break;
      }
      case 'leave': {
        const node = this.pick([...this.state.members.keys()], event.pick);
        if (node !== undefined) this.write({ type: 'lost', node, reason: 'left' });
        break;
      }
      case 'ticks':
        this.pass(event.count, event.silent);
        break;
      case 'cut':
        this.more = event.more;
        wanted.push(...cuts(this.state.nextCut, this.state.nextCut + event.count));
        break;
      case 'results':
        for (const n of event.pick) this.end(n, (k, attempt, node) => accept(k, attempt, node));
        break;
      case 'deaths':
        for (const n of event.pick) this.end(n, (k, attempt) => dead(k, attempt, event.reached ? 'WORKER_DIED' : 'UPSTREAM_UNREACHABLE'));
        break;
      case 'probed':
        for (const [k, task] of [...this.state.tasks])
          if (task.probe !== undefined) this.write({ type: 'probed', k, probe: task.probe.probe, outcome: event.outcome });
        break;
      case 'open':
        this.write({ type: 'open', owner: 'x', key: 'a'.repeat(64) });
        break;
      case 'mode':
        this.write({ type: 'mode', mode: event.mode, by: '', request: NO_REQUEST });
        break;
    }
    this.write(...roleEntries(this.state, [{ index: 1, partitions: 3 }], { gateway: false }));
    this.decideAll(planOf({ cuts: wanted, more: this.more }));
  }

  /** Decides, and begins anew what is beyond help, as its operator would. */
  private decideAll(plan: DispatchPlan): void {
    this.plans.push({ at: this.log.length, plan });
    let bodies: ControlBody[];
    try {
      bodies = nextEntries(this.state, plan);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ATTEMPTS_EXHAUSTED' });
      this.write({ type: 'open', owner: 'again', key: 'a'.repeat(64) });
      return;
    }
    for (const body of bodies) {
      if (body.type === 'assign') expect(explainEntry(this.state, body, NEEDS)).toMatchObject({ equal: true, logged: body.node });
      this.write(body);
      if (body.type === 'assign' || body.type === 'probe') this.checkMember(body.node);
    }
  }

  private checkMember(node: number): void {
    const member = this.state.members.get(node);
    expect(member?.offer.ops).toEqual(NEEDS.ops);
    expect(this.state.loadOf(node)).toBeLessThanOrEqual((member?.offer.slots ?? 0) * TASKS_PER_SLOT);
  }

  private pass(count: number, silent: number): void {
    for (let n = 0; n < count; n++) {
      for (const node of this.state.members.keys()) if (node !== silent) this.heard.set(node, this.state.tick);
      this.write(tick(this.state.tick + 1));
      this.write(...silentMembers(this.state, this.heard, LOST_TICKS));
    }
  }

  private end(n: number, fact: (k: number, attempt: number, node: number) => ControlBody): void {
    const running = [...this.state.tasks].flatMap(([k, task]) =>
      task.accepted === undefined ? task.live.map((live) => ({ k, ...live })) : [],
    );
    const attempt = this.pick(running, n);
    if (attempt !== undefined) this.write(fact(attempt.k, attempt.attempt, attempt.node));
  }

  private pick<T>(from: readonly T[], n: number): T | undefined {
    return from[n % from.length];
  }
}

const histories = fc.array(event, { minLength: 5, maxLength: 60 }).map((events) => {
  const history = new History(...['x', 'y'].map((name, node) => admit(node, { slots: 2 }, name)));
  for (const one of events) history.happen(one);
  return history;
});

describe('any history', () => {
  it('holds no assignment that its prefix does not explain', () => {
    let explained = 0;
    fc.assert(
      fc.property(histories, fc.nat(1_000), (history, n) => {
        const assigns = history.of('assign');
        const entry = assigns[n % assigns.length];
        if (entry === undefined) return;
        const explanation = explainAssignment(history.log, entry.k, entry.attempt, NEEDS);
        expect(explanation).toMatchObject({ equal: true, logged: entry.node, k: entry.k, attempt: entry.attempt });
        expect(explanation?.excluded).not.toContain(entry.node);
        const newest = explainAssignment(history.log, entry.k, undefined, NEEDS);
        expect(newest?.attempt).toBe(assigns.findLast(({ k }) => k === entry.k)?.attempt);
        explained++;
      }),
      { seed: SEED, numRuns: RUNS },
    );
    expect(explained).toBeGreaterThan(RUNS / 2);
  });

  it('leads everyone who holds the same prefix to the same decisions, from a snapshot too', () => {
    const outcome = (decide: () => readonly ControlBody[]): unknown => {
      try {
        return decide();
      } catch (error) {
        return String(error);
      }
    };
    fc.assert(
      fc.property(histories, fc.nat(1_000), fc.nat(1_000), (history, n, m) => {
        const { at, plan } = history.plans[n % history.plans.length] ?? { at: 0, plan: planOf() };
        const early = m % (at + 1);
        const whole = fold(history.log.slice(0, at));
        const restored = fold(history.log.slice(early, at), foldFromJson(seen(fold(history.log.slice(0, early)))));
        const decided = outcome(() => nextEntries(whole, plan));
        expect(outcome(() => nextEntries(restored, plan))).toEqual(decided);
        expect(outcome(() => nextEntries(whole, plan))).toEqual(decided);
        const written = history.log.slice(at, at + (Array.isArray(decided) ? decided.length : 0));
        if (Array.isArray(decided)) expect(written).toEqual(decided);
        for (const round of [
          (state: typeof whole) => roleEntries(state, [{ index: 1, partitions: 5 }], { gateway: true }),
          (state: typeof whole) => silentMembers(state, new Map(), 1),
          (state: typeof whole) => admitMembers(state, [join('z', 1), join('a', 2, {}, '9')], { employed: 2, numbers: 8 }).entries,
        ])
          expect(round(restored)).toEqual(round(whole));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
