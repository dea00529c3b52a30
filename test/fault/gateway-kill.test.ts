/**
 * kill -9 of the gateway in mid-run, on both logs (laws 1, 4, 7, 9; P8): another member is appointed and reads on. What was recorded is not asked again, nothing is
 * lost, and the root is that of an undisturbed run. The same for a node that waits for its answers.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openAttestation, openKeyFile, parseStrictJson, readRun, RunTopics, verifyRun } from '#engine';
import { openLog, openSigner } from '#topologies';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { deployFile, embeddedRun, summaryAtEnd, writeAsking } from '../support/asking-workflow.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { readAll } from '../support/log-tools.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { type RoleProcess, startRoles } from '../support/role-child.ts';

const RUN = { name: 'tickets', generation: 1 };
const TOPICS = new RunTopics(RUN);
const CANDIDATES = 48;
/** Whoever is to die does at this call: tasks are complete by then, others on their way. */
const KILL_AT = 20;
/** Far beyond what it takes. */
const LIMIT_MS = 240_000;
/** Calls that a gateway lets run to one model at once: so many of the dead one may still reach the server after its end was seen. */
const CALLS_AT_ONCE = 8;

let folder: string;
let peer: ModelPeer;
let children: RoleProcess[];
let home: string | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-gateway-kill-'));
  peer = await openModelPeer();
  children = [];
  home = process.env['MIZU_HOME'];
  process.env['MIZU_HOME'] = join(folder, 'home');
});
afterEach(async () => {
  for (const child of children) child.process.kill('SIGKILL');
  await Promise.all(children.map(({ ended }) => ended));
  await peer.close();
  if (home === undefined) delete process.env['MIZU_HOME'];
  else process.env['MIZU_HOME'] = home;
  rmSync(folder, { recursive: true, force: true });
});

describe('a gateway that is killed', () => {
  test(
    'is followed by another, which pays for nothing that was recorded, and the root is the same',
    async () => {
      await killGateway(join(folder, 'log'));
    },
    LIMIT_MS,
  );
});

describeKafka('a gateway that is killed, on Kafka', (broker) => {
  test(
    'is followed by another, which pays for nothing that was recorded, and the root is the same',
    async () => {
      await killGateway(`kafka://${broker().brokers}/gateway-kill-${randomUUID().slice(0, 8)}`);
    },
    LIMIT_MS,
  );
});

test(
  'a node that is killed while it waits for answers costs none of them: others go on, and each question is paid once',
  async () => {
    const { log, start, expected } = await deployed(join(folder, 'log'));
    start('g0', ['gateway']);
    start('brain', ['orchestrator', 'checkpointer']);
    const node = start('a', ['node']);
    let others: RoleProcess | undefined;
    peer.always((response, call, number) => {
      if (number === KILL_AT) {
        node.process.kill('SIGKILL');
        others = start('b', ['node']);
      }
      good(response, call, call.body.seed);
    });
    const summary = await summaryAtEnd(log, RUN, AbortSignal.timeout(LIMIT_MS));
    expect(others).toBeDefined();
    expect(summary).toMatchObject({ root: expected.root, treeSize: expected.treeSize, candidates: CANDIDATES });
    expect(await readAll(log, TOPICS.attestations, 0)).toHaveLength(CANDIDATES);
    expect(new Set(peer.calls.map(({ bytes }) => seedOf(bytes))).size).toBe(CANDIDATES);
    expect(peer.calls).toHaveLength(CANDIDATES);
    expect((await verifyRun(log, await readRun(log, RUN.name))).problems).toEqual([]);
    await log.close();
  },
  LIMIT_MS,
);

/** The workflow on a log, with what it comes to in one process. @param address of the log. */
async function deployed(address: string) {
  peer.always((response, call) => good(response, call, call.body.seed));
  const file = writeAsking(folder, { url: peer.url, candidates: CANDIDATES, taskSize: 4 });
  const other = await openLog(join(folder, 'other'), { readOnly: false });
  const expected = await embeddedRun(other, file);
  await other.close();
  peer.calls.length = 0;

  const log = await openLog(address, { readOnly: false });
  const keyFile = join(folder, 'run.pem');
  openSigner(log, keyFile);
  await deployFile(log, file);
  const start = (name: string, roles: Parameters<typeof startRoles>[0]['roles']): RoleProcess => {
    const child = startRoles({
      log: address,
      name,
      roles,
      keyFile: roles.includes('orchestrator') ? keyFile : join(folder, `${name}.pem`),
    });
    children.push(child);
    return child;
  };
  return { log, start, expected };
}

/** @param address of the log. */
async function killGateway(address: string): Promise<void> {
  const { log, start, expected } = await deployed(address);
  // The server answers in the middle of the run only once the first gateway is gone.
  const first = start('g0', ['gateway']);
  start('brain', ['orchestrator', 'checkpointer']);
  start('a', ['node']);
  await first.until((line) => line.type === 'lease' && line['name'] === 'gateway' && line['held'] === true);
  start('g1', ['gateway']);
  const killed = new Promise<void>((resolve) => {
    peer.always((response, call, number) => {
      if (number === KILL_AT) {
        first.process.kill('SIGKILL');
        resolve();
      } else good(response, call, call.body.seed);
    });
  });
  await killed;
  await first.ended;
  const paid = peer.calls.length;

  const summary = await summaryAtEnd(log, RUN, AbortSignal.timeout(LIMIT_MS));
  const answers = await readAll(log, TOPICS.attestations, 0);
  expect(answers).toHaveLength(CANDIDATES);
  // What it sent before it died may become readable later: its signature tells.
  const { publicKey } = openKeyFile(join(folder, 'g0.pem'));
  const recorded = answers.filter(({ value }) => isSignedBy(value, publicKey)).map(({ value }) => requestOf(value));
  expect(recorded.length).toBeGreaterThan(0);
  expect(recorded.length).toBeLessThan(CANDIDATES);
  expect(summary).toMatchObject({ root: expected.root, treeSize: expected.treeSize, candidates: CANDIDATES });
  const later = peer.calls.slice(paid).map(({ bytes }) => seedOf(bytes));
  expect(later.filter((seed) => recorded.includes(seed))).toEqual([]);
  expect(new Set(later).size).toBe(CANDIDATES - recorded.length);
  expect(later.length).toBeLessThanOrEqual(CANDIDATES - recorded.length + CALLS_AT_ONCE);
  const appointed = (await readAll(log, TOPICS.control, 0))
    .map(({ value }) => decodeControl(value).body)
    .filter((body) => body.type === 'appoint' && body.role === 'gateway');
  expect(appointed).toHaveLength(2);
  expect((await verifyRun(log, await readRun(log, RUN.name))).problems).toEqual([]);
  await log.close();
}

function isSignedBy(envelope: Uint8Array, key: Uint8Array): boolean {
  try {
    openAttestation(envelope, [key]);
    return true;
  } catch {
    return false;
  }
}

/** The seed of a call tells its question: each candidate has its own. */
function seedOf(body: Uint8Array): number {
  return (JSON.parse(Buffer.from(body).toString('utf8')) as { seed: number }).seed;
}

function requestOf(envelope: Uint8Array): number {
  const { payload } = parseStrictJson(envelope) as { payload: string };
  const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as { predicate: { request: string } };
  return seedOf(Buffer.from(predicate.request, 'base64'));
}
