/** A finished run of which a retention took the first part: what is left is verified, replayed and exported, and what is not is named, never passed over in silence. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type DeployedRun, type LogEntry, publishedRecords, RunTopics, utf8, verifyRun } from '#engine';
import { exportRun, openSigner } from '#topologies';
import { SNAPSHOT_STEPS } from '../../engine/runtime/snapshot-writer.ts';
import { LimitedLog } from '../support/limited-log.ts';
import { readAll, rejection } from '../support/log-tools.ts';
import { firstWhole, type Forgetting, type Forgotten, forgettingPlaces, offsetOfTask } from '../support/retention.ts';
import { flipped } from '../support/tamper.ts';
import { type MadeRun, makeRunOf, replayed, withRun } from '../support/verify-support.ts';

/** More steps than two snapshots are apart, in tasks of two candidates. */
const TASKS = 300;
const CUT = 100;
const WORKFLOW = `mizu: 1
name: w
seed: 7
partitions: 2
task: { size: 2 }
budget: { candidates: ${2 * TASKS} }
generate:
  - random: { as: n, integer: [0, 99] }
  - random: { as: m, integer: [0, 9] }
verify:
  - expression: { keep: '12 / m > 1' }
  - dedup: { by: [n, m] }
`;
const LIMIT_MS = 240_000;

const topics = new RunTopics({ name: 'w', generation: 1 });
let made: MadeRun;
/** The first task before which both partitions have a snapshot. */
let snapshot = 0;
beforeAll(async () => {
  made = await makeRunOf({ 'workflow.yaml': WORKFLOW });
  await withRun(made, async (log) => {
    for (const partition of [0, 1])
      snapshot = Math.max(snapshot, Number((await readAll(log, topics.snapshots(1), partition))[0]?.headers['next']));
  });
  expect(snapshot).toBeLessThan(TASKS - 20);
}, LIMIT_MS);

/** The run on a log that has forgotten, of the places that are named, all entries before the first one of task k. */
async function withForgotten<T>(
  k: number,
  use: (log: LimitedLog, run: DeployedRun, gone: readonly Forgotten[]) => Promise<T>,
  which: (place: Forgetting) => boolean = () => true,
): Promise<T> {
  return withRun(made, async (real, run) => {
    const log = new LimitedLog(real);
    const gone: Forgotten[] = [];
    for (const place of forgettingPlaces(run).filter(which)) gone.push({ ...place, before: await offsetOfTask(real, place, k) });
    for (const { topic, partition, before } of gone) log.forget(topic, partition, before);
    return use(log, run, gone);
  });
}

describe('verify', () => {
  test('checks everything from the first task on that is still whole, and the tree from its begin', { timeout: LIMIT_MS }, async () => {
    await withForgotten(CUT, async (log, run, gone) => {
      const report = await verifyRun(log, run);
      expect(report.problems).toEqual([]);
      const from = await withRun(made, (real) => firstWhole(real, run, gone));
      expect(from).toBeGreaterThanOrEqual(CUT);
      expect(report).toMatchObject({
        ok: true,
        closed: true,
        tasks: TASKS,
        range: { from, to: TASKS - 1 },
        treeSize: made.summary.treeSize,
      });
      expect(report.forgotten).toEqual(expect.arrayContaining([topics.frames(1), topics.state(1), topics.verified]));
      // The summary is of the whole run, and was compared with its leaves.
      const counts = Object.fromEntries(report.checks.map(({ name, count }) => [name, count]));
      expect(counts).toMatchObject({ accounted: made.summary.candidates, published: made.summary.accepted });
    });
  });
});

const isOf =
  (...names: readonly string[]) =>
  ({ topic }: Forgetting): boolean =>
    names.some((name) => topic.startsWith(`w.1.${name}`));
/** Shows one entry with another byte in it. */
function change(log: LimitedLog, topic: string, at: number): void {
  log.shown = (name, entry): LogEntry => {
    if (name !== topic || entry.offset !== at) return entry;
    return { ...entry, value: flipped(entry.value, entry.value.length - 3) };
  };
}

describe('verify, on', () => {
  test('a log that forgot what few tasks have looks at all tasks that had none of it', { timeout: LIMIT_MS }, async () => {
    // Tasks with a failed record, and one of them that comes a while after the one before.
    const failing = await withRun(made, async (log, run) => {
      const all: number[] = [];
      for (const { partition, taskOf } of forgettingPlaces(run).filter(isOf('failed')))
        all.push(...(await readAll(log, topics.failed, partition)).map(taskOf));
      return all.sort((a, b) => a - b);
    });
    const n = failing.findIndex((k, at) => k - (failing[at - 1] ?? k) > 3);
    const [before = -1, after = -1] = [failing[n - 1], failing[n]];
    expect(before).toBeGreaterThan(0);
    await withForgotten(
      after,
      async (log, run) => {
        const report = await verifyRun(log, run);
        expect(report).toMatchObject({ ok: true, problems: [], range: { from: before + 1, to: TASKS - 1 }, forgotten: [topics.failed] });
      },
      isOf('failed'),
    );
  });

  test('a log that forgot everything says that it looked at no task', { timeout: LIMIT_MS }, async () => {
    await withForgotten(TASKS, async (log, run) => {
      const report = await verifyRun(log, run);
      expect(report).toMatchObject({ ok: true, problems: [], range: undefined, tasks: TASKS });
      expect(report.forgotten).toContain(topics.verified);
    });
  });

  test.each([
    ['a record that is left', topics.verified],
    ['a delta that is left', topics.state(1)],
    ['a frame that is left', topics.frames(1)],
  ])('a log with %s, changed, finds it', { timeout: LIMIT_MS }, async (_what, topic) => {
    await withForgotten(CUT, async (log, run) => {
      change(log, topic, (await log.end(topic, 0)) - 1);
      const { ok, problems } = await verifyRun(log, run);
      expect([ok, problems.length]).not.toEqual([true, 0]);
    });
  });

  test('a log with a changed leaf of a task that it forgot finds it', { timeout: LIMIT_MS }, async () => {
    await withForgotten(CUT, async (log, run) => {
      change(log, topics.proofs, 0);
      expect((await verifyRun(log, run)).ok).toBe(false);
    });
  });

  test('a log that never had what is missing calls it missing, not forgotten', { timeout: LIMIT_MS }, async () => {
    await withForgotten(CUT, async (log, run) => {
      const { ok, problems } = await verifyRun(log, run);
      expect([ok, problems]).toEqual([true, []]);
      // The last one stands there under the name of another.
      const lost = (await log.end(topics.verified, 0)) - 1;
      log.shown = (topic, entry) => (topic === topics.verified && entry.offset === lost ? { ...entry, key: utf8('w/1/0.0') } : entry);
      expect((await verifyRun(log, run)).ok).toBe(false);
    });
  });
});

describe('replay', () => {
  test('begins where its keyed state can be made, and says so', { timeout: LIMIT_MS }, async () => {
    await withForgotten(CUT, async (log, run) => {
      const report = await replayed(log, run);
      expect(report).toMatchObject({
        ok: true,
        closed: true,
        range: { from: snapshot, to: TASKS - 1 },
        tasks: TASKS - snapshot,
        unpublished: 0,
      });
      expect(report.forgotten).toEqual([topics.state(1)]);
      expect(await replayed(log, run, { tasks: { from: 280, to: 285 } })).toMatchObject({
        ok: true,
        tasks: 6,
        range: { from: 280, to: 285 },
      });
    });
  });

  test('of tasks whose inputs are gone is refused, with the first one that can be replayed', { timeout: LIMIT_MS }, async () => {
    await withForgotten(CUT, async (log, run) => {
      for (const tasks of [
        { from: 0, to: TASKS - 1 },
        { from: snapshot - 1, to: snapshot + 1 },
      ]) {
        expect(await rejection(replayed(log, run, { tasks }))).toMatchObject({
          code: 'SOURCE_UNAVAILABLE',
          message: expect.stringContaining(`the log forgot what they are executed from (${topics.state(1)})`),
          hint: `From task ${snapshot} on everything is there: --tasks ${snapshot}..${TASKS - 1}.`,
        });
      }
    });
    await withForgotten(
      snapshot + 1,
      async (log, run) => {
        expect(await rejection(replayed(log, run))).toMatchObject({
          code: 'SOURCE_UNAVAILABLE',
          hint: expect.stringContaining(`Of no task up to ${TASKS - 1} everything is there`),
        });
      },
      isOf('state'),
    );
  });

  test('of tasks whose published records are gone compares their leaves, and says that', { timeout: LIMIT_MS }, async () => {
    await withForgotten(
      290,
      async (log, run) => {
        const report = await replayed(log, run, { tasks: { from: 270, to: TASKS - 1 } });
        expect(report).toMatchObject({ ok: true, tasks: TASKS - 270 });
        expect(report.unpublished).toBeGreaterThan(0);
        expect(report.unpublished).toBeLessThanOrEqual(20);
      },
      isOf('verified', 'rejected', 'failed', 'duplicates'),
    );
  });

  test('of a late range reads the newest snapshot before it, the deltas after that, and the leaves after a head', {
    timeout: LIMIT_MS,
  }, async () => {
    await withForgotten(0, async (log, run) => {
      expect(await replayed(log, run, { tasks: { from: snapshot + 2, to: snapshot + 3 } })).toMatchObject({ ok: true, tasks: 2 });
      // Of leaves, one of a task and two of its steps; a head is signed after 64 tasks.
      expect(log.reads.get(topics.proofs) ?? 0).toBeLessThan(3 * (TASKS - 3 * 64));
      expect(log.reads.get(topics.state(1)) ?? 0).toBeLessThanOrEqual(2 * (TASKS - SNAPSHOT_STEPS + 1));
    });
  });

  test('that starts from a changed snapshot says so', { timeout: LIMIT_MS }, async () => {
    await withForgotten(0, async (log, run) => {
      change(log, topics.snapshots(1), 0);
      expect(await rejection(replayed(log, run, { tasks: { from: snapshot + 2, to: snapshot + 3 } }))).toMatchObject({
        code: 'LOG_CORRUPT',
        message: expect.stringContaining(`${topics.snapshots(1)}, partition`),
      });
    });
  });
});

test('export gives what is left, and its card and provenance name the tasks', { timeout: LIMIT_MS }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mizu-left-'));
  try {
    await withForgotten(CUT, async (log, run, gone) => {
      const from = await withRun(made, (real) => firstWhole(real, run, gone.filter(isOf('verified'))));
      const signal = new AbortController().signal;
      const exported = await exportRun({ log, run, formats: ['jsonl'], dir, signer: openSigner(log), signal });
      const ids: string[] = [];
      for await (const { id, k } of publishedRecords(log, run)) if (k >= from) ids.push(id);
      expect(exported).toMatchObject({ records: ids.length, firstId: ids[0], extent: { range: { from, to: TASKS - 1 }, whole: false } });
      const card = readFileSync(join(dir, 'README.md'), 'utf8');
      expect(card).toContain(`These are the records of tasks ${from}..${TASKS - 1} of the run; its log has forgotten those before.`);
      expect(card).toContain(`mizu replay w/1 --tasks ${from}..${TASKS - 1}`);
      const [envelope = '{}'] = readFileSync(join(dir, 'provenance.intoto.jsonl'), 'utf8').split('\n');
      const { payload } = JSON.parse(envelope) as { payload: string };
      const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as {
        predicate: { buildDefinition: { externalParameters: object } };
      };
      expect(predicate.buildDefinition.externalParameters).toMatchObject({ tasks: [from, TASKS - 1] });
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
