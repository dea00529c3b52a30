/**
 * kill -9 at every write to the log (laws 2, 4), by real processes: a run with two workers that is killed right before or right after its n-th commit, new topic or
 * take-over, while it deploys, copies its source, works, signs or ends, is finished by the same command, to the root and the published bytes of an undisturbed one.
 * So is a deployment that was killed, and an export leaves nothing behind.
 *
 * Some moments are drawn by a seed (MIZU_SEED); MIZU_KILLS=all takes every one, in some ten minutes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openLog } from '#topologies';
import { lastObject, mizu } from '../support/cli.ts';
import { type KilledOrders, playKilled } from '../support/killed-process.ts';
import type { KillMoment } from '../support/killing-log.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { sha256Hex } from '../support/run-support.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { COPIED } from '../support/run-support-workflows.ts';
import { scratchFolder } from '../support/scratch.ts';

const ALL = process.env['MIZU_KILLS'] === 'all';
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** Two workers begin in another order each time: the last few numbers may not be reached. */
const SHORTER = 5;

const folder = scratchFolder(workflowFiles(COPIED));
const file = join(folder, 'workflow.yaml');
const logIn = (name: string): string => join(folder, name);

/** What `mizu run` says, and what consumers then read. */
async function finish(log: string): Promise<unknown> {
  const result = await mizu(['run', file, '--log', log, '--workers', '2', '--json']);
  expect(result.code, result.stderr).toBe(0);
  const { seconds: _, verifierKey: __, ...summary } = lastObject(result);
  const opened = await openLog(log, { readOnly: true });
  try {
    return { summary, bytes: (await readOutcome(opened)).bytes };
  } finally {
    await opened.close();
  }
}

/** File name → SHA-256, of all that stands in a folder, hidden files as well. */
function filesIn(path: string): Readonly<Record<string, string>> {
  return Object.fromEntries(readdirSync(path).map((name) => [name, sha256Hex(readFileSync(join(path, name)))]));
}

/** Numbers to be killed at: a drawn one, or all. `salt` makes draws differ. */
function drawn(last: number, salt: number): number[] {
  if (ALL) return Array.from({ length: last }, (_, n) => n + 1);
  return fc.sample(fc.integer({ min: 1, max: last }), { seed: SEED + salt, numRuns: 1 });
}

describe(`killed by -9 (seed ${SEED})`, { timeout: ALL ? 3_600_000 : 120_000 }, () => {
  let undisturbed: unknown;
  let writes = 0;

  beforeAll(async () => {
    ({ moments: writes } = await playKilled({ act: 'run', what: file, log: logIn('undisturbed') }));
    undisturbed = await finish(logIn('undisturbed'));
  });

  /** Kills at some of an undisturbed act's `writes`, or at each, on a new log each, and finishes by the command. */
  async function walk(act: 'run' | 'deploy', when: KillMoment['when'], writes: number, salt: number): Promise<void> {
    const missed: number[] = [];
    for (const at of drawn(writes, salt)) {
      const log = logIn(`${act}-${when}-${at}`);
      const { killed } = await playKilled({ act, what: file, log, moment: { at, when } });
      if (!killed) missed.push(at);
      expect(await finish(log), `${act} killed ${when} write ${at}`).toEqual(undisturbed);
    }
    expect(missed.filter((at) => at <= writes - SHORTER)).toEqual([]);
  }

  it.each(['before', 'after'] as const)('a run goes on, whichever write it was killed %s', async (when) => {
    expect(writes).toBeGreaterThan(30);
    await walk('run', when, writes, when.length);
  });

  it('a deployment is repeated by the run', async () => {
    const { moments } = await playKilled({ act: 'deploy', what: file, log: logIn('deployed') });
    expect(moments).toBeGreaterThan(15);
    await walk('deploy', 'after', moments, 1);
  });

  it('an export is repeated into the same folder, and nothing of the killed one is left', async () => {
    const log = logIn('undisturbed');
    const command = (out: string): Promise<unknown> =>
      mizu(['export', 'w', '--log', log, '--format', 'jsonl,parquet', '--out', out]).then(({ code, stderr }) =>
        expect(code, stderr).toBe(0),
      );
    const whole = logIn('data-whole');
    const out = logIn('data');
    await command(whole);
    const files = filesIn(whole);
    const records = readFileSync(join(whole, 'w.jsonl'), 'utf8').trimEnd().split('\n').length;
    const order: KilledOrders = { act: 'export', what: 'w', log, out };
    for (const at of [drawn(records, 2)[0] ?? 1, records + 1]) {
      expect(await playKilled({ ...order, moment: { at, when: 'before' } })).toMatchObject({ killed: true });
      const left = filesIn(out);
      const partial = Object.keys(left).filter((name) => !(name in files));
      expect(partial.every((name) => name.endsWith('.partial'))).toBe(true);
      expect(partial.length > 0).toBe(at <= records);
      // A file is there whole or not at all.
      for (const name of Object.keys(left)) if (name in files) expect(left[name]).toBe(files[name]);
      if (at > records) expect(Object.keys(left)).toContain('w.parquet');
    }
    await command(out);
    expect(filesIn(out)).toEqual(files);
  });
});
