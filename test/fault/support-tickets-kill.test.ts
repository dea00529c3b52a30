/**
 * The shipped workflow `support-tickets` against a server that speaks the protocol: exactly as many records as are wanted, and kill -9 of the run in
 * its middle pays for nothing twice and changes no byte (laws 1, 4, 7; P8).
 */
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CliResult, lastObject, mizu } from '../support/cli.ts';
import { judging, scored } from '../support/judging-peer.ts';
import { type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { paidBodies } from '../support/recorded-attestations.ts';

const FILE = fileURLToPath(new URL('../../topologies/support-tickets/workflow.yaml', import.meta.url));
const ACCEPT = 20;
/** The run is killed at this call: some candidates are written, judged and repaired by then. */
const KILLED_AT = 40;

let folder: string;
let peer: ModelPeer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-tickets-kill-'));
  peer = await openModelPeer();
  peer.always(model);
});
afterEach(async () => {
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A function of the question alone, with every fate in it: texts too short, scores too low, copies. */
const model = judging({
  write: ({ body: { seed } }) => (seed % 5 === 0 ? 'Broken.' : `My order number ${seed % 40} came to me broken, please help.`),
  judge: (record, { body: { seed } }) =>
    scored(seed % 3 === 0 ? { about: 1, tone: 1 } : { about: 3, tone: 2 }, `about ${String(record['product.name'])}`),
  repair: (_record, { body: { seed } }) => `It is written anew, and order number ${seed % 1_000} is still broken.`,
});

function run(log: string, onStart?: Parameters<typeof mizu>[1]): Promise<CliResult> {
  const sets = ['writer', 'judge'].flatMap((name) => ['--set', `models.${name}.url=${peer.url}`]);
  return mizu(['run', FILE, '--log', join(folder, log), '--set', `accept=${ACCEPT}`, '--json', ...sets], onStart);
}

test('killed in its middle, it goes on from what is paid for, to the same records', async () => {
  const undisturbed = await run('other');
  expect(undisturbed.code, undisturbed.stderr).toBe(0);
  const expected = lastObject(undisturbed);
  expect(expected).toMatchObject({ accepted: ACCEPT });
  expect(expected['corrected']).toBeGreaterThan(0);

  peer.calls.length = 0;
  let child: { kill(signal: 'SIGKILL'): boolean } | undefined;
  peer.always((response, call, number) => {
    if (number === KILLED_AT) child?.kill('SIGKILL');
    else model(response, call, number);
  });
  const killed = await run('log', {
    onStart: (process) => {
      child = process;
    },
  });
  expect(killed.code).toBe(null);
  const paid = await paidBodies(join(folder, 'log'), { name: 'support-tickets', generation: 1 });
  expect(paid.size).toBeGreaterThan(0);

  peer.always(model);
  const before = peer.calls.length;
  const resumed = await run('log');
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(lastObject(resumed)).toMatchObject({
    accepted: ACCEPT,
    root: expected['root'],
    rejected: expected['rejected'],
    corrected: expected['corrected'],
  });
  expect(peer.calls.slice(before).filter(({ bytes }) => paid.has(bytes.toString('utf8')))).toEqual([]);

  await peer.close();
  const checks = await Promise.all(
    ['verify', 'replay'].map((command) => mizu([command, 'support-tickets', '--log', join(folder, 'log'), '--json'])),
  );
  expect(checks.map(({ code }) => code)).toEqual([0, 0]);
  peer = await openModelPeer();
});

test('without enough good candidates it stops by its budget, and says what took them', async () => {
  peer.always(
    judging({
      write: () => 'A letter that nobody likes, as it says nothing.',
      judge: () => scored({ about: 1, tone: 1 }),
      repair: () => 'And it is no better when it is written anew.',
    }),
  );
  const sets = ['writer', 'judge'].flatMap((name) => ['--set', `models.${name}.url=${peer.url}`]);
  const result = await mizu([
    'run',
    FILE,
    '--log',
    join(folder, 'log'),
    '--set',
    'accept=5',
    '--set',
    'budget.candidates=12',
    '--json',
    ...sets,
  ]);
  expect(result.code).toBe(1);
  expect(lastObject(result)).toMatchObject({ accepted: 0, candidates: 12, rejected: { quality: 12 } });
  expect(result.stderr + result.stdout).toMatch(/budget/i);
});
