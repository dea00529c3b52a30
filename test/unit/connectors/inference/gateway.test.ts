import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, attestationKey, fromUtf8, openAttestation, parseStrictJson, readAttestations, recordedGateway } from '#engine';
import { raw, silent, status } from '../../../support/model-peer.ts';
import { readAll, rejection } from '../../../support/log-tools.ts';
import { type Bench, EARLIER, KEY, NO_SIGNAL, openBench, question, SIGNER, TOPIC } from './gateway-bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

function textOf(answer: Answer): string {
  return fromUtf8(answer.response);
}

describe('one question has one answer (law 7)', () => {
  test('asked again, the recorded answer comes back and nobody is called', async () => {
    const gateway = await bench.open();
    const first = await gateway.ask(question(1), NO_SIGNAL);
    expect(textOf(first)).toContain('Answer 1 to: Complain about kettle 1.');
    expect(await gateway.ask(question(1), NO_SIGNAL)).toEqual(first);
    expect(bench.peer.calls).toHaveLength(1);
    expect(gateway.counts).toMatchObject({ questions: 2, recorded: 1, calls: 1, tokens: 18 });
  });

  test('a gateway that is opened later gives what was recorded before', async () => {
    const before = await bench.open();
    const first = await before.ask(question(1), NO_SIGNAL);
    await before.close();
    const after = await bench.open();
    expect(await after.ask(question(1), NO_SIGNAL)).toEqual(first);
    expect(bench.peer.calls).toHaveLength(1);
  });

  test('equal questions at the same time make one call and get one answer', async () => {
    const gateway = await bench.open();
    const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.ask(question(1), NO_SIGNAL)));
    expect(new Set(answers.map(textOf)).size).toBe(1);
    expect(bench.peer.calls).toHaveLength(1);
    expect(gateway.counts.joined).toBe(19);
    expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(1);
  });

  test('another candidate, draw, step, op or request is another question', async () => {
    const gateway = await bench.open();
    const others = [question(1), question(2, { request: question(1).request }), question(1, { draw: 1 }), question(1, { step: 'other' })];
    others.push(question(1, { opDigest: new Uint8Array(32) }), question(1, {}, 'Something else'));
    for (const other of others) await gateway.ask(other, NO_SIGNAL);
    expect(bench.peer.calls).toHaveLength(others.length);
    expect(new Set(others.map((other) => Buffer.from(attestationKey('n', other)).toString('hex'))).size).toBe(others.length);
  });

  test('what an earlier generation recorded is used and copied once, so that the run stands by itself', async () => {
    const before = await bench.open({ title: 'tickets/0', topic: EARLIER });
    const first = await before.ask(question(1), NO_SIGNAL);
    const gateway = await bench.open({ earlier: [EARLIER] });
    for (let n = 0; n < 3; n++) expect(await gateway.ask(question(1), NO_SIGNAL)).toEqual(first);
    expect(bench.peer.calls).toHaveLength(1);
    expect((await readAll(bench.log, TOPIC, 0)).map((entry) => entry.value)).toEqual(
      (await readAll(bench.log, EARLIER, 0)).map((entry) => entry.value),
    );
  });

  test('an answer is committed before it is returned', async () => {
    const gateway = await bench.open();
    await gateway.ask(question(1), NO_SIGNAL);
    const keys = (await readAll(bench.log, TOPIC, 0)).map((entry) => Buffer.from(entry.key ?? []));
    expect(keys).toEqual([attestationKey(bench.log.network, question(1))]);
  });

  test('a gateway that was taken over answers nothing new, and asks nobody', async () => {
    const old = await bench.open();
    const current = await bench.open();
    expect((await rejection(old.ask(question(1), NO_SIGNAL))).code).toBe('LOG_FENCED');
    expect((await rejection(old.ask(question(2), NO_SIGNAL))).code).toBe('LOG_FENCED');
    expect(bench.peer.calls).toHaveLength(1);
    expect(textOf(await current.ask(question(1), NO_SIGNAL))).toContain('Answer 2');
    expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(1);
  });

  test('whoever gives up waiting does not end the call of another, and a call of nobody is still recorded', async () => {
    let finish = (): void => {};
    bench.peer.next((response, call) => {
      finish = () => response.end(JSON.stringify({ model: call.body.model, choices: [] }));
      arrived();
    });
    let arrived = (): void => {};
    const calling = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const gateway = await bench.open();
    const leaver = new AbortController();
    const given = gateway.ask(question(1), leaver.signal);
    await calling;
    leaver.abort();
    expect((await rejection(given)).code).toBe('INTERRUPTED');
    const later = gateway.ask(question(1), NO_SIGNAL);
    finish();
    expect(parseStrictJson((await later).response)).toMatchObject({ choices: [] });
    expect(bench.peer.calls).toHaveLength(1);
  });
});

describe('an attestation says what was asked and what came back', () => {
  test('exact bytes, binding, models, usage and finish reason are signed', async () => {
    const gateway = await bench.open();
    const asked = question(7, { draw: 2 });
    const answer = await gateway.ask(asked, NO_SIGNAL);
    const [entry] = await readAll(bench.log, TOPIC, 0);
    const attestation = openAttestation(entry?.value ?? new Uint8Array(0), [SIGNER.publicKey]);
    expect(attestation).toMatchObject({
      network: bench.log.network,
      step: 'body',
      candidate: 7,
      draw: 2,
      model: { name: 'small', asked: 'smollm2', answered: 'smollm2' },
      outcome: { kind: 'answer' },
      status: 200,
      finishReason: 'stop',
      usage: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
    });
    expect(Buffer.from(attestation.request)).toEqual(Buffer.from(asked.request));
    expect(Buffer.from(attestation.response)).toEqual(Buffer.from(answer.response));
    expect(bench.peer.calls[0]?.bytes.toString()).toBe(fromUtf8(asked.request).replace('"model":"small"', '"model":"smollm2"'));
  });

  test('a replay needs no server, and checks what it reads', async () => {
    const gateway = await bench.open();
    const answers = [await gateway.ask(question(1), NO_SIGNAL), await gateway.ask(question(2), NO_SIGNAL)];
    await bench.peer.close();
    const { log, local } = bench;
    const replay = await recordedGateway({ log, topic: TOPIC, network: log.network, trustedKeys: [SIGNER.publicKey], local });
    expect([await replay.ask(question(1), NO_SIGNAL), await replay.ask(question(2), NO_SIGNAL)]).toEqual(answers);
    const missing = await rejection(replay.ask(question(3), NO_SIGNAL));
    expect(missing).toMatchObject({ code: 'SOURCE_UNAVAILABLE', component: 'body' });
    expect(missing.message).toContain("candidate 3, draw 0 of step 'body'");
    await replay.close();
    const listed = [];
    for await (const one of readAttestations(log, TOPIC, [SIGNER.publicKey])) listed.push(one.attestation.candidate);
    expect(listed).toEqual([1, 2]);
  });
});

describe('a key is a secret (law 7)', () => {
  test('it goes to the server and nowhere else', async () => {
    const gateway = await bench.open({ limits: { tries: 1 } });
    const seen: unknown[] = [await gateway.ask(question(1), NO_SIGNAL)];
    expect(bench.peer.calls[0]?.authorization).toBe(`Bearer ${KEY}`);
    const echo = { error: { message: `Incorrect API key provided: ${KEY}` } };
    bench.peer.next(
      status(401, {}, JSON.stringify(echo)),
      status(400, {}, JSON.stringify(echo).replaceAll('/', '\\/')),
      raw(JSON.stringify({ choices: [], key: KEY })),
      status(500, { 'x-key': KEY }, KEY),
      silent,
    );
    for (let n = 2; n < 6; n++) seen.push(await rejection(gateway.ask(question(n), NO_SIGNAL)));
    const entries = await readAll(bench.log, TOPIC, 0);
    expect(entries).toHaveLength(1);
    for (const entry of entries) {
      const envelope = parseStrictJson(entry.value) as { readonly payload: string };
      const statement = parseStrictJson(Buffer.from(envelope.payload, 'base64')) as { readonly predicate: { readonly response: string } };
      seen.push(entry, envelope, statement, Buffer.from(statement.predicate.response, 'base64').toString());
    }
    const said = seen.map((one) => inspect(one, { depth: 10, showHidden: true, maxStringLength: 1_000_000 })).join('\n');
    expect(said).not.toContain(KEY);
    expect(said).not.toContain('canary');
    expect(said).toContain('repeats the key');
  });

  test('a missing or impossible key is named by its variable before any work', async () => {
    const models = { a: { url: bench.peer.url, keyEnv: 'KEY_A' }, b: { url: bench.peer.url, keyEnv: 'KEY_B' }, c: { url: bench.peer.url } };
    const values: Readonly<Record<string, string>> = { KEY_B: 'sk-canary with a space\n' };
    const error = await rejection(bench.open({ models, env: (name) => values[name] }));
    expect(error.code).toBe('USAGE');
    expect(error.message).toContain('KEY_A is not set');
    expect(error.message).toContain('KEY_B holds characters');
    expect(inspect(error, { depth: 10 })).not.toContain('canary');
    expect(bench.peer.calls).toHaveLength(0);
  });
});
