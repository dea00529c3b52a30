/** Runs that nobody touched: verified, replayed and proved from their log alone (laws 2, 3, 5). */
import { beforeAll, describe, expect, test } from 'vitest';
import { verifyRun } from '#engine';
import { makeRun, type MadeRun, replayed, RUNS, withRun } from '../support/verify-support.ts';

const names = Object.keys(RUNS) as (keyof typeof RUNS)[];
const made = new Map<string, MadeRun>();
const runOf = (name: string): MadeRun => made.get(name) as MadeRun;
beforeAll(async () => {
  for (const name of names) made.set(name, await makeRun(RUNS[name]));
});

describe.each(names)('the run %s', (name) => {
  test('verifies, with the figures of its summary', async () => {
    const { summary } = runOf(name);
    await withRun(runOf(name), async (log, run) => {
      const report = await verifyRun(log, run);
      expect(report.problems).toEqual([]);
      expect(report).toMatchObject({
        ok: true,
        root: summary.root,
        treeSize: summary.treeSize,
        verifierKey: summary.verifierKey,
        keyGiven: false,
      });
      const counts = Object.fromEntries(report.checks.map((check) => [check.name, check.count]));
      expect(counts).toMatchObject({ published: summary.accepted, accounted: summary.candidates, tree: summary.treeSize });
      expect(await verifyRun(log, run, { verifierKey: summary.verifierKey })).toMatchObject({ ok: true, keyGiven: true });
    });
  });

  test('replays to the same leaves and records', async () => {
    const { summary } = runOf(name);
    await withRun(runOf(name), async (log, run) => {
      expect(await replayed(log, run)).toMatchObject({
        ok: true,
        leaves: summary.treeSize,
        records: summary.accepted,
        candidates: summary.candidates,
      });
    });
  });
});
