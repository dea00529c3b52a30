import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readAll, rejection } from '../../../support/log-tools.ts';
import { completion, raw } from '../../../support/model-peer.ts';
import { type Bench, NO_SIGNAL, openBench, question, TOPIC } from './gateway-bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

describe('the bytes that are signed are the bytes that came', () => {
  test('a server is asked for no encoding, and one that encodes all the same has given no answer', async () => {
    bench.peer.always((response, call) => {
      expect(response.req.headers['accept-encoding']).toBe('identity');
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(completion(call.body.model, 'well packed')));
    });
    const gateway = await bench.open({ limits: { tries: 2 } });
    const error = await rejection(gateway.ask(question(1), NO_SIGNAL));
    expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(error.message).toContain("encoded as 'gzip'");
    expect(await readAll(bench.log, TOPIC, 0)).toHaveLength(0);
  });

  test('an answer in many pieces is one answer', async () => {
    const whole = completion('smollm2', 'kettle '.repeat(10_000));
    bench.peer.next((response) => {
      for (let at = 0; at < whole.length; at += 999) response.write(whole.slice(at, at + 999));
      response.end();
    });
    const gateway = await bench.open();
    const answer = await gateway.ask(question(1), NO_SIGNAL);
    expect(Buffer.from(answer.response).toString()).toBe(whole);
  });
});

describe('a proxy of the environment', () => {
  const asked: string[] = [];
  const tunnels = new Set<Duplex>();
  let proxy: Server;
  beforeEach(async () => {
    asked.length = 0;
    proxy = createServer().on('connect', ({ url = '' }, socket, head) => {
      asked.push(url);
      tunnels.add(socket);
      const [host = '', port = ''] = url.split(':');
      const server = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        server.write(head);
        server.pipe(socket).pipe(server);
      });
      server.on('error', () => socket.destroy());
      socket.on('error', () => server.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    for (const tunnel of tunnels) tunnel.destroy();
    return new Promise<void>((resolve) => void proxy.close(() => resolve()));
  });

  const variables = (more: Readonly<Record<string, string>>): ((name: string) => string | undefined) => {
    const all: Readonly<Record<string, string>> = {
      SMALL_KEY: 'sk-through-a-proxy',
      http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      ...more,
    };
    return (name) => all[name];
  };

  test('is gone through with NODE_USE_ENV_PROXY=1', async () => {
    bench.peer.next(raw(completion('smollm2', 'hello')));
    const gateway = await bench.open({ env: variables({ NODE_USE_ENV_PROXY: '1' }) });
    await gateway.ask(question(1), NO_SIGNAL);
    expect(asked).toEqual([new URL(bench.peer.url).host]);
  });

  test.each([
    ['without it', {}],
    ['for a host in no_proxy', { NODE_USE_ENV_PROXY: '1', no_proxy: '127.0.0.1' }],
  ])('is not gone through %s', async (_name, more) => {
    const gateway = await bench.open({ env: variables(more) });
    await gateway.ask(question(1), NO_SIGNAL);
    expect(asked).toEqual([]);
    expect(bench.peer.calls).toHaveLength(1);
  });
});
