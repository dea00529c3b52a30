/**
 * Checkpointers over control and proofs that a test wrote: whoever takes over at whichever commit signs and writes what one that was never disturbed does (laws 1, 4),
 * reads what is new and not the run's past (P14), and trusts nothing that does not make the signed root.
 */
import { lastValueFrom, takeWhile } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Append, Log, LogEntry, Signer } from '#engine';
import { offset, RunTopics } from '#engine';
import { openLocalStorage } from '#connectors/embedded';
import { openSigner, registry } from '#topologies';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { encodeSigned } from '../../../engine/dispatch/signed-entry.ts';
import { toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { Checkpointer, type CheckpointLimits } from '../../../engine/runtime/checkpointer.ts';
import { Committer } from '../../../engine/runtime/committer.ts';
import { ControlTail } from '../../../engine/runtime/control-tail.ts';
import { encodeLeaves } from '../../../engine/runtime/leaf-batch.ts';
import type { RunContext } from '../../../engine/runtime/run-context.ts';
import type { TreeHead } from '../../../engine/runtime/summary.ts';
import { PROOF_PARTITIONS } from '../../../engine/runtime/topics.ts';
import { CrashingLog } from '../../support/crashing-log.ts';
import { LimitedLog } from '../../support/limited-log.ts';
import { readAll, text } from '../../support/log-tools.ts';
import { withQuickLog } from '../../support/run-support.ts';
import { compileTopic } from '../../support/topic-roles.ts';

const TITLE = 'w/1';
const TOPICS = new RunTopics({ name: 'w', generation: 1 });
const QUIET: CheckpointLimits = { tasks: 16, ticks: Number.MAX_SAFE_INTEGER };
/** Leaves of one task or step. */
const LEAVES = 7;
const FAR = 200;

let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort());

interface Bench {
  readonly log: Log;
  readonly signer: Signer;
  readonly context: (log?: Log) => Promise<RunContext>;
  readonly write: (bodies: readonly ControlBody[]) => Promise<void>;
  readonly prove: (from: number, to: number) => Promise<void>;
}

async function withBench<T>(use: (bench: Bench) => Promise<T>): Promise<T> {
  return withQuickLog(async (log, folder) => {
    const { program, deployment } = await compileTopic('', 10);
    for (const spec of TOPICS.specs(program)) await log.createTopic(spec);
    const signer = openSigner(log);
    const local = openLocalStorage(`${folder}/local`);
    const orchestrator = await Committer.open(log, `${TITLE}/orchestrator`);
    const node = await Committer.open(log, `${TITLE}/node/0`);
    const context = async (on: Log = log): Promise<RunContext> => ({
      ...{
        log: on,
        run: { name: 'w', generation: 1 },
        title: TITLE,
        topics: TOPICS,
        program,
        deployment,
        data: [],
        registry,
        local,
        signer,
      },
      digest: toHex(new Uint8Array(32)) as RunContext['digest'],
      signal: stop.signal,
    });
    const groups = program.stages.flatMap(({ kind, index, partitions }) =>
      kind === 'source' ? ['0/-1'] : Array.from({ length: partitions }, (_, partition) => `${index}/${partition}`),
    );
    const bench: Bench = {
      log,
      signer,
      context,
      write: async (bodies) => {
        const values = bodies.map((body) => encodeSigned('mizu-control-v1', TITLE, body, signer));
        await orchestrator.commit(values.map((value) => ({ topic: TOPICS.control, partition: 0, value })));
      },
      // Neither tasks nor steps of a task come in order, and an attempt that does not count stands between them.
      prove: async (from, to) => {
        const appends: Append[] = [];
        for (let k = from; k < to; k++) {
          for (const name of [...groups.map((group) => `${group}/${k}/0`), `0/-1/${k}/1`]) {
            const leaves = Array.from({ length: LEAVES }, (_, n) => utf8(`leaf ${n} of ${name}`));
            appends.push({ topic: TOPICS.proofs, partition: k % PROOF_PARTITIONS, key: utf8(name), value: encodeLeaves(leaves) });
          }
        }
        for (let n = 0; n + 1 < appends.length; n += 3) appends.splice(n, 2, appends[n + 1] as Append, appends[n] as Append);
        await node.commit(appends);
      },
    };
    try {
      return await use(bench);
    } finally {
      await orchestrator.close();
      await node.close();
      await local.close();
    }
  });
}

const open = ({ signer }: Bench): ControlBody => ({ type: 'open', owner: 'x:1', key: toHex(signer.publicKey) });
const accept = (k: number): ControlBody => ({ type: 'accept', k, attempt: 0, node: 0, result: 'c'.repeat(64) });
/** Pairs of tasks change places. */
const accepts = (from: number, to: number): ControlBody[] => Array.from({ length: to - from }, (_, n) => accept(from + (n ^ 1)));
const finish = (last: number): ControlBody => ({ type: 'finish', last, reason: 'drained' });

async function wholeRun(bench: Bench, tasks: number): Promise<void> {
  await bench.write([open(bench), ...accepts(0, tasks)]);
  await bench.prove(0, tasks);
  await bench.write([finish(tasks - 1)]);
}

async function tailOf(log: Log): Promise<ControlTail> {
  const tail = new ControlTail(log, TOPICS.control);
  await tail.catchUp();
  return tail;
}

/** One checkpointer to the end of the run. */
async function checkpointed(context: RunContext, limits = QUIET): Promise<TreeHead> {
  const checkpointer = await Checkpointer.open(context, await tailOf(context.log), limits);
  try {
    await lastValueFrom(checkpointer.run(), { defaultValue: undefined });
    return await checkpointer.seal();
  } finally {
    await checkpointer.close();
  }
}

/** What stands on the log, but for where things stand there. */
async function written(log: Log): Promise<unknown> {
  const plain = ({ key, value, headers: { place, ...headers } }: LogEntry) => [text(key), Buffer.from(value).toString('base64'), headers];
  return { tiles: (await readAll(log, TOPICS.tiles, 0)).map(plain), heads: (await readAll(log, TOPICS.checkpoints, 0)).map(plain) };
}

const undisturbed = (tasks: number) =>
  withBench(async (bench) => {
    await wholeRun(bench, tasks);
    return { head: await checkpointed(await bench.context()), log: await written(bench.log) };
  });

describe('a checkpointer that takes over', () => {
  it.each(['before', 'after'] as const)(
    'at every head signs and writes what an undisturbed one does (death %s the commit)',
    async (kind) => {
      const whole = await undisturbed(FAR);
      await withBench(async (bench) => {
        await wholeRun(bench, FAR);
        let deaths = 0;
        for (let nth = kind === 'before' ? 2 : 1; ; ) {
          const crashing = new CrashingLog(bench.log, nth, kind);
          const end = await checkpointed(await bench.context(crashing)).catch((error: unknown) => {
            if (!crashing.crashed) throw error;
          });
          if (end !== undefined) {
            expect(end).toEqual({ ...whole.head, verifierKey: end.verifierKey });
            break;
          }
          deaths++;
        }
        expect(deaths).toBeGreaterThan(FAR / QUIET.tasks - 2);
        const signed = (await readAll(bench.log, TOPICS.checkpoints, 0)).map(({ value }) => text(value).split('\n').slice(0, 3));
        expect(signed.map(([, size]) => Number(size))).toEqual([...new Set(signed.map(([, size]) => Number(size)))]);
        const log = await written(bench.log);
        expect(unsigned(log)).toEqual(unsigned(whole.log));
      });
    },
  );

  it('reads what is new, however much there is of what is not', async () => {
    await withBench(async (bench) => {
      await bench.write([open(bench), ...accepts(0, 2_000)]);
      await bench.prove(0, 2_000);
      await upTo(bench, 2_000);
      await bench.write(accepts(2_000, 2_016));
      await bench.prove(2_000, 2_016);
      await bench.write([finish(2_015)]);
      const log = new LimitedLog(bench.log);
      const tail = await tailOf(bench.log);
      const checkpointer = await Checkpointer.open(await bench.context(log), tail, QUIET);
      expect(checkpointer.tasks).toBe(2_000);
      await lastValueFrom(checkpointer.run(), { defaultValue: undefined });
      const { root } = await checkpointer.seal();
      await checkpointer.close();
      expect(log.reads.get(TOPICS.control) ?? 0).toBeLessThan(50);
      expect(log.reads.get(TOPICS.proofs) ?? 0).toBeLessThan(200);
      expect(log.reads.get(TOPICS.tiles) ?? 0).toBeLessThan(100);
      expect(root).toBe((await undisturbed(2_016)).head.root);
    });
  });

  it.each([
    ['the header of the head', TOPICS.checkpoints, (entry: LogEntry) => ({ ...entry, headers: { ...entry.headers, place: '{}' } })],
    [
      'a signed place that says something else',
      TOPICS.checkpoints,
      (entry: LogEntry) => ({
        ...entry,
        headers: { ...entry.headers, place: (entry.headers['place'] ?? '').replace('"tasks":', '"tasks":1') },
      }),
    ],
    ['the tiles', TOPICS.tiles, (entry: LogEntry) => ({ ...entry, value: entry.value.map((byte) => byte ^ 1) })],
    ['the paths of the tiles', TOPICS.tiles, (entry: LogEntry) => ({ ...entry, key: utf8('tile/0/000') })],
  ])('does not trust %s when it was changed, and makes the tree from its leaves', async (_, topic, change) => {
    await withBench(async (bench) => {
      await bench.write([open(bench), ...accepts(0, 100)]);
      await bench.prove(0, 100);
      await upTo(bench, 96);
      await bench.write([finish(99)]);
      const log = new LimitedLog(bench.log);
      log.shown = (name, entry) => (name === topic ? change(entry) : entry);
      const checkpointer = await Checkpointer.open(await bench.context(log), await tailOf(bench.log), QUIET);
      expect(checkpointer.tasks).toBe(0);
      await lastValueFrom(checkpointer.run(), { defaultValue: undefined });
      const { root } = await checkpointer.seal();
      await checkpointer.close();
      expect(root).toBe((await undisturbed(100)).head.root);
      expect((await readAll(bench.log, TOPICS.checkpoints, 0)).map(({ headers }) => headers['tasks'])).toEqual([
        '16',
        '32',
        '48',
        '64',
        '80',
        '96',
        '100',
      ]);
    });
  });

  it('signs nothing when the leaves do not make the head that was signed', async () => {
    await withBench(async (bench) => {
      await bench.write([open(bench), ...accepts(0, 32)]);
      await bench.prove(0, 32);
      await upTo(bench, 32);
      await bench.write([finish(31)]);
      const log = new LimitedLog(bench.log);
      log.shown = (name, entry) => {
        if (name === TOPICS.tiles) return { ...entry, value: new Uint8Array(0) };
        return name === TOPICS.proofs && text(entry.key) === '0/-1/5/0' ? { ...entry, value: encodeLeaves([utf8('other')]) } : entry;
      };
      await expect(checkpointed(await bench.context(log))).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
      expect(await readAll(bench.log, TOPICS.checkpoints, 0)).toHaveLength(2);
    });
  });
});

describe('a slow run', () => {
  it('has its head signed by ticks, once there is anything new', async () => {
    await withBench(async (bench) => {
      const heads = async (): Promise<(string | undefined)[]> =>
        (await readAll(bench.log, TOPICS.checkpoints, 0)).map(({ headers }) => headers['tasks']);
      const tail = await tailOf(bench.log);
      void (async () => {
        while (await tail.turn(stop.signal).catch(() => false));
      })();
      const checkpointer = await Checkpointer.open(await bench.context(), tail, { tasks: 64, ticks: 10 });
      const done = lastValueFrom(checkpointer.run(), { defaultValue: undefined });
      const until = async (tasks: number): Promise<void> => {
        while (checkpointer.tasks < tasks) await tail.moved(AbortSignal.timeout(20));
      };
      await bench.write([open(bench), { type: 'tick', tick: 30 }]);
      await bench.write(accepts(0, 2));
      await bench.prove(0, 2);
      await until(2);
      expect(await heads()).toEqual([]);
      await bench.write([{ type: 'tick', tick: 41 }]);
      const end = await bench.log.end(TOPICS.checkpoints, 0);
      expect(await bench.log.waitBeyond(TOPICS.checkpoints, 0, offset(Math.min(end, 0)), AbortSignal.timeout(10_000))).toBe(true);
      expect(await heads()).toEqual(['2']);
      // Nothing new: no head. A step that is late does not hold the head of the tasks before it up.
      await bench.write([{ type: 'tick', tick: 60 }, ...accepts(2, 4)]);
      await bench.prove(2, 3);
      await until(3);
      await bench.write([{ type: 'tick', tick: 80 }]);
      const one = await bench.log.end(TOPICS.checkpoints, 0);
      if ((await heads()).length < 2) await bench.log.waitBeyond(TOPICS.checkpoints, 0, one, AbortSignal.timeout(10_000));
      expect(await heads()).toEqual(['2', '3']);
      stop.abort();
      await done;
      await checkpointer.close();
    });
  });
});

/** Goes as far as so many tasks, a head after each `QUIET.tasks` of them, and ends. */
async function upTo(bench: Bench, tasks: number): Promise<void> {
  const checkpointer = await Checkpointer.open(await bench.context(), await tailOf(bench.log), QUIET);
  await lastValueFrom(checkpointer.run().pipe(takeWhile((next) => next < tasks)), { defaultValue: undefined });
  await checkpointer.close();
}

/** Without signatures, which differ by the key of each log. */
function unsigned(log: unknown): unknown {
  return JSON.parse(JSON.stringify(log), (_, value: unknown) =>
    typeof value === 'string' && value.length > 100 && Buffer.from(value, 'base64').includes('\n\n— ')
      ? Buffer.from(value, 'base64').toString('utf8').split('\n\n')[0]
      : value,
  );
}
