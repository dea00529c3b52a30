/**
 * kill -9 of a run in the middle of its budget of tokens or money: where it stops depends on nothing but what the tasks before took, nothing is paid
 * twice, and what the command says of it (P15; laws 1, 4, 7, 10).
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLog } from '#topologies';
import { embeddedRun } from '../support/asking-workflow.ts';
import { type CliResult, lastObject, mizu } from '../support/cli.ts';
import { keepKey, LETTERS, letterModel, writeLetters } from '../support/judged-letters.ts';
import { type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { paidBodies } from '../support/recorded-attestations.ts';
import { quickFolder } from '../support/run-support.ts';

const LIMIT_MS = 120_000;
/** Of some 90 calls: tasks are complete by then, others on their way. */
const KILLED_AT = 45;

let folder: string;
let peer: ModelPeer;
beforeEach(async () => {
  folder = quickFolder();
  peer = await openModelPeer();
  peer.always(letterModel);
});
afterEach(async () => {
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  ['tokens', '{ tokens: 40000, requestBytes: 1800 }', '1,620 of 40,000 tokens, 0.000527 EUR'],
  ['money', '{ money: 0.0068, requestBytes: 1800 }', '1,620 tokens, 0.000527 EUR of 0.0068 EUR'],
])(
  'killed in the middle of a budget of %s, it pays for nothing twice, stops where it would have stopped, and says so',
  { timeout: LIMIT_MS },
  async (_what, budget, taken) => {
    const file = writeLetters(folder, peer.url, budget);
    for (const name of ['other', 'log']) keepKey(join(folder, name));
    const other = await openLog(join(folder, 'other'), { readOnly: false });
    const expected = await embeddedRun(other, file);
    await other.close();
    const all = peer.calls.length;
    peer.calls.length = 0;

    const run = (workers: number, options: Parameters<typeof mizu>[1] = {}): Promise<CliResult> =>
      mizu(['run', file, '--log', join(folder, 'log'), '--workers', String(workers)], options);
    let child: { kill(signal: 'SIGKILL'): boolean } | undefined;
    peer.always((response, call, number) => {
      if (number === KILLED_AT) child?.kill('SIGKILL');
      else letterModel(response, call, number);
    });
    const killed = await run(1, {
      onStart: (started) => {
        child = started;
      },
    });
    expect(killed.code).toBe(null);
    const paid = await paidBodies(join(folder, 'log'), LETTERS);
    expect(paid.size).toBeGreaterThan(0);
    const before = peer.calls.length;
    peer.always(letterModel);
    const resumed = await run(2);
    // The count was not reached: exit code 1, and the reason for people.
    expect(resumed.code, resumed.stderr).toBe(1);
    for (const line of [
      'error: not enough: 32 candidates gave 10 of the 1,000 records wanted',
      `the budget ended it: ${taken} were taken, and one task more could have taken more than was left`,
      "tokens by step: 'body' 576 (35.6 %), 'quality.judge1' 576 (35.6 %)",
      "full quotas are why: step 'quota-product' rejected 18 records of categories that are full (",
      'every category that came up is full',
      'the 10 records that are there are published, signed, and can be exported',
      'lower accept to 10: with these a larger budget does not give more',
    ])
      expect(resumed.stderr).toContain(line);
    expect(resumed.stdout).toContain(expected.root);

    const later = peer.calls.slice(before);
    expect(later.filter(({ bytes }) => paid.has(bytes.toString('utf8')))).toEqual([]);
    expect(later).toHaveLength(all - paid.size);
    await peer.close();
    const checks = await Promise.all(
      ['verify', 'replay'].map((command) => mizu([command, 'letters', '--log', join(folder, 'log'), '--json'])),
    );
    for (const { code, stderr } of checks) expect(code, stderr).toBe(0);
    expect(checks.map((check) => lastObject(check)['root'] ?? expected.root)).toEqual([expected.root, expected.root]);
    peer = await openModelPeer();
  },
);
