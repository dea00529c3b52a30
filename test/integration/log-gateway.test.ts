/** Members ask the gateway through the log, each under a key of its own, and come to the root of a run in one process (laws 1, 3, 7; P8, P9). */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalStorage } from '#connectors/embedded';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  gatewayKeys,
  type Log,
  openAttestation,
  openKeyFile,
  readRun,
  replayRun,
  type Role,
  RunTopics,
  type ServeEvent,
  verifyRun,
} from '#engine';
import { openLog, openSigner, recordedAnswers, registry, serveNetwork, WORKER_URL } from '#topologies';
import { deployFile, embeddedRun, summaryAtEnd, writeAsking } from '../support/asking-workflow.ts';
import { readAll } from '../support/log-tools.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';

const CANDIDATES = 12;
const RUN = { name: 'tickets', generation: 1 };

let folder: string;
let peer: ModelPeer;
let file: string;
let stop: AbortController;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-log-gateway-'));
  mkdirSync(join(folder, 'keys'));
  peer = await openModelPeer();
  // Answers as a function of the request alone, as a seeded model does.
  peer.always((response, call) => good(response, call, call.body.seed));
  file = writeAsking(folder, { url: peer.url, candidates: CANDIDATES, taskSize: 2 });
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

const directory = (): string => join(folder, 'log');
const keyOf = (name: string): string => join(folder, 'keys', `${name}.pem`);

interface Part {
  readonly events: ServeEvent[];
  readonly done: Promise<void>;
}

/** One process's part of the network, in this process: a log handle and a key of its own. */
function part(name: string, ...roles: Role[]): Part {
  const events: ServeEvent[] = [];
  const serving = async (): Promise<void> => {
    const log = await openLog(directory(), { readOnly: false });
    const keyFile = roles.includes('orchestrator') || roles.includes('checkpointer') ? undefined : keyOf(name);
    const onEvent = (event: ServeEvent): void => void events.push(event);
    try {
      await serveNetwork({ log, name, roles: new Set(roles), workers: 1, keyFile, env: () => undefined, signal: stop.signal, onEvent });
    } finally {
      await log.close();
    }
  };
  return { events, done: serving() };
}

async function withLog<T>(use: (log: Log) => Promise<T>): Promise<T> {
  const log = await openLog(directory(), { readOnly: false });
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

describe('a run whose gateway is another process', () => {
  test('comes to the root of a run in one process, pays each question once, verifies and replays', async () => {
    const other = await openLog(join(folder, 'other'), { readOnly: false });
    const expected = await embeddedRun(other, file);
    await other.close();
    peer.calls.length = 0;
    await withLog(async (log) => {
      await deployFile(log, file);
      openSigner(log);
      const parts = [part('brain', 'orchestrator', 'checkpointer'), part('a', 'node'), part('b', 'node'), part('g', 'gateway')];
      const summary = await summaryAtEnd(log, RUN, AbortSignal.timeout(40_000));
      expect(summary).toMatchObject({ root: expected.root, treeSize: expected.treeSize, accepted: expected.accepted });
      expect(peer.calls).toHaveLength(CANDIDATES);

      const run = await readRun(log, RUN.name);
      const keys = await gatewayKeys(log, RUN, openSigner(log).publicKey);
      expect(keys.map((key) => Buffer.from(key).toString('hex'))).toEqual(
        [openSigner(log), openKeyFile(keyOf('g'))].map(({ publicKey }) => Buffer.from(publicKey).toString('hex')),
      );
      for (const { value } of await readAll(log, new RunTopics(RUN).attestations, 0))
        openAttestation(value, [openKeyFile(keyOf('g')).publicKey]);
      expect((await verifyRun(log, run)).problems).toEqual([]);
      const local = openLocalStorage(join(folder, 'local'));
      const gateway = await recordedAnswers({ log, run, local });
      const replayed = await replayRun({ log, run, registry, local, gateway, workerUrl: WORKER_URL, workers: 1, signal: stop.signal });
      expect(replayed).toMatchObject({ ok: true, candidates: CANDIDATES });
      await gateway?.close();
      await local.close();
      stop.abort();
      await Promise.all(parts.map(({ done }) => done));
      expect(parts.flatMap(({ events }) => events).filter(({ type }) => type === 'trouble')).toEqual([]);
    });
  }, 60_000);

  test('waits for a gateway that comes later, and says so', async () => {
    await withLog(async (log) => {
      await deployFile(log, file);
      const brain = part('brain', 'orchestrator', 'checkpointer');
      const node = part('a', 'node');
      const told = (): boolean =>
        node.events.some((event) => event.type === 'event' && event.event.type === 'failed' && event.event.name === 'gateway');
      const { questions } = new RunTopics(RUN);
      // Its first question stands in the log, and nobody answers it.
      await expect
        .poll(async () => (await Promise.all([0, 1].map((n) => log.end(questions, n)))).some((end) => end > 0), { timeout: 20_000 })
        .toBe(true);
      await expect.poll(told, { timeout: 5_000 }).toBe(true);
      expect(peer.calls).toHaveLength(0);
      const gateway = part('g', 'gateway');
      expect(await summaryAtEnd(log, RUN, AbortSignal.timeout(40_000))).toMatchObject({ accepted: CANDIDATES });
      expect(peer.calls).toHaveLength(CANDIDATES);
      stop.abort();
      await Promise.all([brain, node, gateway].map(({ done }) => done));
    });
  }, 60_000);
});
