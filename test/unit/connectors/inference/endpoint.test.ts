/** The gateway as an ordinary model server: one question one answer, streams, who may ask and how much, and what goes wrong behind it (laws 2, 7, 10). */
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canonicalBytes, openAttestation, toHex } from '#engine';
import { readAll } from '../../../support/log-tools.ts';
import { type Behaviour, chunkOf, completion, DONE, good, raw, status, streamed, streamEnd } from '../../../support/model-peer.ts';
import { ask, chat, type EndpointBench, get, NAMES, openEndpointBench, request, TOKENS } from './endpoint-bench.ts';
import { KEY, OTHER_SIGNER, SIGNER } from './gateway-bench.ts';

let bench: EndpointBench;
let address: string;
beforeEach(async () => {
  bench = await openEndpointBench();
  ({ address } = await bench.endpoint());
});
afterEach(() => bench.close());

const recorded = () => readAll(bench.log, NAMES.attestations, 0);

describe('an answer is that of the model server, and evidence', () => {
  test('its exact bytes come back, and its attestation is there under the id that the answer names', async () => {
    const body = chat('A kettle', { temperature: 0.7 });
    const answer = await ask(address, { body });
    expect(answer.status).toBe(200);
    expect(answer.json['choices']).toMatchObject([{ message: { content: 'Answer 1 to: A kettle' } }]);
    const id = answer.headers.get('mizu-attestation') ?? '';
    const envelope = await get(address, `attestations/${id}`);
    const key = await get(address, 'key');
    expect(key.json).toEqual({ algorithm: 'ed25519', publicKey: toHex(SIGNER.publicKey) });
    const attestation = openAttestation(Buffer.from(envelope.text), [Buffer.from(String(key.json['publicKey']), 'hex')]);
    expect(attestation).toMatchObject({
      step: 'alice',
      outcome: { kind: 'answer' },
      model: { name: 'small', asked: 'smollm2' },
      finishReason: 'stop',
    });
    expect(Buffer.from(attestation.response).toString()).toBe(answer.text);
    expect(Buffer.from(attestation.request)).toEqual(Buffer.from(canonicalBytes(JSON.parse(JSON.stringify(body)))));
    expect(() => openAttestation(Buffer.from(envelope.text), [OTHER_SIGNER.publicKey])).toThrow(/0 of 1 trusted keys/);
    expect(bench.peer.calls[0]?.idempotencyKey).toBe(id);
  });

  test('embeddings and the list of models', async () => {
    bench.peer.next((response, call) =>
      response.end(
        JSON.stringify({
          object: 'list',
          model: call.body.model,
          data: [{ index: 0, embedding: [0.5] }],
          usage: { prompt_tokens: 3, total_tokens: 3 },
        }),
      ),
    );
    const answer = await ask(address, { path: 'embeddings', body: { model: 'small', input: 'kettle' } });
    expect(answer.json['data']).toEqual([{ index: 0, embedding: [0.5] }]);
    expect(bench.peer.calls[0]?.api).toBe('embeddings');
    const [entry] = await recorded();
    expect(openAttestation(entry?.value ?? new Uint8Array(0), [SIGNER.publicKey]).usage).toMatchObject({ totalTokens: 3 });
    expect((await get(address, 'models')).json['data']).toMatchObject([{ id: 'small' }, { id: 'other' }]);
    expect((await get(address, 'models', TOKENS.bob)).json['data']).toMatchObject([{ id: 'small' }]);
  });
});

describe('one question has one answer (P8)', () => {
  test('without a key each request is a new draw; with one it is asked once, also by another endpoint on the same log', async () => {
    const texts = [await ask(address), await ask(address)].map(({ text }) => text);
    expect(new Set(texts).size).toBe(2);
    const first = await ask(address, { key: 'ticket-1' });
    const second = await ask(address, { key: 'ticket-1' });
    expect([first.headers.get('mizu-recorded'), second.headers.get('mizu-recorded')]).toEqual(['false', 'true']);
    expect(second.text).toBe(first.text);
    expect(second.headers.get('mizu-attestation')).toBe(first.headers.get('mizu-attestation'));
    const after = await bench.endpoint();
    expect((await ask(after.address, { key: 'ticket-1' })).text).toBe(first.text);
    expect(bench.peer.calls).toHaveLength(3);
  });

  test('requests with one key at the same time make one call', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(address, { key: 'k' })));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(bench.peer.calls).toHaveLength(1);
  });

  test('a key with another body is refused, recorded or on its way; of another caller it is another key', async () => {
    await ask(address, { key: 'k' });
    const reused = await ask(address, { key: 'k', body: chat('Something else') });
    expect([reused.status, reused.json]).toMatchObject([422, { error: { code: 'idempotency_key_reused', type: 'invalid_request_error' } }]);
    const after = await bench.endpoint();
    expect((await ask(after.address, { key: 'k', body: chat('Something else') })).status).toBe(422);
    expect((await ask(after.address, { key: 'k', body: chat('Something else'), token: TOKENS.bob })).status).toBe(200);
    const { arrived, finish } = bench.held();
    const running = ask(after.address, { key: 'k2' });
    await arrived;
    expect((await ask(after.address, { key: 'k2', body: chat('Something else') })).status).toBe(422);
    finish();
    expect((await running).status).toBe(200);
  });

  test('a caller that leaves ends no call: its answer is recorded, and there when it asks again', async () => {
    const { arrived, finish } = bench.held();
    const leaver = new AbortController();
    const left = request(address, { key: 'k', signal: leaver.signal }).catch(() => undefined);
    await arrived;
    leaver.abort();
    await left;
    finish();
    expect((await ask(address, { key: 'k' })).text).toContain('Answer 1');
    expect(bench.peer.calls).toHaveLength(1);
  });

  test('an endpoint that was taken over records nothing, says so, and is answered for by the other', async () => {
    const after = await bench.endpoint();
    const refused = await ask(address, { key: 'k' });
    expect([refused.status, refused.json]).toMatchObject([503, { error: { code: 'log_fenced' } }]);
    expect(bench.events).toContainEqual(expect.objectContaining({ type: 'broken' }));
    expect((await ask(after.address, { key: 'k' })).status).toBe(200);
    expect(await recorded()).toHaveLength(1);
  });
});

describe('a stream', () => {
  test('passes as it comes, ends once the whole is recorded, and comes back the same', async () => {
    const { arrived, response: server } = bench.heldResponse();
    const coming = request(address, { key: 's', body: chat('A kettle', { stream: true }) });
    await arrived;
    server().writeHead(200, { 'content-type': 'text/event-stream' });
    server().write(chunkOf('smollm2', 'It '));
    const response = await coming;
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(chunkOf('smollm2', 'It '));
    expect(await recorded()).toHaveLength(0);
    const rest = chunkOf('smollm2', 'leaks.') + streamEnd('smollm2');
    // Cut anywhere.
    for (const byte of Buffer.from(rest)) server().write(Buffer.from([byte]));
    server().end();
    let text = chunkOf('smollm2', 'It ');
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read())
      text += Buffer.from(part.value).toString();
    expect(text).toBe(chunkOf('smollm2', 'It ') + rest);
    const [entry] = await recorded();
    const attestation = openAttestation(entry?.value ?? new Uint8Array(0), [SIGNER.publicKey]);
    expect(Buffer.from(attestation.response).toString()).toBe(text);
    expect(attestation).toMatchObject({ finishReason: 'stop', usage: { totalTokens: 18 }, model: { answered: 'smollm2' } });
    const again = await ask(address, { key: 's', body: chat('A kettle', { stream: true }) });
    expect([again.text, again.headers.get('mizu-recorded')]).toEqual([text, 'true']);
    expect(bench.peer.calls).toHaveLength(1);
  });

  test.each([
    ['without [DONE]', streamed(chunkOf('smollm2', 'It '), chunkOf('smollm2', 'leaks.'))],
    [
      'whose connection is cut',
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(chunkOf('smollm2', 'It '), () => setImmediate(() => response.destroy()));
      },
    ],
    ['of another model, told in mid-stream as an unreadable event', streamed(chunkOf('smollm2', 'It '), 'data: {oops\n\n', DONE)],
    [
      'that has more bytes than an answer may',
      streamed(chunkOf('smollm2', 'It '), ...Array.from({ length: 40 }, () => chunkOf('smollm2', 'x'.repeat(10_000))), DONE),
    ],
  ] as readonly (readonly [string, Behaviour])[])('%s breaks the connection off where the caller sees it', async (_name, behaviour) => {
    bench.peer.next(behaviour);
    const response = await request(address, { key: 's', body: chat('A kettle', { stream: true }) });
    await expect(response.text()).rejects.toThrow();
  });

  test('that was cut is no answer: nothing is recorded, and the same key asks again', async () => {
    bench.peer.next(streamed(chunkOf('smollm2', 'It ')), streamed(chunkOf('smollm2', 'It leaks.') + streamEnd('smollm2')));
    const body = chat('A kettle', { stream: true });
    await expect((await request(address, { key: 's', body })).text()).rejects.toThrow();
    expect(await recorded()).toHaveLength(0);
    expect((await ask(address, { key: 's', body })).text).toContain('It leaks.');
    expect(await recorded()).toHaveLength(1);
  });

  test('of another model than asked is refused before its first word; one cut before its first event is tried again', async () => {
    bench.peer.next(streamed(chunkOf('smollm2-mini', 'Hi') + streamEnd('smollm2-mini')));
    const wrong = await ask(address, { body: chat('A kettle', { stream: true }) });
    expect([wrong.status, wrong.json]).toMatchObject([502, { error: { code: 'upstream_refused' } }]);
    expect(wrong.text).not.toContain('Hi"');
    bench.peer.next(streamed(), streamed(chunkOf('smollm2', 'Hi') + streamEnd('smollm2')));
    expect((await ask(address, { body: chat('A kettle', { stream: true }) })).text).toContain('Hi');
  });
});

describe('who may ask, and how much', () => {
  test('nobody without a token of a caller, whatever it asks', async () => {
    for (const token of ['', 'x', `${TOKENS.alice}x`, TOKENS.alice.slice(0, -1), TOKENS.alice.toUpperCase()]) {
      const refused = await ask(address, { token });
      expect([refused.status, refused.json]).toMatchObject([401, { error: { type: 'authentication_error', code: 'invalid_api_key' } }]);
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
      expect((await get(address, 'models', token)).status).toBe(401);
    }
    expect(bench.peer.calls).toHaveLength(0);
  });

  test("another caller's attestation is not there", async () => {
    const id = (await ask(address, { key: 'k' })).headers.get('mizu-attestation') ?? '';
    expect((await get(address, `attestations/${id}`)).status).toBe(200);
    expect((await get(address, `attestations/${id}`, TOKENS.bob)).status).toBe(404);
    for (const wrong of ['0'.repeat(64), 'x', '..%2f..']) expect((await get(address, `attestations/${wrong}`)).status).toBe(404);
  });

  test.each([
    ['no JSON', { body: '{oops' }, 400, 'bad_request'],
    ['a key twice', { body: '{"model":"small","model":"small"}' }, 400, 'bad_request'],
    ['no object', { body: '[]' }, 400, 'bad_request'],
    ['no model', { body: {} }, 400, 'bad_request'],
    ['an unknown model', { body: chat('x', { model: 'large' }) }, 404, 'model_not_found'],
    ['a model of others', { body: chat('x', { model: 'other' }), token: TOKENS.bob }, 404, 'model_not_found'],
    ['a stream that is neither true nor false', { body: chat('x', { stream: 'yes' }) }, 400, 'bad_request'],
    ['a stream of embeddings', { path: 'embeddings', body: { model: 'small', input: 'x', stream: true } }, 400, 'bad_request'],
    ['a key with a space', { key: 'a b' }, 400, 'bad_request'],
    ['a key that is too long', { key: 'k'.repeat(256) }, 400, 'bad_request'],
    ['too large a body', { body: chat('x'.repeat(200_000)) }, 413, 'request_too_large'],
    ['another type', { type: 'text/plain' }, 415, 'unsupported_media_type'],
    ['another path', { path: 'completions' }, 404, 'not_found'],
  ] as const)('a request with %s is told so in the shape of the OpenAI API', async (_name, options, code, name) => {
    const refused = await ask(address, options);
    expect([refused.status, refused.json]).toMatchObject([
      code,
      { error: { code: name, type: 'invalid_request_error', message: expect.any(String) } },
    ]);
    expect(bench.peer.calls).toHaveLength(0);
  });
});

describe('what goes wrong behind it', () => {
  test.each([
    [
      'a refused request',
      status(400, {}, '{"error":{"code":"context_length_exceeded","message":"too long"}}'),
      400,
      'context_length_exceeded',
      true,
    ],
    ['a body that is no JSON', raw('<html>'), 502, 'response_malformed', true],
    ['an answer of 10 MB', raw(Buffer.alloc(10_000_000, 0x20)), 502, 'response_too_large', true],
    ['another model than asked', raw(completion('gpt-9', 'hi')), 502, 'upstream_refused', false],
    ['a wrong key of the model', status(401), 502, 'upstream_refused', false],
  ] as const)('%s', async (_name, behaviour, code, name, isRecorded) => {
    bench.peer.next(behaviour);
    const answer = await ask(address, { key: 'k' });
    expect([answer.status, answer.json]).toMatchObject([code, { error: { code: name } }]);
    expect(await recorded()).toHaveLength(isRecorded ? 1 : 0);
    const again = await ask(address, { key: 'k' });
    expect(again.status).toBe(isRecorded ? code : 200);
  });

  test('a server that can not be reached is told as such, and the next request asks again', async () => {
    bench.peer.always(status(503));
    const answer = await ask(address, { key: 'k' });
    expect([answer.status, answer.json]).toMatchObject([503, { error: { code: 'upstream_unreachable', type: 'server_error' } }]);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    bench.peer.always(good);
    bench.pass(60_000);
    expect((await ask(address, { key: 'k' })).status).toBe(200);
  });
});

test('neither a key of a model nor a token of a caller is in an answer, an error, an event, the log or an attestation', async () => {
  const seen: unknown[] = [];
  bench.peer.next(
    good,
    status(400, {}, JSON.stringify({ error: { message: `Bad key ${KEY}` } })),
    raw(completion('smollm2', KEY)),
    status(401, {}, KEY),
  );
  for (const key of ['a', 'b', 'c', 'd']) seen.push(await ask(address, { key }));
  bench.peer.next(streamed(chunkOf('smollm2', KEY) + streamEnd('smollm2')));
  seen.push(await ask(address, { body: chat('x', { stream: true }) }), await ask(address, { token: `${TOKENS.bob}x` }));
  bench.peer.always(status(500, {}, KEY));
  seen.push(await ask(address), await get(address, 'models'), bench.events);
  for (const topic of [NAMES.attestations, NAMES.keys])
    for (const entry of await readAll(bench.log, topic, 0)) {
      seen.push(entry, Buffer.from(entry.value).toString());
      if (topic === NAMES.attestations) {
        const { request: asked, response } = openAttestation(entry.value, [SIGNER.publicKey]);
        seen.push(Buffer.from(asked).toString(), Buffer.from(response).toString());
      }
    }
  const said = seen.map((one) => inspect(one, { depth: 10, showHidden: true, maxStringLength: 1_000_000 })).join('\n');
  expect(said).not.toContain('canary');
  expect(said).toContain('repeats the key');
});
