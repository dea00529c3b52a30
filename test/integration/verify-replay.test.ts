/** Replays: what only executing again can find, and ranges of tasks (law 3). */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { MizuError, openKeyFile, type Registry, type ReplayReport, verifyRun } from '#engine';
import { rejection } from '../support/log-tools.ts';
import { ForgingExecutor, type Lie, lyingRegistry } from '../support/lying.ts';
import { LocalExecutor } from '../support/run-support.ts';
import { flipped, resignControl, type StoredEntry, type Tamper, withTampered } from '../support/tamper.ts';
import { makeRun, type MadeRun, replayed, RUNS, withRun } from '../support/verify-support.ts';

const made = new Map<string, MadeRun>();
const runOf = (name: string): MadeRun => made.get(name) as MadeRun;
beforeAll(async () => {
  for (const name of ['counted', 'streamed', 'reached'] as const) made.set(name, await makeRun(RUNS[name]));
});

describe('a node that lied consistently', () => {
  /** Makes the run with a lie in it; it verifies, and the replay with the honest operators says where it is wrong. */
  async function caught(workflow: keyof typeof RUNS, settings: Parameters<typeof makeRun>[1]): Promise<ReplayReport> {
    const run = await makeRun(RUNS[workflow], settings);
    return withRun(run, async (log, deployed) => {
      const verified = await verifyRun(log, deployed, { verifierKey: run.summary.verifierKey });
      expect(verified.problems).toEqual([]);
      expect(await replayed(log, deployed, settings?.registry === undefined ? {} : { registry: settings.registry })).toMatchObject(
        settings?.registry === undefined ? { ok: false } : { ok: true },
      );
      return replayed(log, deployed);
    });
  }
  const by = (registry: Registry): { readonly registry: Registry } => ({ registry });

  test('a generated value of one candidate', async () => {
    const lie: Lie = {
      operator: 'random',
      row: (sink, candidate) => ({
        setValue: (field, row, value) => sink.setValue(field, row, candidate(row) === 21 && field === 'n' ? 4 : value),
      }),
    };
    const { mismatch } = await caught('counted', by(lyingRegistry(lie)));
    expect(mismatch).toMatchObject({ task: '0/2', step: 'n', block: 1, record: 'w/1/2.5' });
    expect(mismatch?.message).toContain('task 0/2, block 1, op 2 (n): executed again, it has another effect than the log says');
  });

  test('a record that a rule lets pass', async () => {
    const lie: Lie = {
      operator: 'range',
      row: (sink, candidate) => ({ reject: (row, why) => (candidate(row) === 13 ? undefined : sink.reject(row, why)) }),
    };
    expect((await caught('streamed', by(lyingRegistry(lie)))).mismatch).toMatchObject({ task: '0/2', step: 'low', record: 'w/1/2.1' });
  });

  test('a good record that a rule rejects', async () => {
    let told = 0;
    const lie: Lie = {
      operator: 'whitespace',
      row: (sink, candidate) => ({
        setText: (field, row, text) => {
          if (candidate(row) === 8) {
            told++;
            sink.reject(row, { measured: 1, limit: 0 });
          } else sink.setText(field, row, text);
        },
        setBytes: (field, row, bytes) => {
          if (candidate(row) === 8) {
            told++;
            sink.reject(row, { measured: 1, limit: 0 });
          } else sink.setBytes(field, row, bytes);
        },
      }),
    };
    expect((await caught('streamed', by(lyingRegistry(lie)))).mismatch).toMatchObject({ task: '0/1', step: 'clean', record: 'w/1/1.2' });
    expect(told).toBeGreaterThan(0);
  });

  test('another measured value for a rejected record', async () => {
    const lie: Lie = {
      operator: 'range',
      row: (sink, candidate) => ({ reject: (row, why) => sink.reject(row, candidate(row) === 13 ? { ...why, measured: 7 } : why) }),
    };
    expect((await caught('streamed', by(lyingRegistry(lie)))).mismatch).toMatchObject({ task: '0/2', step: 'low', record: 'w/1/2.1' });
  });

  test('more gas than the op takes', async () => {
    const lie: Lie = {
      operator: 'range',
      row: (sink) => ({
        reject: (row, why) => {
          sink.charge(1000);
          sink.reject(row, why);
        },
      }),
    };
    const { mismatch } = await caught('streamed', by(lyingRegistry(lie)));
    expect(mismatch).toMatchObject({ step: 'low', record: undefined });
  });

  test('a duplicate that was let through', async () => {
    let passed: string | undefined;
    const lie: Lie = {
      operator: 'dedup',
      keyed: (sink, place) => ({
        duplicate(row, winner) {
          passed ??= place(row);
          if (passed !== place(row)) sink.duplicate(row, winner);
        },
      }),
    };
    const run = await makeRun(RUNS.counted, by(lyingRegistry(lie)));
    await withRun(run, async (log, deployed) => {
      expect((await verifyRun(log, deployed)).problems).toEqual([]);
      const { mismatch } = await replayed(log, deployed);
      expect(mismatch).toMatchObject({ step: 'once', record: `w/1/${passed}` });
      expect(mismatch?.task).toMatch(/^1\/[01]\/\d+$/);
    });
  });

  test('a duplicate with another winner', async () => {
    let changed: string | undefined;
    const lie: Lie = {
      operator: 'dedup',
      keyed: (sink, place) => ({
        duplicate(row, winner) {
          changed ??= place(row);
          sink.duplicate(row, changed === place(row) ? { k: winner.k, i: winner.i + 1 } : winner);
        },
      }),
    };
    const run = await makeRun(RUNS.counted, by(lyingRegistry(lie)));
    await withRun(run, async (log, deployed) => {
      expect((await replayed(log, deployed)).mismatch).toMatchObject({ step: 'once', record: `w/1/${changed}` });
    });
  });

  test('an effect that never was, chained, committed and signed', async () => {
    const { mismatch } = await caught('counted', { executor: (run) => new ForgingExecutor(new LocalExecutor(run), 3, 'short') });
    expect(mismatch).toMatchObject({ task: '0/3', step: 'short', block: 0, record: undefined });
  });

  test('another report of an aggregate', async () => {
    const { directory } = runOf('reached');
    const signer = openKeyFile(join(directory, 'keys', 'signer.pem'));
    const edit = (body: ControlBody): readonly ControlBody[] => {
      if (body.type !== 'close') return [body];
      const summary = body.summary as { reports: object };
      return [{ ...body, summary: { ...summary, reports: { ...summary.reports, sum: { count: 1 } } } }];
    };
    await withTampered(
      directory,
      (log) => resignControl(log, signer, edit),
      async (log, run) => {
        expect((await verifyRun(log, await run())).ok).toBe(true);
        expect((await replayed(log, await run())).mismatch).toMatchObject({ task: 'summary', step: 'sum' });
      },
    );
  });
});

describe('what stands on the log', () => {
  const at = (topic: string) => ({ topic: `w.1.${topic}`, partition: 0 });
  const replayOf = (name: string, change: (log: Tamper) => void, settings: Parameters<typeof replayed>[2] = {}) =>
    withTampered(runOf(name).directory, change, async (log, run) => replayed(log, await run(), settings));

  test.each(['verified', 'rejected', 'failed'])('a changed record in %s is named', async (topic) => {
    let id = '';
    const { ok, mismatch } = await replayOf('streamed', (log) => {
      id = Buffer.from((log.read(at(topic))[0] as StoredEntry).key ?? []).toString('utf8');
      log.flip(at(topic), 0, -1);
    });
    expect(ok).toBe(false);
    expect(mismatch).toMatchObject({ step: 'publish', record: id });
  });

  test('a record that stands there twice, and one that is gone', async () => {
    const twice = await replayOf('streamed', (log) =>
      log.change(at('verified'), ([first, ...rest]) => [first as StoredEntry, first as StoredEntry, ...rest]),
    );
    expect(twice.mismatch).toMatchObject({ step: 'publish', message: 'a record stands on the log twice' });
    const gone = await replayOf('streamed', (log) => log.change(at('verified'), (entries) => entries.slice(1)));
    expect(gone.mismatch).toMatchObject({ step: 'publish' });
    expect(gone.mismatch?.record).toMatch(/^w\/1\//);
  });

  test('a changed leaf and a missing one', async () => {
    expect((await replayOf('counted', (log) => log.flip({ topic: 'w.1.proofs', partition: 2 }, 0, 300))).ok).toBe(false);
    const cut = await replayOf('counted', (log) =>
      log.edit({ topic: 'w.1.proofs', partition: 2 }, 0, () => ({ value: new Uint8Array(0) })),
    );
    expect(cut.mismatch?.message).toContain('the log has no such leaf');
    expect((await rejection(replayOf('counted', (log) => log.change({ topic: 'w.1.proofs', partition: 2 }, () => [])))).message).toContain(
      'leaves of task 2 are missing',
    );
  });

  test('a changed source record shows at the source op of its task', async () => {
    const { mismatch } = await replayOf('streamed', (log) => log.flip(at('source'), 0, 10));
    expect(mismatch).toMatchObject({ task: '0/0', step: 'source', block: 0, record: 'w/1/0.0' });
  });

  test('a cut source is unavailable, with topic and range', async () => {
    const error = await rejection(replayOf('streamed', (log) => log.change(at('source'), () => [])));
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(error.message).toContain('unavailable: w.1.source, partition 0, records 0 to 6');
  });

  test('changed deltas show where a range starts from them', async () => {
    const tasks = { from: 6, to: 8 };
    const { ok, mismatch } = await replayOf(
      'counted',
      (log) => log.edit(at('state-1'), 0, ({ value }) => ({ value: flipped(value, value.length - 38) })),
      { tasks },
    );
    expect(ok).toBe(false);
    expect(mismatch).toMatchObject({ task: '1/0/6', step: 'once' });
    const error = await rejection(replayOf('counted', (log) => log.change(at('state-1'), (entries) => entries.slice(1)), { tasks }));
    expect(error).toMatchObject({
      code: 'LOG_CORRUPT',
      message: 'w.1.state-1, partition 0, offset 0: the deltas are of task 1, those of task 0 were expected',
    });
    for (let byte = 0; byte < 12; byte++) {
      const outcome = await replayOf('counted', (log) => log.edit(at('state-1'), 0, ({ value }) => ({ value: flipped(value, byte, 64) })), {
        tasks,
      }).catch((thrown: unknown) => thrown);
      if (!(outcome instanceof Error)) continue;
      expect(outcome).toBeInstanceOf(MizuError);
      expect(outcome).toMatchObject({ code: 'LOG_CORRUPT' });
    }
  });
});

describe('ranges of tasks', () => {
  test.each(['counted', 'streamed', 'reached'])('any range of %s replays by itself, and ranges add up to the whole', async (name) => {
    await withRun(runOf(name), async (log, run) => {
      const whole = await replayed(log, run);
      const last = whole.tasks - 1;
      const middle = Math.floor(last / 2);
      const [before, one, after] = [
        await replayed(log, run, { tasks: { from: 0, to: middle - 1 } }),
        await replayed(log, run, { tasks: { from: middle, to: middle } }),
        await replayed(log, run, { tasks: { from: middle + 1, to: last } }),
      ];
      expect([before.ok, one.ok, after.ok]).toEqual([true, true, true]);
      expect(one.tasks).toBe(1);
      for (const figure of ['tasks', 'leaves', 'candidates', 'records'] as const)
        expect(before[figure] + one[figure] + after[figure]).toBe(whole[figure]);
    });
  });

  test.each([
    [-1, 0],
    [0, 99],
    [3, 2],
    [0.5, 1],
    [Number.NaN, 1],
    [0, Number.NaN],
    [99, 99],
  ])('tasks %d to %d are refused, with those there are', async (from, to) => {
    await withRun(runOf('counted'), async (log, run) => {
      const error = await rejection(replayed(log, run, { tasks: { from, to } }));
      expect(error).toMatchObject({
        code: 'USAGE',
        message: `Tasks ${from}..${to} are not in the run`,
        hint: "The run's tasks are 0..11.",
      });
    });
  });
});
