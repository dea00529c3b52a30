/**
 * A role that starts from a snapshot of control knows what one knows that read control from its begin (P14), reads a bounded part of it, and trusts no snapshot that the
 * run's key did not sign. MIZU_SEED replays a run.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, Log, Offset, Signer } from '#engine';
import { offset, RunTopics } from '#engine';
import { openSigner } from '#topologies';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { encodeSigned } from '../../../engine/dispatch/signed-entry.ts';
import { ControlFold, NO_REQUEST } from '../../../engine/dispatch/control-fold.ts';
import { foldToJson } from '../../../engine/dispatch/fold-snapshot.ts';
import { MemberKeys } from '../../../engine/dispatch/member-keys.ts';
import { toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { Committer } from '../../../engine/runtime/committer.ts';
import { ControlSnapshots, snapshotPlace } from '../../../engine/runtime/control-snapshot.ts';
import { ControlTail } from '../../../engine/runtime/control-tail.ts';
import { LimitedLog } from '../../support/limited-log.ts';
import { withQuickLog } from '../../support/run-support.ts';
import { accept, cut, dead, offer, tick } from '../dispatch/control-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TITLE = 'w/1';
const TOPICS = new RunTopics({ name: 'w', generation: 1 });
const PLACE = snapshotPlace(TOPICS, TITLE);
const sums = { stages: [], members: [] };
const totals = { candidates: 0, accepted: 0, corrected: 0, duplicates: 0, failed: 0, rejected: {}, gas: 0, localBytes: 0, globalBytes: 0 };

/** Writes control and snapshots as the orchestrator does: a turn is a commit, a snapshot follows the turn with which it is due. */
class Writer {
  readonly fold = new ControlFold();
  private readonly keys = new MemberKeys();
  private mark: (ControlBody & { type: 'mark' }) | undefined;
  private readonly log: Log;
  private readonly committer: Committer;
  private readonly signer: Signer;
  private readonly snapshots: ControlSnapshots;

  private constructor(log: Log, committer: Committer, signer: Signer, entries: number) {
    this.log = log;
    this.committer = committer;
    this.signer = signer;
    this.snapshots = new ControlSnapshots({ log, topics: TOPICS, title: TITLE, signer }, -1, entries);
  }

  static async open(log: Log, signer: Signer, entries: number): Promise<Writer> {
    await log.createTopic({ name: TOPICS.control, partitions: 1, cleanup: 'keep' });
    await log.createTopic({ name: TOPICS.controlSnapshots, partitions: 1, cleanup: 'compact' });
    const self = new Writer(log, await Committer.open(log, `${TITLE}/orchestrator`), signer, entries);
    await self.turn([{ type: 'open', owner: 'x:1', key: toHex(signer.publicKey) }]);
    return self;
  }

  async turn(bodies: readonly ControlBody[]): Promise<void> {
    if (bodies.length === 0) return;
    for (const body of bodies) {
      this.fold.apply(body);
      this.keys.note(body);
      if (body.type === 'mark') this.mark = body;
      this.snapshots.note();
    }
    const offsets = await this.committer.commit(
      bodies.map((body) => ({ topic: TOPICS.control, partition: 0, value: encodeSigned('mizu-control-v1', TITLE, body, this.signer) })),
    );
    if (this.snapshots.isDue(this.fold)) await this.snapshot(offset(Math.max(...offsets) + 1));
  }

  async snapshot(position: Offset): Promise<void> {
    await this.committer.commit(this.snapshots.appends({ fold: this.fold, keys: this.keys, mark: this.mark, position }));
  }

  /** Any value in a snapshot's place. */
  async forge(slot: number, value: Uint8Array): Promise<void> {
    await this.committer.commit([{ topic: TOPICS.controlSnapshots, partition: 0, key: utf8(`control-${slot}`), value }]);
  }

  async end(): Promise<Offset> {
    return this.log.end(TOPICS.control, 0);
  }

  close(): Promise<void> {
    return this.committer.close();
  }
}

const small = fc.nat(3);
const key = fc.constantFrom('a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64));
/** What may follow in a run in which so many tasks were cut. */
const step = (cuts: number): fc.Arbitrary<ControlBody> => {
  const k = fc.nat(Math.max(0, cuts - 1));
  return fc.oneof(
    fc.record({ type: fc.constant('assign' as const), k, attempt: small, node: small, deadline: fc.nat(20) }),
    fc.tuple(k, small, small).map(([task, attempt, node]) => accept(task, attempt, node)),
    fc.tuple(k, small).map(([task, attempt]) => dead(task, attempt)),
    fc.nat(20).map(tick),
    fc.tuple(small, fc.constantFrom('m', 'n', 'o'), key).map(([node, member, of]) => ({
      type: 'admit' as const,
      node,
      member,
      incarnation: of,
      key: of,
      offer: offer(),
      request: NO_REQUEST,
    })),
    fc.record({ type: fc.constant('lost' as const), node: small, reason: fc.constant('silent' as const) }),
    fc.record({ type: fc.constant('appoint' as const), role: fc.constant('gateway' as const), epoch: small, node: small }),
    fc.record({
      type: fc.constant('mark' as const),
      published: k,
      totals: fc.constant(totals),
      stages: fc.constant([]),
      members: fc.constant([]),
      results: fc.constant([3, 5]),
    }),
  );
};
const turns = fc.array(fc.tuple(fc.nat(2), fc.array(fc.nat(1_000_000), { maxLength: 6 })), { maxLength: 25 });

/** Draws turns: each cuts some tasks, then says something of those that were cut. */
function historyOf(plan: readonly (readonly [number, readonly number[]])[]): ControlBody[][] {
  let cuts = 0;
  return plan.map(([more, seeds]) => {
    const bodies: ControlBody[] = Array.from({ length: more }, () => cut(cuts++));
    for (const seed of seeds) bodies.push(...fc.sample(step(cuts), { seed, numRuns: 1 }));
    return bodies;
  });
}

async function known(log: Log, from?: typeof PLACE): Promise<{ readonly tail: ControlTail; readonly state: Json }> {
  const tail = new ControlTail(log, TOPICS.control, from);
  await tail.catchUp();
  return { tail, state: [foldToJson(tail.fold), JSON.parse(JSON.stringify(tail.keys.save()))] };
}

const counting = (log: Log): LimitedLog => new LimitedLog(log);
const read = (log: LimitedLog): number => log.reads.get(TOPICS.control) ?? 0;

/** So many turns of ticks, one commit each. */
async function ticking(writer: Writer, turnsOf: number): Promise<void> {
  for (let n = 0; n < turnsOf; n++) await writer.turn([tick(writer.fold.tick + 1)]);
}

describe('a start from a snapshot of control', () => {
  it.each([
    ['whole', 1_000_000],
    ['in parts', 900],
  ])(`knows what all of control says, of any history, with snapshots that stand there %s (seed ${SEED})`, async (_, entryBytes) => {
    await fc.assert(
      fc.asyncProperty(turns, fc.integer({ min: 1, max: 12 }), async (plan, entries) =>
        withQuickLog(async (real) => {
          const log = new LimitedLog(real, { entryBytes });
          const writer = await Writer.open(log, openSigner(real), entries);
          for (const bodies of historyOf(plan)) await writer.turn(bodies);
          const whole = await known(log);
          expect((await known(log, PLACE)).state).toEqual(whole.state);
          log.compact(TOPICS.controlSnapshots);
          const late = await known(log, PLACE);
          expect(late.state).toEqual(whole.state);
          await writer.turn([tick(99), cut(writer.fold.nextCut)]);
          await late.tail.catchUp();
          expect(foldToJson(late.tail.fold)).toEqual(foldToJson(writer.fold));
          await writer.close();
        }),
      ),
      { seed: SEED, numRuns: 15 },
    );
  });

  it('reads as much of control after many entries as after few', async () => {
    await withQuickLog(async (real) => {
      const writer = await Writer.open(real, openSigner(real), 50);
      const reads: number[] = [];
      for (let n = 0; n < 4; n++) {
        await ticking(writer, 175);
        const log = counting(real);
        await known(log, PLACE);
        reads.push(read(log));
      }
      expect(Math.max(...reads)).toBeLessThanOrEqual(51);
      await writer.close();
    });
  });

  it('waits for more snapshots where tasks are many, so that they stay a small part of what is written', async () => {
    await withQuickLog(async (real) => {
      const writer = await Writer.open(real, openSigner(real), 50);
      await writer.turn(Array.from({ length: 100 }, (_, k) => cut(k)));
      expect(await real.end(TOPICS.controlSnapshots, 0)).toBe(0);
      await writer.turn([{ type: 'mark', published: 100, totals, ...sums, results: [] }]);
      expect(await real.end(TOPICS.controlSnapshots, 0)).toBeGreaterThan(0);
      await writer.close();
    });
  });
});

describe('a snapshot that does not hold', () => {
  /** Two snapshots, then what the test puts in place of the second; gives how much of control is read. */
  const readsWith = (change: (log: LimitedLog, writer: Writer, signer: Signer) => Promise<void> | void): Promise<number> =>
    withQuickLog(async (real) => {
      const signer = openSigner(real);
      const writer = await Writer.open(real, signer, 40);
      await ticking(writer, 100);
      const log = counting(real);
      await change(log, writer, signer);
      const whole = await known(real);
      expect((await known(log, PLACE)).state).toEqual(whole.state);
      await writer.close();
      // The key stands in the first entry.
      return read(log) - 1;
    });

  it('is not needed when it does', async () => {
    expect(await readsWith(() => {})).toBe(21);
  });

  it.each<[string, number, (log: LimitedLog, writer: Writer, signer: Signer) => Promise<void> | void]>([
    ['is torn', 21, (_, writer) => writer.forge(1, utf8('{"body":'))],
    [
      'has another form',
      21,
      (_, writer, signer) => writer.forge(1, encodeSigned('mizu-control-snapshot-v1', TITLE, { type: 'snapshot' }, signer)),
    ],
    [
      'was changed',
      61,
      (log) => {
        log.shown = (topic, entry) =>
          topic === TOPICS.controlSnapshots && Buffer.from(entry.value).includes('"count":1,')
            ? { ...entry, value: utf8(Buffer.from(entry.value).toString().replace('"opens":1', '"opens":2')) }
            : entry;
      },
    ],
    ['speaks of entries that are not there', 21, (_, writer) => writer.snapshot(offset(1_000_000))],
  ])('because it %s is passed over for the one before', async (_, reads, change) => {
    // Snapshots stand after 40 and 80 of 101 entries.
    expect(await readsWith(change)).toBe(reads);
  });

  it('under another key, or of another run, is passed over, and control is read where there is no other', async () => {
    const all = 100;
    expect(
      await readsWith((log) => {
        log.shown = (topic, entry) => (topic === TOPICS.controlSnapshots ? { ...entry, value: entry.value.subarray(1) } : entry);
      }),
    ).toBeGreaterThan(all);
    await withQuickLog(async (other) =>
      withQuickLog(async (real) => {
        const writer = await Writer.open(real, openSigner(real), 1_000);
        const liar = await Writer.open(other, openSigner(other), 1_000);
        await ticking(writer, 10);
        await liar.turn([{ type: 'finish', last: 3, reason: 'drained' }]);
        await liar.snapshot(offset(2));
        const { entries } = await other.read(TOPICS.controlSnapshots, 0, offset(0));
        await writer.forge(0, entries[0]?.value ?? new Uint8Array(0));
        const { tail } = await known(real, PLACE);
        expect([tail.fold.tick, tail.fold.finish]).toEqual([10, undefined]);
        await writer.close();
        await liar.close();
      }),
    );
  });
});
