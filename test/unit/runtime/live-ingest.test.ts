/** A topic that is copied to the run's own log is there once and in order, whenever its copier ends and another goes on (P13, law 4). */
import fc from 'fast-check';
import { lastValueFrom, take } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { ControlTail } from '../../../engine/runtime/control-tail.ts';
import type { CutEntry } from '../../../engine/dispatch/control-entry.ts';
import { openCutPlanner } from '../../../engine/runtime/cut-planner.ts';
import { LiveIngest } from '../../../engine/runtime/live-ingest.ts';
import { openTaskSource } from '../../../engine/runtime/task-source.ts';
import { decodeTopicRecord, type Log } from '#engine';
import { CRASH_KINDS, CrashingLog } from '../../support/crashing-log.ts';
import { commitVisibly, readAll, rejection } from '../../support/log-tools.ts';
import { MemoryTopic } from '../../support/memory-topic.ts';
import { withQuickLog } from '../../support/run-support.ts';
import { TestClock, type TopicRun, topicRun } from '../../support/topic-roles.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const SIZE = 50;
const some = (records: number, value = 'x'): string[] => Array.from({ length: records }, () => value);

async function openIngest({ context, open }: TopicRun, log: Log = context.log): Promise<LiveIngest> {
  const ingest = await LiveIngest.open({ ...context, log }, new ControlTail(log, context.topics.control), open);
  if (ingest === undefined) throw new Error('the program copies a topic');
  return ingest;
}

/** Takes so many commits; fewer only if the copy is complete. */
const commits = (ingest: LiveIngest, count: number): Promise<unknown> =>
  lastValueFrom(ingest.run().pipe(take(count)), { defaultValue: undefined });

async function cutAll({ context }: TopicRun): Promise<{ cuts: readonly CutEntry[]; over: boolean }> {
  const control = new ControlTail(context.log, context.topics.control);
  const clock = new TestClock();
  const cuts: CutEntry[] = [];
  let over = false;
  for (let idle = 0; idle < 3; ) {
    // Each few cuts are another process's, that knows control alone.
    const planner = await openCutPlanner(context, { clock });
    const before = cuts.length;
    for (let turn = 0; turn < 2; turn++) {
      const due = await planner.due(control.fold, control.fold.nextCut + 3);
      for (const cut of due) control.fold.apply(cut);
      cuts.push(...due);
      clock.advance(1_000);
    }
    idle = cuts.length === before ? idle + 1 : 0;
    over = planner.over(control.fold);
    await planner.close();
  }
  return { cuts, over };
}

async function placesOf({ context }: TopicRun, cuts: readonly CutEntry[]): Promise<string[]> {
  const source = openTaskSource(context);
  const places: string[] = [];
  for (const cut of cuts) {
    const records = (await source.records(cut)) ?? [];
    expect(records.length).toBe(cut.count);
    for (const record of records) {
      const { partition, offset } = decodeTopicRecord(record);
      places.push(`${partition}/${offset}`);
    }
  }
  await source.close();
  return places;
}

function expectOnceInOrder(places: readonly string[], topic: MemoryTopic): void {
  expect([...places].sort()).toEqual(topic.places().sort());
  for (let p = 0; p < topic.partitions; p++) {
    const offsets = places.filter((place) => place.startsWith(`${p}/`)).map((place) => Number(place.slice(2)));
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  }
}

describe(`the copy of a topic (seed ${SEED})`, () => {
  it('holds every record once and in order, through crashes at any commit and writers that were taken over', async () => {
    const lives = fc.array(
      fc.record({
        arrive: fc.array(fc.record({ partition: fc.nat(2), records: fc.nat(400), gap: fc.nat(3) }), { maxLength: 3 }),
        perRead: fc.integer({ min: 1, max: 200 }),
        crash: fc.option(fc.constantFrom(...CRASH_KINDS)),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(lives, async (script) => {
        await withQuickLog(async (log) => {
          const topic = new MemoryTopic('t', 3);
          topic.append(0, ['first']);
          const run = await topicRun(log, topic, '', SIZE);
          for (const { arrive, perRead, crash } of script) {
            for (const { partition, records, gap } of arrive) topic.append(partition, some(records), gap);
            topic.recordsPerRead = perRead;
            // Without something new it would wait; one record more is always something.
            topic.append(0, some(1));
            const crashing = new CrashingLog(log, crash === null ? Number.POSITIVE_INFINITY : 1, crash ?? 'before');
            const ingest = await openIngest(run, crashing);
            await commits(ingest, 1).catch((error: unknown) => expect(crashing.crashed, String(error)).toBe(true));
            // The one before is not closed: whoever opens next ends it.
          }
          topic.recordsPerRead = Number.POSITIVE_INFINITY;
          topic.append(1, ['last']);
          const last = await openIngest(run);
          await commits(last, 1);
          await last.close();
          const { cuts, over } = await cutAll(run);
          expect(over).toBe(false);
          expectOnceInOrder(await placesOf(run, cuts), topic);
        });
      }),
      { seed: SEED, numRuns: 40 },
    );
  });

  it('of a topic with an end is byte for byte the same, whatever reads bring, and ends where the topic did (law 1)', async () => {
    const copied = async (perRead: number): Promise<readonly string[]> =>
      withQuickLog(async (log) => {
        const topic = new MemoryTopic('t', 3);
        topic.append(0, some(2_500));
        topic.append(1, some(1_200), 7);
        topic.skip(2, 4);
        topic.recordsPerRead = perRead;
        const run = await topicRun(log, topic, ', until: end', SIZE);
        const expected = topic.places();
        topic.append(1, ['too late']);
        const ingest = await openIngest(run);
        await commits(ingest, 1_000);
        await ingest.close();
        const again = await openIngest(run);
        await commits(again, 1_000);
        await again.close();
        const { cuts, over } = await cutAll(run);
        expect(over).toBe(true);
        const places = await placesOf(run, cuts);
        expect([...places].sort()).toEqual(expected.sort());
        return places;
      });
    const [whole, small] = [await copied(Number.POSITIVE_INFINITY), await copied(17)];
    expect(small).toEqual(whole);
  });

  it('of an empty topic with an end is complete at once, and gives no task', async () => {
    await withQuickLog(async (log) => {
      const run = await topicRun(log, new MemoryTopic('t', 2), ', until: end', SIZE);
      const ingest = await openIngest(run);
      await commits(ingest, 10);
      await ingest.close();
      expect(await cutAll(run)).toEqual({ cuts: [], over: true });
    });
  });

  it('ends a copier before: what that one still wants to commit is refused', async () => {
    await withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 1);
      const run = await topicRun(log, topic, '', SIZE);
      topic.append(0, some(10));
      const [first, second] = [await openIngest(run), await openIngest(run)];
      expect(await rejection(commits(first, 1))).toMatchObject({ code: 'LOG_FENCED' });
      await commits(second, 1);
      expectOnceInOrder(await placesOf(run, (await cutAll(run)).cuts), topic);
    });
  });

  it('does not run ahead of the cuts without limit', async () => {
    await withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 1);
      const run = await topicRun(log, topic, '', SIZE);
      for (let n = 0; n < 120; n++) topic.append(0, [new Uint8Array(100 * 1024)]);
      const control = new ControlTail(log, run.context.topics.control);
      const stop = new AbortController();
      const { context } = run;
      const limit = { records: 1_000_000, bytes: 4 * 1024 * 1024 };
      const ingest = await LiveIngest.open({ ...context, signal: stop.signal }, control, run.open, limit);
      if (ingest === undefined) throw new Error('the program copies a topic');
      let ended = false;
      const running = lastValueFrom(ingest.run(), { defaultValue: undefined }).then(() => (ended = true));
      const count = async (): Promise<number> =>
        (await readAll(log, context.topics.source, 0)).reduce((sum, entry) => sum + Number(entry.headers['count']), 0);
      // 4 MiB, and the read of 2 MiB that passed them.
      await vi.waitUntil(async () => (await count()) >= 41, { timeout: 5_000 });
      // Commits of one handle take turns, so a copier that went on would have committed as often as this.
      await log.createTopic({ name: 'beside', partitions: 1, cleanup: 'keep' });
      const beside = await log.openWriter('beside');
      for (let turn = 0; turn < 8; turn++) {
        await commitVisibly(beside, [{ topic: 'beside', partition: 0, value: new Uint8Array(100 * 1024) }]);
        for (let other = 0; other < 20; other++) await new Promise(setImmediate);
      }
      expect(await count()).toBeLessThanOrEqual(64);
      expect(ended).toBe(false);
      stop.abort();
      await running;
      await ingest.close();
    });
  });

  it('keeps tasks of large records small', async () => {
    await withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 1);
      const run = await topicRun(log, topic, ', until: end', SIZE);
      const { context } = run;
      for (let n = 0; n < 12; n++) topic.append(0, [new Uint8Array(3 * 1024 * 1024)]);
      const source = { topic: 't', partitions: [{ from: 0, to: 12 }] };
      const bounded = { ...run, context: { ...context, source } };
      const ingest = await openIngest(bounded);
      await commits(ingest, 100);
      await ingest.close();
      const { cuts } = await cutAll(bounded);
      expect(cuts.map(({ count }) => count)).toEqual([5, 5, 2]);
      expectOnceInOrder(await placesOf(bounded, cuts), topic);
    });
  });
});

describe('records of tasks', () => {
  it('that the run does not hold any more are named by topic, partition and range', async () => {
    await withQuickLog(async (log) => {
      const topic = new MemoryTopic('raw', 1);
      topic.append(0, some(20));
      const run = await topicRun(log, topic, ', ingest: reference', SIZE);
      topic.forget(0, 8);
      const source = openTaskSource(run.context, run.open);
      const cut: CutEntry = { type: 'cut', k: 0, branch: 0, first: 0, count: 10, ranges: [[0, 5, 15]] };
      expect(await rejection(source.records(cut))).toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        message: expect.stringMatching(/unavailable: topic 'raw', partition 0, .*5/),
      });
    });
  });

  it('are fewer than the cut allots where offsets have gaps, and nothing but them are candidates', async () => {
    await withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 1);
      topic.append(0, some(3));
      topic.append(0, some(2), 4);
      const run = await topicRun(log, topic, ', ingest: reference', SIZE);
      const source = openTaskSource(run.context, run.open);
      const cut: CutEntry = { type: 'cut', k: 0, branch: 0, first: 0, count: 9, ranges: [[0, 0, 9]] };
      expect((await source.records(cut))?.map((record) => decodeTopicRecord(record).offset)).toEqual([0, 1, 2, 7, 8]);
    });
  });
});
