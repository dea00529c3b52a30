/** Callers of an endpoint: how much they may ask, what of it is counted, and what becomes of their connections when it stops. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openMetrics } from '#connectors/metrics';
import { utf8 } from '#engine';
import { commitVisibly, readAll, rejection } from '../../../support/log-tools.ts';
import { completion } from '../../../support/model-peer.ts';
import { ask, chat, type EndpointBench, get, headersOf, NAMES, openEndpointBench, request } from './endpoint-bench.ts';

let bench: EndpointBench;
let address: string;
beforeEach(async () => {
  bench = await openEndpointBench();
  ({ address } = await bench.endpoint());
});
afterEach(() => bench.close());

const recorded = () => readAll(bench.log, NAMES.attestations, 0);

describe('how much a caller may ask', () => {
  test('requests at once, per minute, and tokens per day have limits, and say when to come back', async () => {
    const caller = { tokenEnv: 'T', calls: 2, perMinute: 5, tokensPerDay: 40 };
    bench.config = { ...bench.config, callers: { alice: caller } };
    const limited = await bench.endpoint();
    const held = [bench.heldResponse(), bench.heldResponse()];
    const running = [ask(limited.address), ask(limited.address)];
    await Promise.all(held.map(({ arrived }) => arrived));
    expect(await ask(limited.address)).toMatchObject({
      status: 429,
      json: { error: { code: 'too_many_calls', type: 'rate_limit_error' } },
    });
    for (const { response } of held) response().end(completion('smollm2', 'Yes.'));
    for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
    expect((await ask(limited.address)).status).toBe(200);
    // 54 tokens were used, 40 are allowed.
    const spent = await ask(limited.address);
    expect(spent).toMatchObject({ status: 429, json: { error: { code: 'too_many_tokens' } } });
    expect(Number(spent.headers.get('retry-after'))).toBeGreaterThan(23 * 3_600);
    bench.pass(24 * 3_600_000);
    for (let n = 0; n < 2; n++) expect((await ask(limited.address)).status).toBe(200);
    bench.config = { ...bench.config, callers: { alice: { tokenEnv: 'T', calls: 8, perMinute: 2 } } };
    const slow = await bench.endpoint();
    for (let n = 0; n < 2; n++) expect((await ask(slow.address)).status).toBe(200);
    const late = await ask(slow.address);
    expect([late.status, late.json, late.headers.get('retry-after')]).toMatchObject([429, { error: { code: 'too_many_requests' } }, '30']);
    bench.pass(30_000);
    expect((await ask(slow.address)).status).toBe(200);
  });

  test('tokens of a day outlive the process; joined requests count once, and the answer of a caller that left counts, too', async () => {
    bench.config = { ...bench.config, callers: { alice: { tokenEnv: 'T', calls: 8, perMinute: 100, tokensPerDay: 40 } } };
    const first = await bench.endpoint();
    const shared = bench.held();
    const joined = [ask(first.address, { key: 'a' }), ask(first.address, { key: 'a' })];
    await shared.arrived;
    await expect.poll(() => first.gateway.counts.joined).toBe(1);
    shared.finish();
    for (const answer of await Promise.all(joined)) expect(answer.status).toBe(200);
    const abandoned = bench.held();
    const leaver = new AbortController();
    const left = request(first.address, { key: 'b', signal: leaver.signal }).catch(() => undefined);
    await abandoned.arrived;
    leaver.abort();
    await left;
    abandoned.finish();
    await expect.poll(async () => (await recorded()).length).toBe(2);
    // 36 tokens were used, 40 are allowed.
    const second = await bench.endpoint();
    expect((await ask(second.address)).status).toBe(200);
    expect((await ask(second.address)).status).toBe(429);
    const third = await bench.endpoint();
    const spent = await ask(third.address);
    expect(spent).toMatchObject({
      status: 429,
      json: { error: { code: 'too_many_tokens', message: expect.stringContaining('used 54 of its 40') } },
    });
    bench.pass(24 * 3_600_000);
    expect((await ask((await bench.endpoint()).address)).status).toBe(200);
  });

  test('a recorded answer is given whatever its caller used, and one that is on its way whatever tokens it used', async () => {
    bench.config = { ...bench.config, callers: { alice: { tokenEnv: 'T', calls: 2, perMinute: 3, tokensPerDay: 18 } } };
    const limited = await bench.endpoint();
    const first = bench.held();
    const running = [ask(limited.address, { key: 'slow' })];
    await first.arrived;
    const paid = await ask(limited.address, { key: 'a' });
    // All 18 tokens are used.
    running.push(ask(limited.address, { key: 'slow' }));
    await expect.poll(() => limited.gateway.counts.joined).toBe(1);
    // Two requests are on their way, as many as may be; three of the minute are used.
    expect(await ask(limited.address, { key: 'b' })).toMatchObject({ status: 429, json: { error: { code: 'too_many_calls' } } });
    for (let n = 0; n < 5; n++) {
      const again = await ask(limited.address, { key: 'a' });
      expect([again.status, again.text, again.headers.get('mizu-recorded')]).toEqual([200, paid.text, 'true']);
    }
    first.finish();
    for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
    expect(await ask(limited.address, { key: 'b' })).toMatchObject({ status: 429, json: { error: { code: 'too_many_requests' } } });
    bench.pass(60_000);
    expect(await ask(limited.address, { key: 'b' })).toMatchObject({ status: 429, json: { error: { code: 'too_many_tokens' } } });
    expect((await ask(limited.address, { key: 'a' })).text).toBe(paid.text);
    expect((await ask((await bench.endpoint()).address, { key: 'slow' })).status).toBe(200);
    expect(bench.peer.calls).toHaveLength(2);
  });

  test('tokens are told once for each new answer: not for who joined or came later, and also for a caller that left', async () => {
    const metrics = await openMetrics({ name: 'gateway', roles: ['gateway'], version: '0.0.0' });
    const told = await bench.endpoint({ onEvent: (event) => event.type === 'answer' && metrics.onEndpoint(event) });
    const shared = bench.held();
    const joined = [ask(told.address, { key: 'a' }), ask(told.address, { key: 'a' })];
    await shared.arrived;
    await expect.poll(() => told.gateway.counts.joined).toBe(1);
    shared.finish();
    await Promise.all(joined);
    expect((await ask(told.address, { key: 'a' })).headers.get('mizu-recorded')).toBe('true');
    const abandoned = bench.held();
    const leaver = new AbortController();
    const left = request(told.address, { key: 'b', signal: leaver.signal }).catch(() => undefined);
    await abandoned.arrived;
    leaver.abort();
    await left;
    abandoned.finish();
    await expect.poll(async () => (await recorded()).length).toBe(2);
    expect(told.gateway.counts.tokens).toBe(36);
    expect(await metrics.text()).toMatch(/mizu_endpoint_tokens_total\{[^}]*caller="alice"[^}]*\} 36/);
    await metrics.close();
  });

  test('what a caller without such a limit uses is written nowhere, and an entry of the count that no gateway wrote is named', async () => {
    expect((await ask(address)).status).toBe(200);
    expect(await readAll(bench.log, NAMES.usage, 0)).toEqual([]);
    const writer = await bench.log.openWriter('somebody');
    await commitVisibly(writer, [{ topic: NAMES.usage, partition: 0, key: utf8('alice'), value: utf8('{"tokens":1}') }]);
    await writer.close();
    expect(await rejection(bench.endpoint())).toMatchObject({
      code: 'LOG_CORRUPT',
      message: `Entry 0 of topic '${NAMES.usage}' is '{"tokens":1}', expected {caller, hour, tokens}`,
    });
  });
});

test('an endpoint that stops ends each connection that nothing on its way needs, and answers what is on its way', async () => {
  const stopping = await bench.endpoint();
  const order: string[] = [];
  const first = bench.held();
  const agent = new Agent({ keepAlive: true });
  const asked = httpRequest(`${stopping.address}/v1/chat/completions`, { method: 'POST', agent, headers: headersOf() });
  asked.end(JSON.stringify(chat()));
  await first.arrived;
  const second = bench.held();
  const running = ask(stopping.address).then(({ status }) => order.push(`second answered ${status}`));
  await second.arrived;
  const unused = connect(Number(new URL(stopping.address).port), '127.0.0.1');
  await once(unused, 'connect');
  // The server took that one in: connections are taken in order.
  expect((await get(stopping.address, 'models')).status).toBe(200);
  const ended = once(unused.resume(), 'close').then(() => order.push('unused connection ended'));
  const closed = stopping.close().then(() => order.push('closed'));
  await ended;
  const answer = once(asked, 'response');
  first.finish();
  const [response] = (await answer) as [IncomingMessage];
  order.push(`first answered ${response.statusCode}`);
  const left = once(response.socket, 'close').then(() => order.push('its connection ended'));
  response.resume();
  await left;
  second.finish();
  await Promise.all([running, closed]);
  expect(order).toEqual(['unused connection ended', 'first answered 200', 'its connection ended', 'second answered 200', 'closed']);
});
