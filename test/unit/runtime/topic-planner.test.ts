/** Every record of a topic is in exactly one task, in order, however it arrives, whenever tasks are cut, and whoever takes over (P7, law 4). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CutEntry } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold } from '../../../engine/dispatch/control-fold.ts';
import type { CutPlanner } from '../../../engine/runtime/cut-planner.ts';
import { openCutPlanner } from '../../../engine/runtime/cut-planner.ts';
import { openTaskSource } from '../../../engine/runtime/task-source.ts';
import { decodeTopicRecord, type Log } from '#engine';
import { MemoryTopic } from '../../support/memory-topic.ts';
import { withQuickLog } from '../../support/run-support.ts';
import { compileTopic, TestClock, type TopicRun, topicRun } from '../../support/topic-roles.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const EVERY_MS = 100;
const SIZE = 5;

type Step =
  | { readonly do: 'arrive'; readonly partition: number; readonly records: number; readonly gap: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'plan'; readonly ahead: number }
  | { readonly do: 'take over' };

const steps = (partitions: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('arrive' as const),
          partition: fc.nat(partitions - 1),
          records: fc.nat(12),
          gap: fc.nat(3),
        }),
      },
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 150 }) }),
      { weight: 3, arbitrary: fc.record({ do: fc.constant('plan' as const), ahead: fc.nat(4) }) },
      fc.record({ do: fc.constant('take over' as const) }),
    ),
    { maxLength: 40 },
  );

/** An orchestrator's part: asks, writes what it is given, folds it. */
class Cutting {
  readonly cuts: CutEntry[] = [];
  fold = new ControlFold();
  planner: CutPlanner;
  private readonly reopen: () => Promise<CutPlanner>;

  private constructor(planner: CutPlanner, reopen: () => Promise<CutPlanner>) {
    this.planner = planner;
    this.reopen = reopen;
  }

  static async open({ context, open }: TopicRun, clock: TestClock): Promise<Cutting> {
    const reopen = (): Promise<CutPlanner> => openCutPlanner(context, { external: open, clock });
    return new Cutting(await reopen(), reopen);
  }

  async plan(ahead: number): Promise<number> {
    const due = await this.planner.due(this.fold, this.fold.nextCut + ahead);
    expect(due.length).toBeLessThanOrEqual(ahead);
    for (const cut of due) this.fold.apply(cut);
    this.cuts.push(...due);
    return due.length;
  }

  /** Another process, that knows control alone. */
  async takeOver(): Promise<void> {
    await this.planner.close();
    this.fold = new ControlFold();
    for (const cut of this.cuts) this.fold.apply(cut);
    this.planner = await this.reopen();
  }

  /** Until nothing more is cut, though time passes. */
  async drain(clock: TestClock): Promise<void> {
    for (let idle = 0; idle < 3; ) {
      idle = (await this.plan(3)) === 0 ? idle + 1 : 0;
      clock.advance(EVERY_MS);
    }
  }
}

function checkCuts(cuts: readonly CutEntry[]): void {
  let candidates = 0;
  const next = new Map<number, number>();
  for (const [n, cut] of cuts.entries()) {
    const count = cut.ranges.reduce((sum, [, from, to]) => sum + to - from, 0);
    expect({ k: cut.k, first: cut.first, count: cut.count }).toEqual({ k: n, first: candidates, count });
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(SIZE);
    for (const [partition, from, to] of cut.ranges) {
      expect(from).toBe(next.get(partition) ?? 0);
      expect(to).toBeGreaterThan(from);
      next.set(partition, to);
    }
    candidates += count;
  }
}

async function placesOf(run: TopicRun, cuts: readonly CutEntry[]): Promise<string[]> {
  const source = openTaskSource(run.context, run.open);
  const places: string[] = [];
  for (const cut of cuts) {
    for (const record of (await source.records(cut)) ?? []) {
      const { partition, offset } = decodeTopicRecord(record);
      places.push(`${partition}/${offset}`);
    }
  }
  await source.close();
  return places;
}

async function walk(
  log: Log,
  topic: MemoryTopic,
  script: readonly Step[],
  settings: string,
): Promise<{ run: TopicRun; cutting: Cutting; clock: TestClock }> {
  const run = await topicRun(log, topic, settings, SIZE);
  const clock = new TestClock();
  const cutting = await Cutting.open(run, clock);
  for (const step of script) {
    if (step.do === 'arrive')
      topic.append(
        step.partition,
        Array.from({ length: step.records }, () => 'x'),
        step.gap,
      );
    else if (step.do === 'pass') clock.advance(step.ms);
    else if (step.do === 'plan') await cutting.plan(step.ahead);
    else await cutting.takeOver();
  }
  return { run, cutting, clock };
}

describe(`cuts of a topic that is read by reference (seed ${SEED})`, () => {
  it('hold every record once and in order, for any arrivals, times and take-overs', async () => {
    await fc.assert(
      fc.asyncProperty(steps(3), async (script) => {
        await withQuickLog(async (log) => {
          const topic = new MemoryTopic('t', 3);
          const { run, cutting, clock } = await walk(log, topic, script, ', ingest: reference');
          await cutting.drain(clock);
          checkCuts(cutting.cuts);
          const places = await placesOf(run, cutting.cuts);
          expect([...places].sort()).toEqual(topic.places().sort());
          for (let p = 0; p < 3; p++) {
            const offsets = places.filter((place) => place.startsWith(`${p}/`)).map((place) => Number(place.slice(2)));
            expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
          }
          expect(cutting.planner.over(cutting.fold)).toBe(false);
        });
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('of a topic with an end are the same whenever they are asked for and whoever asks (law 1), and end there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(23), { minLength: 1, maxLength: 4 }), steps(4), async (sizes, script) => {
        await withQuickLog(async (log) => {
          const topic = new MemoryTopic('t', sizes.length);
          for (const [p, records] of sizes.entries())
            topic.append(
              p,
              Array.from({ length: records }, () => 'x'),
            );
          const places = topic.places();
          const timing = script.filter((step) => step.do !== 'arrive');
          const { run, cutting, clock } = await walk(log, topic, timing, ', ingest: reference, until: end');
          topic.append(0, ['too late']);
          await cutting.drain(clock);
          const plain = await Cutting.open(run, clock);
          await plain.plan(1_000);
          expect(cutting.cuts).toEqual(plain.cuts);
          expect((await placesOf(run, cutting.cuts)).sort()).toEqual(places.sort());
          expect(cutting.planner.over(cutting.fold)).toBe(true);
        });
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});

describe('a live topic', () => {
  const live = async <T>(use: (cutting: Cutting, topic: MemoryTopic, clock: TestClock) => Promise<T>): Promise<T> =>
    withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 2);
      const clock = new TestClock();
      return use(await Cutting.open(await topicRun(log, topic, ', ingest: reference', SIZE), clock), topic, clock);
    });

  it('gives a full task at once, and fewer records only once they have waited', async () => {
    await live(async (cutting, topic, clock) => {
      topic.append(0, ['a', 'b', 'c', 'd', 'e', 'f']);
      expect(await cutting.plan(9)).toBe(1);
      clock.advance(EVERY_MS - 1);
      expect(await cutting.plan(9)).toBe(0);
      clock.advance(1);
      expect(await cutting.plan(9)).toBe(1);
      expect(cutting.cuts.map(({ count }) => count)).toEqual([5, 1]);
    });
  });

  it('joins what its partitions have into one task', async () => {
    await live(async (cutting, topic, clock) => {
      topic.append(0, ['a']);
      topic.append(1, ['b', 'c']);
      await cutting.plan(9);
      clock.advance(EVERY_MS);
      await cutting.plan(9);
      expect(cutting.cuts.map(({ ranges }) => ranges)).toEqual([
        [
          [0, 0, 1],
          [1, 0, 2],
        ],
      ]);
    });
  });

  it('wakes whoever waits for the first record, for a full task, and for time; and nobody while only the limit holds', async () => {
    await live(async (cutting, topic, clock) => {
      const stop = new AbortController();
      await cutting.plan(9);
      const first = cutting.planner.wait(stop.signal);
      topic.append(0, ['a']);
      await first;
      await cutting.plan(9);
      const late = cutting.planner.wait(stop.signal);
      clock.advance(EVERY_MS);
      await late;
      await cutting.plan(0);
      let woken = false;
      const held = cutting.planner.wait(stop.signal).then(() => (woken = true));
      topic.append(
        0,
        Array.from({ length: 50 }, () => 'x'),
      );
      clock.advance(10 * EVERY_MS);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      expect(woken).toBe(false);
      // The same wait goes on for what the next answer leaves to wait for.
      await cutting.plan(20);
      expect(cutting.cuts.at(-1)?.ranges.at(-1)?.[2]).toBe(50);
      clock.advance(EVERY_MS);
      await held;
      stop.abort();
    });
  });

  it('lets whoever waits go when it is closed, as by an orchestrator that was fenced', async () => {
    await live(async (cutting) => {
      await cutting.plan(1);
      const waiting = cutting.planner.wait(new AbortController().signal);
      await cutting.planner.close();
      await waiting;
    });
  });

  it('stops at the budget, and says that nothing more will be cut', async () => {
    await withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 1);
      const run = await topicRun(log, topic, ', ingest: reference', SIZE);
      const { program } = await compileTopic(', ingest: reference', SIZE, 'budget: { candidates: 7 }\n');
      const cutting = await Cutting.open({ ...run, context: { ...run.context, program } }, new TestClock());
      topic.append(
        0,
        Array.from({ length: 30 }, () => 'x'),
      );
      await cutting.plan(9);
      expect(cutting.cuts.map(({ count }) => count)).toEqual([5, 2]);
      expect(cutting.planner.over(cutting.fold)).toBe(true);
    });
  });
});
