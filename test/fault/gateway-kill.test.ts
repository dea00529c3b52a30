/**
 * kill -9 of the gateway in mid-run (laws 1, 4, 7; P8): another member is appointed and reads on. What was recorded is not asked again, nothing is
 * lost, and the root is that of an undisturbed run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseStrictJson, readRun, RunTopics, verifyRun } from '#engine';
import { openLog, openSigner } from '#topologies';
import { decodeControl } from '../../engine/dispatch/control-entry.ts';
import { deployFile, embeddedRun, summaryAtEnd, writeAsking } from '../support/asking-workflow.ts';
import { readAll } from '../support/log-tools.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { type RoleProcess, startRoles } from '../support/role-child.ts';

const RUN = { name: 'tickets', generation: 1 };
const TOPICS = new RunTopics(RUN);
const CANDIDATES = 48;
/** Calls that a gateway lets run to one model at once: so many of the dead one may still reach the server after its end was seen. */
const CALLS_AT_ONCE = 8;

let folder: string;
let peer: ModelPeer;
let children: RoleProcess[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-gateway-kill-'));
  peer = await openModelPeer();
  children = [];
});
afterEach(async () => {
  for (const child of children) child.process.kill('SIGKILL');
  await Promise.all(children.map(({ ended }) => ended));
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a gateway that is killed', () => {
  test('is followed by another, which pays for nothing that was recorded, and the root is the same', async () => {
    peer.always((response, call) => good(response, call, call.body.seed));
    const file = writeAsking(folder, { url: peer.url, candidates: CANDIDATES, taskSize: 4 });
    const other = await openLog(join(folder, 'other'), { readOnly: false });
    const expected = await embeddedRun(other, file);
    await other.close();
    peer.calls.length = 0;

    const directory = join(folder, 'log');
    const log = await openLog(directory, { readOnly: false });
    openSigner(log);
    await deployFile(log, file);
    const start = (name: string, roles: Parameters<typeof startRoles>[0]['roles']): RoleProcess => {
      const child = startRoles({
        log: directory,
        name,
        roles,
        ...(roles.includes('orchestrator') ? {} : { keyFile: join(folder, `${name}.pem`) }),
      });
      children.push(child);
      return child;
    };
    // The server answers in the middle of the run only once the first gateway is gone.
    const killAt = 20;
    const first = start('g0', ['gateway']);
    start('brain', ['orchestrator', 'checkpointer']);
    start('a', ['node']);
    await first.until((line) => line.type === 'lease' && line['name'] === 'gateway' && line['held'] === true);
    start('g1', ['gateway']);
    const killed = new Promise<void>((resolve) => {
      peer.always((response, call, number) => {
        if (number === killAt) {
          first.process.kill('SIGKILL');
          resolve();
        } else good(response, call, call.body.seed);
      });
    });
    await killed;
    await first.ended;
    const recorded = (await readAll(log, TOPICS.attestations, 0)).map(({ value }) => requestOf(value));
    const paid = peer.calls.length;
    expect(recorded.length).toBeGreaterThan(0);

    const summary = await summaryAtEnd(log, RUN, AbortSignal.timeout(60_000));
    expect(summary).toMatchObject({ root: expected.root, treeSize: expected.treeSize, candidates: CANDIDATES });
    const later = peer.calls.slice(paid).map(({ bytes }) => seedOf(bytes));
    expect(later.filter((seed) => recorded.includes(seed))).toEqual([]);
    expect(new Set(later).size).toBe(CANDIDATES - recorded.length);
    expect(later.length).toBeLessThanOrEqual(CANDIDATES - recorded.length + CALLS_AT_ONCE);
    const answers = await readAll(log, TOPICS.attestations, 0);
    expect(answers).toHaveLength(CANDIDATES);
    const appointed = (await readAll(log, TOPICS.control, 0))
      .map(({ value }) => decodeControl(value).body)
      .filter((body) => body.type === 'appoint' && body.role === 'gateway');
    expect(appointed).toHaveLength(2);
    expect((await verifyRun(log, await readRun(log, RUN.name))).problems).toEqual([]);
    await log.close();
  }, 120_000);
});

/** The seed of a call tells its question: each candidate has its own. */
function seedOf(body: Uint8Array): number {
  return (JSON.parse(Buffer.from(body).toString('utf8')) as { seed: number }).seed;
}

function requestOf(envelope: Uint8Array): number {
  const { payload } = parseStrictJson(envelope) as { payload: string };
  const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as { predicate: { request: string } };
  return seedOf(Buffer.from(predicate.request, 'base64'));
}
