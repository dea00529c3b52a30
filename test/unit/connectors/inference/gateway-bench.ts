/** A gateway on a log of its own, in front of a peer that speaks the protocol, with virtual pauses; and questions to ask it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import { type GatewayOptions, type InferenceGateway, openGateway, type Timing } from '#connectors/inference';
import { canonicalBytes, type Log, type LocalStorage, type Question, sha256, type Signer, signerFromSeed, utf8 } from '#engine';
import { type ModelPeer, openModelPeer } from '../../../support/model-peer.ts';

export const TITLE = 'tickets/1';
export const TOPIC = 'tickets.1.attestations';
export const EARLIER = 'tickets.0.attestations';
export const KEY = 'sk-canary-3f7b/90aa+be21';
export const SIGNER: Signer = signerFromSeed(sha256(utf8('gateway')));
export const OTHER_SIGNER: Signer = signerFromSeed(sha256(utf8('somebody else')));
export const NO_SIGNAL: AbortSignal = new AbortController().signal;

export interface Bench {
  readonly log: Log;
  readonly local: LocalStorage;
  readonly peer: ModelPeer;
  /** Pauses that were asked for, milliseconds; each passes at once. */
  readonly pauses: number[];
  /** Lets time pass. */
  pass(ms: number): void;
  open(more?: Partial<GatewayOptions>): Promise<InferenceGateway>;
  close(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-gateway-'));
  const log = await openEmbeddedLog({ directory: join(folder, 'log') });
  const local = openLocalStorage(join(folder, 'local'));
  const peer = await openModelPeer();
  for (const name of [TOPIC, EARLIER]) await log.createTopic({ name, partitions: 1, cleanup: 'keep' });
  const pauses: number[] = [];
  let now = Date.UTC(2026, 0, 1);
  const timing: Timing = {
    async sleep(ms, signal) {
      signal.throwIfAborted();
      pauses.push(ms);
      now += ms;
    },
    random: () => 0.5,
    now: () => now,
    date: () => now,
  };
  const gateways: InferenceGateway[] = [];
  return {
    log,
    local,
    peer,
    pauses,
    pass(ms) {
      now += ms;
    },
    async open(more = {}) {
      const models = { small: { url: peer.url, model: 'smollm2', keyEnv: 'SMALL_KEY' } };
      const env = (name: string): string | undefined => (name === 'SMALL_KEY' ? KEY : undefined);
      const gateway = await openGateway({
        log,
        title: TITLE,
        topic: TOPIC,
        network: log.network,
        models,
        signer: SIGNER,
        local,
        env,
        timing,
        limits: { callMs: 5_000 },
        ...more,
      });
      gateways.push(gateway);
      return gateway;
    },
    async close() {
      for (const gateway of gateways) await gateway.close();
      await peer.close();
      await local.close();
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function question(candidate: number, more: Partial<Question> = {}, prompt = `Complain about kettle ${candidate}.`): Question {
  return {
    step: 'body',
    opDigest: sha256(utf8('op')),
    candidate,
    draw: 0,
    model: 'small',
    request: canonicalBytes({ messages: [{ content: prompt, role: 'user' }], model: 'small', seed: 5 }),
    ...more,
  };
}
