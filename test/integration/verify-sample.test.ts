/** `verify` of a sample: what it finds, what it may miss, and that it never finds what is not there. */
import { beforeAll, describe, expect, test } from 'vitest';
import { MizuError, type VerifyReport, verifyRun } from '#engine';
import { flipped, type Place, type Tamper, withTampered } from '../support/tamper.ts';
import { LONG, makeRun, type MadeRun, RUNS } from '../support/verify-support.ts';

const made = new Map<string, MadeRun>();
const runOf = (name: string): MadeRun => made.get(name) as MadeRun;
const at = (topic: string, partition = 0): Place => ({ topic: `w.1.${topic}`, partition });

beforeAll(async () => {
  for (const name of ['counted', 'streamed', 'reached'] as const) made.set(name, await makeRun(RUNS[name]));
  made.set('long', await makeRun(LONG));
});

describe('a look at a sample', () => {
  const SAMPLE = { whole: 10, stretch: 4 };
  const damage =
    (topic: string) =>
    (log: Tamper): void =>
      log.edit(at(topic), 3, ({ value }) => ({ value: flipped(value, Math.floor(value.length / 2)) }));

  test('finds a changed record whenever its task is in the sample, and says of which tasks the sample is', async () => {
    const found = new Set<boolean>();
    const changed = (log: Tamper): void => log.edit(at('verified'), 20, ({ value }) => ({ value: flipped(value, value.length - 1) }));
    await withTampered(runOf('long').directory, changed, async (log, run) => {
      const whole = await verifyRun(log, await run(), { verifierKey: undefined });
      expect(whole.problems).not.toEqual([]);
      expect(whole.content).toEqual([{ from: 0, to: whole.tasks - 1 }]);
      const task = Number(
        /\b0\/(\d+)|\b1\/\d+\/(\d+)/
          .exec(JSON.stringify(whole.problems))
          ?.slice(1)
          .find((k) => k !== undefined),
      );
      for (let n = 0; n < 60 && found.size < 2; n++) {
        const { ok, content, tasks } = await verifyRun(log, await run(), { content: SAMPLE });
        expect(content).toHaveLength(4);
        expect(tasks).toBe(whole.tasks);
        const holds = content.some(({ from, to }) => from <= task && task <= to);
        expect(ok).toBe(!holds);
        found.add(holds);
      }
    });
    expect(found.size).toBe(2);
  });

  test.each(['counted', 'streamed', 'reached', 'long'])(
    'of an honest run finds nothing, and counts as a whole look does: %s',
    async (name) => {
      await withTampered(
        runOf(name).directory,
        () => undefined,
        async (log, run) => {
          const whole = await verifyRun(log, await run());
          for (let n = 0; n < 5; n++) {
            const { content: _, checks, ...rest } = await verifyRun(log, await run(), { content: { whole: 1, stretch: 1 } });
            const { content: __, checks: all, ...expected } = whole;
            expect(rest).toEqual(expected);
            const unread = ['source', 'frames', 'published'];
            const read = (list: VerifyReport['checks']) => list.filter((check) => !unread.includes(check.name));
            expect(read(checks)).toEqual(read(all));
          }
        },
      );
    },
  );

  test('still finds what is wrong with any signature, leaf or state', async () => {
    for (const topic of ['results', 'proofs', 'tiles', 'control']) {
      await withTampered(runOf('long').directory, damage(topic), async (log, run) => {
        const report = await run()
          .then((deployed) => verifyRun(log, deployed, { content: SAMPLE }))
          .catch((error: unknown) => error);
        if (!(report instanceof MizuError)) expect((report as VerifyReport).ok, topic).toBe(false);
      });
    }
  });
});
