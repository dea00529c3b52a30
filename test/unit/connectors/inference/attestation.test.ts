import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Attestation,
  attestationKey,
  canonicalJson,
  INFERENCE_PREDICATE_TYPE,
  openAttestation,
  parseStrictJson,
  type Question,
  readAttestations,
  recordedGateway,
  sha256,
  signAttestation,
  signStatement,
  statement,
  toHex,
  utf8,
} from '#engine';
import { commitVisibly, rejection } from '../../../support/log-tools.ts';
import { type Bench, NO_SIGNAL, openBench, OTHER_SIGNER, question, SIGNER, TOPIC } from './gateway-bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

function attestationOf(asked: Question, network: string, response = 'It leaks.'): Attestation {
  const model = { name: asked.model, asked: 'smollm2', answered: 'smollm2' };
  const { step, opDigest, candidate, draw, request } = asked;
  const facts = { outcome: { kind: 'answer' }, status: 200, finishReason: 'stop', usage: undefined } as const;
  return { network, step, opDigest, candidate, draw, model, request, response: utf8(response), ...facts };
}

/** Puts an envelope under a question's key and asks that question, in a replay and of a live gateway. */
async function askAfter(
  envelope: Uint8Array,
  asked: Question,
): Promise<{ replayed: Error & { code?: string }; live: Error & { code?: string } }> {
  const { log, local } = bench;
  const writer = await log.openWriter('forger');
  await commitVisibly(writer, [{ topic: TOPIC, partition: 0, key: attestationKey(log.network, asked), value: envelope }]);
  await writer.close();
  const replay = await recordedGateway({ log, topic: TOPIC, network: log.network, trustedKeys: [SIGNER.publicKey], local });
  const replayed = await rejection(replay.ask(asked, NO_SIGNAL));
  await replay.close();
  const gateway = await bench.open();
  return { replayed, live: await rejection(gateway.ask(asked, NO_SIGNAL)) };
}

describe('an answer belongs to its question alone (law 7)', () => {
  const moves: readonly (readonly [string, Partial<Question>, string])[] = [
    ['another candidate', { candidate: 2 }, 'candidate 2, and the question is of candidate 1'],
    ['another draw', { draw: 3 }, 'draw 3'],
    ['another step', { step: 'title' }, "step 'title'"],
    ['another op', { opDigest: sha256(utf8('other op')) }, toHex(sha256(utf8('other op')))],
    ['another model', { model: 'large' }, "model 'large'"],
    ['another request', { request: utf8('{"model":"small"}') }, `request ${toHex(sha256(utf8('{"model":"small"}')))}`],
  ];
  test.each(moves)('the signed answer to %s is refused by name', async (_name, moved, says) => {
    const envelope = signAttestation(attestationOf(question(1, moved), bench.log.network), SIGNER);
    for (const error of Object.values(await askAfter(envelope, question(1)))) {
      expect(error.code).toBe('PROOF_INVALID');
      expect(error.message).toContain("for candidate 1 in step 'body' is refused");
      expect(error.message).toContain(says);
    }
    expect(bench.peer.calls).toHaveLength(0);
  });

  test('an answer of another network is refused', async () => {
    const { live } = await askAfter(signAttestation(attestationOf(question(1), 'elsewhere'), SIGNER), question(1));
    expect(live.message).toContain("network 'elsewhere'");
  });

  test('two signed answers that were swapped in the log are refused, and so is their listing', async () => {
    const { log, local } = bench;
    const [one, two] = [1, 2].map((candidate) => signAttestation(attestationOf(question(candidate), log.network), SIGNER));
    const writer = await log.openWriter('forger');
    const place = (candidate: number, value: Uint8Array = utf8('')) => ({
      topic: TOPIC,
      partition: 0,
      key: attestationKey(log.network, question(candidate)),
      value,
    });
    await commitVisibly(writer, [place(1, two), place(2, one)]);
    await writer.close();
    const replay = await recordedGateway({ log, topic: TOPIC, network: log.network, trustedKeys: [SIGNER.publicKey], local });
    for (const candidate of [1, 2]) expect((await rejection(replay.ask(question(candidate), NO_SIGNAL))).code).toBe('PROOF_INVALID');
    await replay.close();
    const listing = (async () => {
      for await (const _ of readAttestations(log, TOPIC, [SIGNER.publicKey]));
    })();
    expect((await rejection(listing)).message).toContain(`Attestation 0 of topic '${TOPIC}' stands under the key of another question`);
  });

  test('the first answer under a key stays, whatever comes later', async () => {
    const { log, local } = bench;
    const writer = await log.openWriter('gateways');
    for (const response of ['first', 'second', 'third']) {
      const value = signAttestation(attestationOf(question(1), log.network, response), SIGNER);
      await commitVisibly(writer, [{ topic: TOPIC, partition: 0, key: attestationKey(log.network, question(1)), value }]);
    }
    await writer.close();
    const replay = await recordedGateway({ log, topic: TOPIC, network: log.network, trustedKeys: [SIGNER.publicKey], local });
    expect(Buffer.from((await replay.ask(question(1), NO_SIGNAL)).response).toString()).toBe('first');
    await replay.close();
  });
});

describe('a signature covers every byte', () => {
  test('an answer signed by somebody else is refused', async () => {
    const { replayed } = await askAfter(signAttestation(attestationOf(question(1), bench.log.network), OTHER_SIGNER), question(1));
    expect(replayed.message).toContain('0 of 1 trusted keys signed');
  });

  test('no change of the payload survives, not even of its form', () => {
    const envelope = Buffer.from(signAttestation(attestationOf(question(1), 'n'), SIGNER)).toString();
    const { payload, payloadType, signatures } = parseStrictJson(envelope) as {
      payload: string;
      payloadType: string;
      signatures: { keyid: string; sig: string }[];
    };
    const text = Buffer.from(payload, 'base64').toString();
    const changes = [
      text.replace('"candidate":1', '"candidate":2'),
      text.replace(Buffer.from('It leaks.').toString('base64'), Buffer.from('It burns.').toString('base64')),
      text.replace('"finishReason":"stop"', '"finishReason":"length"'),
      text.replace('"answered":"smollm2"', '"answered":"gpt-4o"'),
      JSON.stringify(JSON.parse(text), null, 1),
    ];
    for (const changed of changes) {
      expect(changed).not.toBe(text);
      const forged = canonicalJson({ payload: Buffer.from(changed).toString('base64'), payloadType, signatures });
      expect(() => openAttestation(utf8(forged), [SIGNER.publicKey])).toThrow(/0 of 1 trusted keys/);
    }
  });

  test('a signed statement whose bytes and digests disagree, or of another type, is refused', () => {
    const good = Buffer.from(signAttestation(attestationOf(question(1), 'n'), SIGNER)).toString();
    const { payload } = parseStrictJson(good) as { payload: string };
    const { subject, predicate } = parseStrictJson(Buffer.from(payload, 'base64')) as {
      subject: { name: string; digest: { sha256: string } }[];
      predicate: { [key: string]: string };
    };
    const sign = (type: string, more: { [key: string]: string }): Uint8Array =>
      utf8(signStatement(statement(subject, type, { ...predicate, ...more }), [SIGNER]));
    expect(openAttestation(sign(INFERENCE_PREDICATE_TYPE, {}), [SIGNER.publicKey]).candidate).toBe(1);
    const response = Buffer.from('It burns.').toString('base64');
    expect(() => openAttestation(sign(INFERENCE_PREDICATE_TYPE, { response }), [SIGNER.publicKey])).toThrow(
      /its response bytes do not have the digest/,
    );
    expect(() => openAttestation(sign('https://example.com/other', {}), [SIGNER.publicKey])).toThrow(/its predicate is/);
    expect(() => openAttestation(sign(INFERENCE_PREDICATE_TYPE, { candidate: 'one' }), [SIGNER.publicKey])).toThrow(
      /'predicate.candidate' is not a whole number/,
    );
  });
});
