/**
 * Runs of one name that begin at the same moment (P12), in processes of their own: all of them find nobody at work and fence each other's writers, and yet exactly one
 * goes on, to the root of an undisturbed run. The others end with RUN_LIVE, which names it. MIZU_RACES sets how many rounds, MIZU_SEED
 * replays their moments.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isStopped } from '../../connectors/embedded/processes.ts';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { type Log, RunTopics } from '#engine';
import { readAll } from '../support/log-tools.ts';
import { RacingProcess } from '../support/racing-process.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { COUNTED, longFiles } from '../support/run-support-workflows.ts';

const RACES = Number(process.env['MIZU_RACES'] ?? 1);
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** Between the first and the last of a round, milliseconds: a deployment takes some 30, and then the writers of a run are opened. */
const SPREAD_MS = 120;
const RUNNERS = 3;

const runners: RacingProcess[] = [];
beforeAll(async () => {
  for (let n = 0; n < RUNNERS; n++) runners.push(new RacingProcess());
  await Promise.all(runners.map((runner) => runner.ready()));
});
afterAll(() => {
  for (const { process } of runners) process.kill('SIGKILL');
});

/** Whom control named so far, in order; nobody before there is a run. */
async function owners(log: Log): Promise<string[]> {
  const { control } = new RunTopics({ name: 'long', generation: 1 });
  if ((await log.topics(control)).length === 0) return [];
  const bodies = (await readAll(log, control, 0)).map(({ value }) => decodeControl(value).body);
  return bodies.flatMap((body) => (body.type === 'open' ? [body.owner] : []));
}

describe(`runs that begin at once (seed ${SEED})`, { timeout: 60_000 + 20_000 * RACES }, () => {
  it('exactly one of them goes on, and the others name it', async () => {
    const delays = fc.sample(fc.array(fc.nat(SPREAD_MS), { minLength: RUNNERS, maxLength: RUNNERS }), { seed: SEED, numRuns: RACES });
    await withWorkflow(longFiles('long', 500), async (compiled, folder) => {
      const { root, accepted } = await withQuickLog((log) => runCompiled(compiled, { log, order: 1 }));
      let refused = 0;
      for (const [round, delay] of delays.entries()) {
        await withQuickLog(async (_, directory) => {
          const orders = { file: join(folder, 'workflow.yaml'), log: directory };
          const outcomes = await Promise.all(runners.map((runner, n) => runner.race({ ...orders, delay: delay[n] ?? 0 })));
          const told = `round ${round}, delays ${delay.join(', ')}: ${JSON.stringify(outcomes)}`;
          const winners = outcomes.filter((outcome) => outcome.root !== undefined);
          // One that looks when the run is over already gives its summary: that is no second run.
          expect(winners.length, told).toBeGreaterThan(0);
          for (const winner of winners) expect(winner, told).toEqual({ root, accepted });
          const pids = runners.filter((_runner, n) => outcomes[n]?.root !== undefined).map((runner) => runner.process.pid);
          for (const { code, message } of outcomes.filter((outcome) => outcome.root === undefined)) {
            refused++;
            expect(code, told).toBe('RUN_LIVE');
            expect(
              pids.some((pid) => message?.endsWith(`is being run by ${hostname()}:${pid}`)),
              told,
            ).toBe(true);
          }
        });
      }
      expect(refused).toBeGreaterThan(0);
    });
  });

  it.each([
    ['orchestrator', 'after'],
    ['member/local-0', 'before'],
    ['node/0', 'before'],
  ] as const)('one that stood still at its writer of %s wakes up beside another, and one of them goes on', async (owner, when) => {
    const [sleeper, other] = runners;
    if (sleeper === undefined || other === undefined) throw new RangeError('no runners');
    await withWorkflow(longFiles('long', 500), async (compiled, folder) => {
      const expected = await withQuickLog((log) => runCompiled(compiled, { log, order: 1 }));
      await withQuickLog(async (log, directory) => {
        const orders = { file: join(folder, 'workflow.yaml'), log: directory, delay: 0 };
        const asleep = sleeper.race({ ...orders, stop: { owner, when } });
        await expect.poll(() => isStopped(sleeper.process.pid ?? 0), { timeout: 20_000 }).toBe(true);
        const working = other.race(orders);
        await expect.poll(() => owners(log), { timeout: 20_000 }).toContain(`${hostname()}:${other.process.pid}`);
        sleeper.process.kill('SIGCONT');
        const outcomes = await Promise.all([asleep, working]);
        const told = JSON.stringify(outcomes);
        expect(outcomes.filter(({ root }) => root === expected.root).length, told).toBeGreaterThan(0);
        for (const { root, code } of outcomes) expect([expected.root, 'RUN_LIVE'], told).toContain(root ?? code);
      });
    });
  });

  it('of two programs of one name each ends as itself or is told why not', async () => {
    await withWorkflow(workflowFiles({ ...COUNTED, seed: 8 }), (other, otherFolder) =>
      withWorkflow(workflowFiles(COUNTED), async (compiled, folder) => {
        const expected = await Promise.all([compiled, other].map((one) => withQuickLog((log) => runCompiled(one, { log, order: 1 }))));
        await withQuickLog(async (_, log) => {
          const files = [folder, otherFolder].map((place) => join(place, 'workflow.yaml'));
          const outcomes = await Promise.all(files.map((file, n) => runners[n]?.race({ file, log, delay: 0 })));
          const told = JSON.stringify(outcomes);
          for (const [n, outcome] of outcomes.entries())
            expect([expected[n]?.root, 'PROGRAM_CHANGED', 'RUN_LIVE'], told).toContain(outcome?.root ?? outcome?.code);
          expect(
            outcomes.some((outcome) => outcome?.root !== undefined),
            told,
          ).toBe(true);
        });
      }),
    );
  });
});
