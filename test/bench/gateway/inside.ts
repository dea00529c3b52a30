/** What the gateway costs without any network: signing and recording a call, and answering from what is recorded. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import { openGateway, type Transport } from '#connectors/inference';
import { canonicalBytes, type Question, recordedGateway, sha256, signerFromSeed, utf8, verifyStrict } from '#engine';
import { completion } from '../../support/model-peer.ts';
import { BucketServer, response } from '../../support/virtual-server.ts';
import { VirtualTime } from '../../support/virtual-time.ts';
import { openCaller } from '../../unit/connectors/inference/pace-bench.ts';

const TOPIC = 'bench.attestations';
const BARE = 'bench.bare';
/** As the envelope of such a question and answer. */
const ENTRY_BYTES = 3_000;
const SIGNER = signerFromSeed(sha256(utf8('bench')));
const NEVER = new AbortController().signal;
const BODY = utf8(completion('small', 'It leaks, it whistles at night, and its lid has never fitted. '.repeat(8)));
const instant: Transport = async () => ({ ...response(200, ''), body: BODY });

function question(candidate: number): Question {
  const content = `Complain about kettle ${candidate}, as somebody who has had enough of it. `.repeat(4);
  const request = canonicalBytes({ max_tokens: 120, messages: [{ content, role: 'user' }], model: 'small', seed: candidate });
  return { step: 'body', opDigest: sha256(utf8('op')), candidate, draw: 0, model: 'small', request };
}

export interface InsideFigures {
  /** One call after the other: asked, signed, committed, read back. */
  readonly msPerCallAlone: number;
  /** 64 at once: commits hold many. */
  readonly msPerCallAtOnce: number;
  readonly replayedPerSecond: number;
  /** One commit of an entry of that size on the same log: mostly what the disk takes to make it durable. */
  readonly msPerCommit: number;
  /** What node:crypto takes for the signature of one answer, microseconds: the floor of a replay. */
  readonly usPerSignatureCheck: number;
}

export async function benchInside(calls: number): Promise<InsideFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-bench-gateway-'));
  const log = await openEmbeddedLog({ directory: join(folder, 'log') });
  const local = openLocalStorage(join(folder, 'local'));
  try {
    for (const name of [TOPIC, BARE]) await log.createTopic({ name, partitions: 1, cleanup: 'keep' });
    const { network } = log;
    const models = { small: { url: 'http://server.test/v1' } };
    const common = { log, topic: TOPIC, network, signer: SIGNER, local };
    const gateway = await openGateway({ ...common, title: 'bench/1', models, env: () => undefined, transport: instant });
    const ask = async (n: number): Promise<void> => void (await gateway.ask(question(n), NEVER));
    for (let n = 0; n < 200; n++) await ask(n);
    const alone = await timed(async () => {
      for (let n = 0; n < calls; n++) await ask(1_000_000 + n);
    });
    const atOnce = await timed(() => parallel(64, calls, (n) => ask(2_000_000 + n)));
    await gateway.close();
    const writer = await log.openWriter('bench/bare');
    const bare = await timed(async () => {
      for (let n = 0; n < calls; n++)
        await writer.commit([{ topic: BARE, partition: 0, key: sha256(BODY), value: new Uint8Array(ENTRY_BYTES) }]);
    });
    await writer.close();
    const message = new Uint8Array(ENTRY_BYTES);
    const signature = SIGNER.sign(message);
    const checks = await timed(async () => {
      for (let n = 0; n < calls; n++) verifyStrict(SIGNER.publicKey, message, signature);
    });
    const replay = await recordedGateway({ ...common, trustedKeys: [SIGNER.publicKey] });
    const replayed = await timed(async () => {
      for (let n = 0; n < calls; n++) await replay.ask(question(1_000_000 + n), NEVER);
      for (let n = 0; n < calls; n++) await replay.ask(question(2_000_000 + n), NEVER);
    });
    await replay.close();
    return {
      msPerCallAlone: alone / calls,
      msPerCallAtOnce: atOnce / calls,
      replayedPerSecond: (2 * calls) / (replayed / 1_000),
      msPerCommit: bare / calls,
      usPerSignatureCheck: (checks / calls) * 1_000,
    };
  } finally {
    await local.close();
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Part of what a server allows that is used from second 30 on, and of all tries those that it put off: 20 a second, half a second each. */
export async function benchLimit(seed: number): Promise<{ readonly used: number; readonly putOff: number }> {
  const time = new VirtualTime(seed);
  const server = new BucketServer(time, { perSecond: 20, burst: 20, answerMs: [300, 700] });
  const caller = openCaller(time, server.call);
  for (let n = 0; n < 2_000; n++) void caller.ask().catch(() => undefined);
  await time.until(90_000);
  caller.stop();
  return { used: server.part(30_000, 90_000), putOff: server.putOff.length / (server.putOff.length + server.answered.length) };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** So many at once, until all are done. */
export async function parallel(width: number, count: number, one: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
