import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openAttestation } from '#engine';
import { type Behaviour, completion, cut, good, raw, silent, status } from '../../../support/model-peer.ts';
import { readAll, rejection } from '../../../support/log-tools.ts';
import { CIRCUIT_PAUSE_MS } from '../../../../connectors/inference/limits.ts';
import { type Bench, NO_SIGNAL, openBench, question, SIGNER, TOPIC } from './gateway-bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

describe('what can pass is tried again, and leaves no record', () => {
  const passing: readonly (readonly [string, Behaviour])[] = [
    ['429 without Retry-After', status(429)],
    ['408', status(408)],
    ['500', status(500)],
    ['503 with an unreadable Retry-After', status(503, { 'retry-after': 'soon' })],
    ['a connection cut in the middle of an answer', cut],
  ];
  test.each(passing)('%s', async (_name, behaviour) => {
    bench.peer.next(behaviour, behaviour);
    const gateway = await bench.open();
    expect((await gateway.ask(question(1), NO_SIGNAL)).kind).toBe('answer');
    expect(bench.peer.calls).toHaveLength(3);
    // Of the call itself, drawn from 0 to 500 ms, then 1 s; what the model waits besides is in pace.test.ts.
    expect(bench.pauses.filter((ms) => ms >= 250)).toEqual([250, 500]);
    expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(1);
  });

  test('an answer that does not come in time', async () => {
    bench.peer.next(silent);
    const gateway = await bench.open({ limits: { callMs: 60 } });
    expect((await gateway.ask(question(1), NO_SIGNAL)).kind).toBe('answer');
    expect(bench.peer.calls).toHaveLength(2);
  });

  test('Retry-After is the least pause, in seconds or as a date, and its own backoff is a part of it', async () => {
    bench.peer.next(
      status(429, { 'retry-after': '7' }),
      status(429, { 'retry-after': 'Thu, 01 Jan 2026 00:00:09 GMT' }),
      status(429, { 'retry-after': '0' }),
    );
    const gateway = await bench.open();
    await gateway.ask(question(1), NO_SIGNAL);
    const waited = bench.pauses.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBe(7_000 + 2_000 + 1_000);
  });

  test('pauses grow to a cap', async () => {
    bench.peer.always(status(503));
    const gateway = await bench.open({ limits: { tries: 10 } });
    await rejection(gateway.ask(question(1), NO_SIGNAL));
    expect(Math.max(...bench.pauses)).toBe(15_000);
    for (const ms of [250, 500, 1_000, 2_000, 4_000, 8_000]) expect(bench.pauses).toContain(ms);
  });
});

describe('an unreachable server fails the attempt, never a record (P9)', () => {
  test.each([
    ['always 429', status(429), 'HTTP 429'],
    ['always cut', cut, 'UND_ERR_SOCKET'],
    ['a longer pause than anybody waits', status(429, { 'retry-after': '86400' }), 'asks to wait 86400 s'],
  ] as const)('%s', async (_name, behaviour, says) => {
    bench.peer.always(behaviour);
    const gateway = await bench.open({ limits: { tries: 3 } });
    const error = await rejection(gateway.ask(question(1), NO_SIGNAL));
    expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(error.message).toContain(says);
    expect(error.message).toContain("Model 'small' ");
    expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(0);
    bench.peer.always(good);
    bench.pass(CIRCUIT_PAUSE_MS);
    expect((await gateway.ask(question(1), NO_SIGNAL)).kind).toBe('answer');
  });

  test('nobody listens', async () => {
    await bench.peer.close();
    const gateway = await bench.open({ limits: { tries: 2 } });
    const error = await rejection(gateway.ask(question(1), NO_SIGNAL));
    expect(error.code).toBe('UPSTREAM_UNREACHABLE');
    expect(error.message).toContain('ECONNREFUSED');
  });
});

describe('what is final is signed, and the same when asked again (P9)', () => {
  const huge = `{"choices":[],"padding":"${'x'.repeat(2_000)}"}`;
  test.each([
    ['a refused request', status(400, {}, '{"error":"too long"}'), 'UPSTREAM_REFUSED', 400, '{"error":"too long"}'],
    [
      'a prompt that is longer than the context',
      status(400, {}, '{"error":{"code":"context_length_exceeded","message":"too many tokens"}}'),
      'CONTEXT_TOO_LONG',
      400,
      '{"error":{"code":"context_length_exceeded","message":"too many tokens"}}',
    ],
    [
      'the same, as llama.cpp says it',
      status(400, {}, '{"error":{"code":400,"message":"no room","type":"exceed_context_size_error"}}'),
      'CONTEXT_TOO_LONG',
      400,
      '{"error":{"code":400,"message":"no room","type":"exceed_context_size_error"}}',
    ],
    ['a body that is not JSON', raw('<html>oops'), 'RESPONSE_MALFORMED', 200, '<html>oops'],
    ['a body that is no object', raw('[1,2]'), 'RESPONSE_MALFORMED', 200, '[1,2]'],
    ['a body with a key twice', raw('{"choices":[],"choices":[1]}'), 'RESPONSE_MALFORMED', 200, '{"choices":[],"choices":[1]}'],
    ['an answer that is too large', raw(huge), 'RESPONSE_TOO_LARGE', 200, huge.slice(0, 500)],
  ] as const)('%s', async (_name, behaviour, code, http, kept) => {
    bench.peer.next(behaviour);
    const gateway = await bench.open({ limits: { responseBytes: 500 } });
    const answer = await gateway.ask(question(1), NO_SIGNAL);
    expect(answer).toMatchObject({ kind: 'failure', code });
    expect(Buffer.from(answer.response).toString()).toBe(kept);
    expect(await gateway.ask(question(1), NO_SIGNAL)).toEqual(answer);
    expect(bench.peer.calls).toHaveLength(1);
    const [entry] = await readAll(bench.log, TOPIC, 0);
    expect(openAttestation(entry?.value ?? new Uint8Array(0), [SIGNER.publicKey])).toMatchObject({
      outcome: { kind: 'failure', code },
      status: http,
    });
  });

  test('an answer of 10 MB is not read to its end', async () => {
    bench.peer.next(raw(Buffer.alloc(10 * 1024 * 1024, 0x20)));
    const gateway = await bench.open();
    expect(await gateway.ask(question(1), NO_SIGNAL)).toMatchObject({ kind: 'failure', code: 'RESPONSE_TOO_LARGE' });
  });

  test('a finished answer without choices is an answer: what it is worth is for the op to say', async () => {
    bench.peer.next(raw('{"choices":[]}'));
    const gateway = await bench.open();
    expect((await gateway.ask(question(1), NO_SIGNAL)).kind).toBe('answer');
  });
});

describe('a wrong deployment is no answer: mended, the run goes on', () => {
  test.each([
    ['a wrong key', status(401), 'Check the key'],
    ['no credit', status(402), 'no credit'],
    ['a wrong address', status(404), 'models.small.url'],
    ['a redirect', status(308, { location: 'http://127.0.0.1:9/v1' }), 'Redirects are not followed'],
    ['another model than asked', raw(completion('smollm2-mini', 'hi')), 'model: "smollm2-mini"'],
  ] as const)('%s', async (_name, behaviour, advice) => {
    bench.peer.next(behaviour);
    const gateway = await bench.open();
    const error = await rejection(gateway.ask(question(1), NO_SIGNAL));
    expect(error.code).toBe('UPSTREAM_REFUSED');
    expect(error.message).toContain(advice);
    expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(0);
    expect((await gateway.ask(question(1), NO_SIGNAL)).kind).toBe('answer');
  });

  test.each(['smollm2', 'smollm2:latest', 'smollm2-2025-01-31', 'smollm2-20250131'])('%s is the model that was asked', async (name) => {
    bench.peer.next(raw(completion(name, 'hi')));
    const gateway = await bench.open();
    expect((await gateway.ask(question(1), NO_SIGNAL)).kind).toBe('answer');
  });

  test('a model that the deployment does not have is named, with those it has', async () => {
    const gateway = await bench.open();
    const error = await rejection(gateway.ask(question(1, { model: 'large' }), NO_SIGNAL));
    expect(error).toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('small') });
  });
});

test('as many calls to a model run at once as its limit says, and no more', async () => {
  const held: (() => void)[] = [];
  bench.peer.always((response, call, number) => {
    held.push(() => good(response, call, number));
    if (held.length === 3 || number === 20) for (const answer of held.splice(0)) answer();
  });
  const gateway = await bench.open({ limits: { callsPerModel: 3 } });
  await Promise.all(Array.from({ length: 20 }, (_, n) => gateway.ask(question(n), NO_SIGNAL)));
  expect(bench.peer.calls).toHaveLength(20);
  expect(bench.peer.mostAtOnce).toBe(3);
});

test('closing ends calls and pauses, and records nothing of them', async () => {
  let arrived = (): void => {};
  const calling = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  bench.peer.always(() => arrived());
  const gateway = await bench.open({ limits: { callsPerModel: 1 } });
  const asked = [rejection(gateway.ask(question(1), NO_SIGNAL)), rejection(gateway.ask(question(2), NO_SIGNAL))];
  await calling;
  await gateway.close();
  for (const error of await Promise.all(asked)) expect(error.code).toBe('INTERRUPTED');
  expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(0);
});
