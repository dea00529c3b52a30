/**
 * Keyed state that is rebuilt from snapshots and deltas is the state that was lost (P14, law 4): whatever the steps, wherever the owner dies, also when
 * the log compacted old snapshots and forgot old deltas; and a changed byte is refused before it is used.
 */
import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import { Committer, type LocalStorage, type Log, MizuError, offset, sha256, StepMachine, toHex, utf8 } from '#engine';
import { type CompiledFile, registry } from '#topologies';
import { FrameBuilder } from '../../engine/datavm/frame-builder.ts';
import { type Recovered, recoverKeyed } from '../../engine/runtime/keyed-recovery.ts';
import { loadContext } from '../../engine/runtime/run-context.ts';
import { encodeStateEntry } from '../../engine/runtime/state-entry.ts';
import { LimitedLog } from '../support/limited-log.ts';
import { quickFolder, withQuickLog, withWorkflow } from '../support/run-support.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** S of these tests. */
const STEPS = 4;
const LIMITS = { steps: STEPS, bytes: 2_000 };
const SMALL_ENTRIES = { entryBytes: 700 };

const GROWING = 'dedup: { by: [n] }';
const FORGETTING = 'dedup: { by: [n], window: 6 }';

function withStep<T>(dedup: string, use: (compiled: CompiledFile) => Promise<T>): Promise<T> {
  const workflow = `mizu: 1\nname: w\nbudget: { candidates: 9 }\npartitions: 1\ngenerate: [{ random: { as: n, integer: [0, 9] } }]\nverify: [{ ${dedup} }]\n`;
  return withWorkflow({ 'workflow.yaml': workflow }, use);
}

interface Storage {
  readonly local: LocalStorage;
  close(): Promise<void>;
}

function temporaryStorage(): Storage {
  const folder = quickFolder();
  const local = openLocalStorage(folder);
  return {
    local,
    close: async () => {
      await local.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One owner of the partition after another, each with a machine and local storage of its own. */
class Owner {
  readonly machine: StepMachine;
  private readonly recovered: Recovered;
  private readonly committer: Committer;
  private readonly storage: Storage;
  readonly results: string[] = [];

  private constructor(machine: StepMachine, recovered: Recovered, committer: Committer, storage: Storage) {
    this.machine = machine;
    this.recovered = recovered;
    this.committer = committer;
    this.storage = storage;
  }

  static async open(log: Log, { program, digest, data }: CompiledFile): Promise<Owner> {
    const storage = temporaryStorage();
    try {
      const context = loadContext({ program, registry, local: storage.local, data: [...data.values()] });
      const machine = await StepMachine.open(context, digest, 1, 0);
      const committer = await Committer.open(log, 'w/step');
      const recovered = await recoverKeyed(log, TOPICS, machine, LIMITS);
      return new Owner(machine, recovered, committer, storage);
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  /** Executes the steps from its own next one on. */
  async run(log: Log, steps: readonly (readonly number[])[], until = steps.length): Promise<void> {
    while (this.machine.state.next < until) {
      const k = this.machine.state.next;
      const output = await this.machine.execute(k, [frameOf(k, steps[k] ?? [])]);
      const entry = { k, resumeAt: k, deltas: output.deltas, states: output.states };
      const [stateAt = offset(0)] = await this.committer.commit([{ topic: TOPICS.state, partition: 0, value: encodeStateEntry(entry) }]);
      this.recovered.snapshots.add(output.deltas);
      const place = { topic: TOPICS.snapshots, partition: 0, limits: log.limits };
      await this.recovered.snapshots.writeIfDue(this.committer, place, { resumeAt: k, stateAt });
      this.results.push(`${k}: ${output.leaves.map((leaf) => toHex(sha256(leaf))).join()} ${output.drops.map(({ i }) => i).join()}`);
    }
  }

  async close(): Promise<void> {
    this.machine.close();
    await this.committer.close();
    await this.storage.close();
  }
}

const TOPICS = { snapshots: 'w.snapshots', state: 'w.state', partition: 0 };

function frameOf(k: number, values: readonly number[]) {
  const builder = new FrameBuilder(1);
  values.forEach((value, i) => void builder.addRecord(i, utf8(`${k}/${i}`), sha256(utf8(String(value)))));
  const [frame] = builder.finish(k, 0);
  if (frame === undefined) throw new RangeError('one partition, one frame');
  return frame;
}

async function withTopics<T>(use: (log: LimitedLog) => Promise<T>): Promise<T> {
  return withQuickLog(async (real) => {
    const log = new LimitedLog(real, SMALL_ENTRIES);
    await log.createTopic({ name: TOPICS.state, partitions: 1, cleanup: 'keep' });
    await log.createTopic({ name: TOPICS.snapshots, partitions: 1, cleanup: 'compact' });
    return use(log);
  });
}

/** A run over all steps by owners that die after the given steps; the results of each step as the last owner to do it had them. */
async function results(
  compiled: CompiledFile,
  steps: readonly (readonly number[])[],
  deaths: readonly number[],
  prepare: (log: LimitedLog) => void,
) {
  return withTopics(async (log) => {
    prepare(log);
    const all: string[] = [];
    for (const until of [...deaths.toSorted((a, b) => a - b), steps.length]) {
      const owner = await Owner.open(log, compiled);
      await owner.run(log, steps, Math.min(until, steps.length));
      all.push(...owner.results);
      await owner.close();
    }
    return { all, parts: log.parts };
  });
}

const someSteps = fc.array(fc.array(fc.nat(60), { maxLength: 12 }), { minLength: 1, maxLength: 40 });
const someDeaths = fc.array(fc.nat(40), { maxLength: 5 });

describe.each([
  ['that never forgets', GROWING],
  ['with a window', FORGETTING],
])('keyed state %s', (_, dedup) => {
  it.each([
    ['a log that keeps all', (): void => {}],
    ['a log that compacts at once', (log: LimitedLog): void => log.compact(TOPICS.snapshots)],
  ])('goes on after any deaths as if there had been none, on %s', async (__, prepare) => {
    await withStep(dedup, async (compiled) => {
      await fc.assert(
        fc.asyncProperty(someSteps, someDeaths, async (steps, deaths) => {
          const undisturbed = await results(compiled, steps, [], () => {});
          expect((await results(compiled, steps, deaths, prepare)).all).toEqual(undisturbed.all);
        }),
        { seed: SEED, numRuns: 20 },
      );
    });
  });

  /** Enough steps for several snapshots, in parts. */
  const steps = Array.from({ length: 30 }, (__, k) => Array.from({ length: 10 }, (___, i) => (k * 7 + i * 3) % 90));

  it('needs one snapshot and at most S deltas, however long the stream was', async () => {
    await withStep(dedup, (compiled) =>
      withTopics(async (log) => {
        const owner = await Owner.open(log, compiled);
        await owner.run(log, steps);
        await owner.close();
        expect(log.parts).toBeGreaterThan(5);
        log.reads.clear();
        const next = await Owner.open(log, compiled);
        expect(next.machine.state.next).toBe(steps.length);
        expect(next.machine.state.chained).toEqual(owner.machine.state.chained);
        expect(log.reads.get(TOPICS.state)).toBeLessThanOrEqual(STEPS + 1);
        await next.close();
      }),
    );
  });

  it('needs no delta that is in a snapshot, and says which steps are missing when one is gone that is not', async () => {
    await withStep(dedup, (compiled) =>
      withTopics(async (log) => {
        const owner = await Owner.open(log, compiled);
        await owner.run(log, steps);
        await owner.close();
        const end = await log.end(TOPICS.state, 0);
        log.forget(TOPICS.state, 0, end - (steps.length % STEPS) - 1);
        const next = await Owner.open(log, compiled);
        expect(next.machine.state.chained).toEqual(owner.machine.state.chained);
        await next.close();
        log.forget(TOPICS.state, 0, end - 1);
        const error: unknown = await Owner.open(log, compiled).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: 'SOURCE_UNAVAILABLE',
          message: expect.stringContaining('unavailable: w.state, partition 0, steps'),
        });
      }),
    );
  });

  it('is refused when any byte of a snapshot that it needs was changed, and never built from it', async () => {
    await withStep(dedup, (compiled) =>
      withTopics(async (log) => {
        const owner = await Owner.open(log, compiled);
        await owner.run(log, steps);
        await owner.close();
        const { entries } = await log.read(TOPICS.snapshots, 0, offset(0));
        await fc.assert(
          fc.asyncProperty(fc.nat(entries.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, at, mask) => {
            const changed = entries[which];
            log.shown = (topic, entry) => {
              if (topic !== TOPICS.snapshots || entry.offset !== changed?.offset) return entry;
              const value = Uint8Array.from(entry.value);
              value[at % value.length] = (value[at % value.length] ?? 0) ^ mask;
              return { ...entry, value };
            };
            const next = await Owner.open(log, compiled).catch((thrown: unknown) => thrown);
            if (next instanceof Owner) {
              // Only a segment that is not needed any more may be wrong and unseen.
              expect(dedup).toBe(FORGETTING);
              expect(next.machine.state.chained).toEqual(owner.machine.state.chained);
              await next.close();
            } else {
              expect(next).toBeInstanceOf(MizuError);
              expect(next).toMatchObject({ code: 'LOG_CORRUPT' });
            }
          }),
          { seed: SEED, numRuns: 40 },
        );
      }),
    );
  });
});

describe('a window', () => {
  it('lets snapshots use the places of old ones again, so that a compacted topic holds no more than the window needs', async () => {
    const steps = Array.from({ length: 200 }, (_, k) => [k * 3, k * 3 + 1, k * 3 + 2]);
    await withStep(FORGETTING, (compiled) =>
      withTopics(async (log) => {
        log.compact(TOPICS.snapshots);
        for (const until of [90, 150, 200]) {
          const owner = await Owner.open(log, compiled);
          await owner.run(log, steps, until);
          await owner.close();
        }
        const { entries } = await log.read(TOPICS.snapshots, 0, offset(0));
        expect(entries.length).toBeLessThanOrEqual(6);
      }),
    );
  });
});
