/**
 * Models, random numbers, quota and budget with the log on a real broker: a network comes to the root of a run in one process from the same recorded
 * answers, and is verified and replayed from Kafka alone (laws 1, 3, 7, 9; P8, P15). And an endpoint whose answers outlive its processes.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import {
  type Log,
  type LogEntry,
  openAttestation,
  readRun,
  replayRun,
  ROLES,
  type RunSummary,
  RunTopics,
  type ServeEvent,
  VRF_MODEL,
} from '#engine';
import { openLog, openSigner, recordedAnswers, registry, serveNetwork, WORKER_URL } from '#topologies';
import { deployFile, embeddedRun, summaryAtEnd } from '../support/asking-workflow.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { askGateway, type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { keepKey, LETTERS, letterModel, writeLetters } from '../support/judged-letters.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { commitVisibly, readAll } from '../support/log-tools.ts';
import { type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { quickFolder } from '../support/run-support.ts';

const LIMIT_MS = 240_000;
const PREFIX = `inference-${process.pid}-${Date.now()}`;
const TOPIC = new RunTopics(LETTERS).attestations;
const TOKEN = 'token-of-alice-5d2c77aa31';

/** Of `--deep`. */
interface Stored {
  readonly entries: number;
  readonly problems: unknown;
}

describeKafka('answers on a log on Kafka', (broker) => {
  const home = process.env['MIZU_HOME'];
  let folder: string;
  let peer: ModelPeer;

  beforeAll(async () => {
    peer = await openModelPeer();
  });
  afterAll(() => peer.close());
  beforeEach(() => {
    folder = quickFolder();
    process.env['MIZU_HOME'] = join(folder, 'home');
    peer.calls.length = 0;
    peer.always(letterModel);
  });
  afterEach(() => {
    if (home === undefined) delete process.env['MIZU_HOME'];
    else process.env['MIZU_HOME'] = home;
    rmSync(folder, { recursive: true, force: true });
  });

  /** A run in one process in a network of this name: what it came to, and its answers. The processes on Kafka have its key. */
  async function embedded(network: string, file: string): Promise<{ readonly summary: RunSummary; readonly answers: readonly LogEntry[] }> {
    const directory = join(folder, 'embedded');
    for (const place of [directory, join(folder, 'home', network)]) keepKey(place);
    const log = await openEmbeddedLog({ directory, network });
    try {
      const summary = await embeddedRun(log, file);
      return { summary, answers: await readAll(log, TOPIC, 0) };
    } finally {
      await log.close();
    }
  }

  /** Puts recorded answers into the run's topic before it has a gateway. */
  async function importAnswers(log: Log, answers: readonly LogEntry[]): Promise<void> {
    const writer = await log.openWriter(`${LETTERS.name}/${LETTERS.generation}/gateway`);
    await commitVisibly(
      writer,
      answers.map(({ key, value }) => ({ topic: TOPIC, partition: 0, key, value })),
    );
    await writer.close();
  }

  /** All roles, the node twice, each process with a connection of its own, until the run is finished. */
  async function play(address: string): Promise<{ readonly summary: RunSummary; readonly events: readonly ServeEvent[] }> {
    const stop = new AbortController();
    const events: ServeEvent[] = [];
    const process = async (name: string, roles: readonly (typeof ROLES)[number][]): Promise<void> => {
      const log = await openLog(address, { readOnly: false });
      try {
        const onEvent = (event: ServeEvent): void => void events.push(event);
        await serveNetwork({ log, name, roles: new Set(roles), workers: 1, env: () => undefined, signal: stop.signal, onEvent });
      } finally {
        await log.close();
      }
    };
    const work = [process('one', ROLES), process('two', ['node'])];
    const log = await openLog(address, { readOnly: true });
    try {
      return { summary: await summaryAtEnd(log, LETTERS, AbortSignal.timeout(LIMIT_MS)), events };
    } finally {
      await log.close();
      stop.abort();
      await Promise.all(work);
    }
  }

  it(
    'a network of two processes that imports half of the answers asks for the other half, and comes to the same root; verified and replayed from Kafka alone',
    async () => {
      const network = `${PREFIX}-letters`;
      const file = writeLetters(folder, peer.url, '{ tokens: 40000, requestBytes: 1800 }');
      const { summary: expected, answers } = await embedded(network, file);
      expect(expected).toMatchObject({ reason: 'budget', reports: { 'quota-product': { missing: {} } } });
      expect(expected.corrected).toBeGreaterThan(0);
      for (const step of ['quality', 'quota-product']) expect(expected.rejected[step]).toBeGreaterThan(0);
      const asked = peer.calls.length;
      const address = `kafka://${broker().brokers}/${network}`;
      const log = await openLog(address, { readOnly: false });
      const { publicKey } = openSigner(log);
      const isRandom = ({ value }: LogEntry): boolean => openAttestation(value, [publicKey]).model.name === VRF_MODEL;
      const half = answers.filter((entry, n) => isRandom(entry) || n < answers.length / 2);
      await deployFile(log, file);
      await importAnswers(log, half);
      await log.close();

      const { summary, events } = await play(address);
      expect(events.filter(({ type }) => type === 'trouble')).toEqual([]);
      expect(summary).toEqual({ ...expected, verifierKey: summary.verifierKey });
      expect(peer.calls.length - asked).toBe(answers.length - half.length);

      // Another machine, later, with the model gone.
      const calls = peer.calls.length;
      rmSync(join(folder, 'embedded'), { recursive: true });
      rmSync(join(folder, 'home'), { recursive: true });
      const reader = await openLog(address, { readOnly: true });
      const local = openLocalStorage(join(folder, 'local'));
      try {
        const run = await readRun(reader, LETTERS.name);
        const deep = await mizu(['verify', LETTERS.name, '--deep', '--json', '--log', address]);
        expect(deep.code, deep.stdout + deep.stderr).toBe(0);
        const { root, problems, storage } = lastObject(deep) as {
          readonly root: string;
          readonly problems: unknown;
          readonly storage: Stored;
        };
        expect([root, problems, storage.problems]).toEqual([expected.root, [], []]);
        expect(storage.entries).toBeGreaterThan(answers.length);
        const gateway = await recordedAnswers({ log: reader, run, local });
        const signal = new AbortController().signal;
        const replayed = await replayRun({ log: reader, run, registry, local, gateway, workerUrl: WORKER_URL, workers: 1, signal });
        expect(replayed).toMatchObject({ ok: true, candidates: expected.candidates, records: expected.accepted });
        await gateway?.close();
      } finally {
        await local.close();
        await reader.close();
      }
      expect(peer.calls).toHaveLength(calls);
    },
    LIMIT_MS,
  );

  it(
    'an endpoint asked twice gives one answer, and its attestation is there by id after a restart',
    async () => {
      const config = join(folder, 'gateway.yaml');
      writeFileSync(
        config,
        `mizu: 1\nmodels: { small: { url: "${peer.url}", model: smollm2 } }\ncallers: { alice: { tokenEnv: ALICE_TOKEN, tokensPerDay: 30 } }\n`,
      );
      const start = (): Promise<GatewayProcess> =>
        startGatewayProcess(['--config', config, '--log', `kafka://${broker().brokers}/${PREFIX}-endpoint`, '--id', 'g'], {
          ALICE_TOKEN: TOKEN,
          MIZU_HOME: join(folder, 'home'),
        });
      const get = (address: string, path: string): Promise<Response> =>
        fetch(`${address}/v1/${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
      let gateway = await start();
      try {
        const first = await askGateway(gateway.address, TOKEN, 'kettle');
        const text = await first.text();
        const id = first.headers.get('mizu-attestation') ?? '';
        const again = await askGateway(gateway.address, TOKEN, 'kettle');
        expect([again.headers.get('mizu-recorded'), await again.text()]).toEqual(['true', text]);
        const envelope = await (await get(gateway.address, `attestations/${id}`)).text();
        gateway.process.kill('SIGKILL');
        await gateway.ended;

        gateway = await start();
        expect(await (await get(gateway.address, `attestations/${id}`)).text()).toBe(envelope);
        const { publicKey } = (await (await get(gateway.address, 'key')).json()) as { readonly publicKey: string };
        const attestation = openAttestation(Buffer.from(envelope), [Buffer.from(publicKey, 'hex')]);
        expect([attestation.step, Buffer.from(attestation.response).toString()]).toEqual(['alice/kettle', text]);
        const later = await askGateway(gateway.address, TOKEN, 'kettle');
        expect([later.headers.get('mizu-recorded'), await later.text()]).toEqual(['true', text]);
        expect(peer.calls).toHaveLength(1);
        // 18 tokens of 30 were used before the restart: one more answer, and no third.
        expect((await askGateway(gateway.address, TOKEN, 'lamp')).status).toBe(200);
        expect((await askGateway(gateway.address, TOKEN, 'chair')).status).toBe(429);
      } finally {
        gateway.process.kill('SIGKILL');
        await gateway.ended;
      }
    },
    LIMIT_MS,
  );
});
