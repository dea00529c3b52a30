/**
 * Logs with small entries, and runs long enough for snapshots (P14): neither changes a record or the root (laws 1, 4), also when an owner dies around a snapshot; and who
 * changes a snapshot is found, by `verify` where deltas tell and by `replay` where only execution does.
 */
import { describe, expect, it } from 'vitest';
import { type Append, type Log, MizuError, offset, readRun, type RunSummary, verifyRun } from '#engine';
import type { CompiledFile } from '#topologies';
import { Committer } from '../../engine/runtime/committer.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../engine/runtime/snapshot.ts';
import { CRASH_KINDS, CrashingLog } from '../support/crashing-log.ts';
import { LimitedLog } from '../support/limited-log.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { COUNTED, STREAMED } from '../support/run-support-workflows.ts';
import { replayed } from '../support/verify-support.ts';

const run = (compiled: CompiledFile, log: Log): Promise<RunSummary> => runCompiled(compiled, { log, order: 1 });
const rootOf = ({ root, treeSize, accepted, duplicates }: RunSummary) => ({ root, treeSize, accepted, duplicates });

/** Frames of some 100 KB; an entry bundle of the tree takes 40 KB, and is one entry always. */
const LARGE = workflowFiles({
  ...COUNTED,
  budget: 300,
  accept: 40,
  taskSize: 60,
  generate: [
    ...COUNTED.generate.slice(0, 2),
    { op: 'template', id: 'body', params: { as: 'body', text: `{{word}} {{n}} ${'and so on '.repeat(400)}` }, flag: false },
  ],
  verify: COUNTED.verify.slice(3),
});

describe('a log that takes small entries only', () => {
  it('gives the records and the root of one that takes large ones, frames and leaves standing there in parts', async () => {
    await withWorkflow(LARGE, async (compiled) => {
      const whole = await withQuickLog(async (real) => {
        const log = new LimitedLog(real);
        const summary = await run(compiled, log);
        expect(log.parts).toBe(0);
        return summary;
      });
      await withQuickLog(async (real) => {
        const log = new LimitedLog(real, { entryBytes: 60_000 });
        expect(rootOf(await run(compiled, log))).toEqual(rootOf(whole));
        expect(log.parts).toBeGreaterThan(10);
        const deployed = await readRun(log, 'w');
        expect(await verifyRun(log, deployed)).toMatchObject({ ok: true, root: whole.root });
        expect(await replayed(log, deployed)).toMatchObject({ ok: true });
      });
    });
  });

  it('refuses a task that does not fit into a commit, saying what to try, before anything of it is written', async () => {
    await withWorkflow(LARGE, (compiled) =>
      withQuickLog(async (real) => {
        const log = new LimitedLog(real, { entryBytes: 60_000, commitBytes: 100_000 });
        const error: unknown = await run(compiled, log).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(MizuError);
        expect(error).toMatchObject({
          code: 'LOG_LIMIT',
          hint: expect.stringContaining('smaller tasks'),
          message: expect.stringContaining('nothing was written'),
        });
        expect(await real.end('w.1.frames-1', 0)).toBe(0);
      }),
    );
  });
});

/** 600 steps: two snapshots of each keyed partition. */
const LONG = workflowFiles({ ...COUNTED, accept: 1_200, budget: 1_200, taskSize: 2, partitions: 1 });
const LONG_STREAMED = workflowFiles({
  ...STREAMED,
  partitions: 1,
  taskSize: 1,
  source: Array.from({ length: 8 }, () => STREAMED.source ?? []).flat(),
});

const isSnapshot = (appends: readonly Append[]): boolean => appends.some(({ topic }) => topic.includes('.snapshots-'));

describe('a run with snapshots', () => {
  it.each(CRASH_KINDS)('goes on to the same root when an owner dies at a snapshot (%s)', async (kind) => {
    await withWorkflow(LONG_STREAMED, async (compiled) => {
      const whole = await withQuickLog((log) => run(compiled, log));
      await withQuickLog(async (log) => {
        const crashing = new CrashingLog(log, isSnapshot, kind);
        await expect(run(compiled, crashing)).rejects.toThrow();
        expect(crashing.crashed).toBe(true);
        expect(rootOf(await run(compiled, log))).toEqual(rootOf(whole));
        const { problems } = await verifyRun(log, await readRun(log, 'w'));
        expect(problems.filter(({ where }) => !where.startsWith('w.1.checkpoints'))).toEqual([]);
      });
    });
  });

  it('shows who changed the deltas or the state of a snapshot and made its digest fit', async () => {
    await withWorkflow(LONG, (compiled) =>
      withQuickLog(async (real) => {
        await run(compiled, real);
        const log = new LimitedLog(real);
        const deployed = await readRun(log, 'w');
        const clean = await verifyRun(log, deployed);
        expect(clean).toMatchObject({ ok: true });
        expect(await replayed(log, deployed)).toMatchObject({ ok: true });
        const changed = (topic: string, change: (snapshot: Snapshot) => Snapshot): void => {
          log.shown = (name, entry) => (name === topic ? { ...entry, value: encodeSnapshot(change(decodeSnapshot(entry.value))) } : entry);
        };
        changed('w.1.snapshots-1', (snapshot) => ({
          ...snapshot,
          ops: snapshot.ops.map((op) => ('deltas' in op.content ? { ...op, content: { deltas: op.content.deltas.toReversed() } } : op)),
        }));
        expect((await verifyRun(log, deployed)).problems[0]).toMatchObject({
          where: 'w.1.snapshots-1, partition 0, offset 0',
          message: expect.stringContaining('are not those of the run'),
        });
        changed('w.1.snapshots-1', (snapshot) => ({ ...snapshot, ops: snapshot.ops.map((op) => ({ ...op, after: op.before })) }));
        expect((await verifyRun(log, deployed)).problems[0]?.message).toContain('ends with another state');
        changed('w.1.snapshots-2', (snapshot) => ({
          ...snapshot,
          ops: snapshot.ops.map((op) =>
            'whole' in op.content ? { ...op, content: { whole: Uint8Array.from([...op.content.whole.slice(0, -1), 2]) } } : op,
          ),
        }));
        const { ok, mismatch } = await replayed(log, deployed);
        expect(ok).toBe(false);
        expect(mismatch?.message).toContain('w.1.snapshots-2, partition 0');
      }),
    );
  });

  it('does not go on from deltas that do not follow its snapshot', async () => {
    await withWorkflow(LONG_STREAMED, (compiled) =>
      withQuickLog(async (log) => {
        const crashing = new CrashingLog(log, (appends) => isSnapshot(appends), 'after');
        await expect(run(compiled, crashing)).rejects.toThrow();
        const { entries } = await log.read('w.1.snapshots-1', 0, offset(0));
        const value = entries[0]?.value;
        if (value === undefined) return expect(value).toBeDefined();
        const snapshot = decodeSnapshot(value);
        // Consistent in itself, but one step short of the one that stands on the log.
        const short = {
          ...snapshot,
          next: snapshot.next - 1,
          ops: snapshot.ops.map((op) => ('deltas' in op.content ? { ...op, content: { deltas: op.content.deltas.slice(0, -1) } } : op)),
        };
        const committer = await Committer.open(log, 'w/1/step/1/0');
        await committer.commit([{ topic: 'w.1.snapshots-1', partition: 0, key: Buffer.from('1'), value: encodeSnapshot(short) }]);
        await committer.close();
        await expect(run(compiled, log)).rejects.toMatchObject({
          code: 'LOG_CORRUPT',
          message: expect.stringContaining('w.1.snapshots-1, partition 0'),
        });
      }),
    );
  });
});
