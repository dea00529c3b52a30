/** An endpoint on a log of its own, in front of a peer that speaks the protocol; and requests to it, as any program makes them. */
import { openEndpoint, type Endpoint, type EndpointEvent, endpointNames, type EndpointOptions } from '#connectors/inference';
import type { GatewayConfig } from '#engine';
import { type Behaviour, good } from '../../../support/model-peer.ts';
import { type Bench, KEY, openBench, SIGNER } from './gateway-bench.ts';

export const TOKENS = { alice: 'canary-token-of-alice-91b7', bob: 'canary-token-of-bob-0c4e' } as const;
export const NAMES = endpointNames('default');

export interface EndpointBench extends Bench {
  readonly events: EndpointEvent[];
  config: GatewayConfig;
  endpoint(more?: Partial<EndpointOptions>): Promise<Endpoint>;
  /** The next call is answered well, once it is finished. */
  held(): { readonly arrived: Promise<void>; finish(): void };
  /** The next call is answered by the test. */
  heldResponse(): { readonly arrived: Promise<void>; response(): Parameters<Behaviour>[0] };
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: { readonly [key: string]: unknown };
}

export interface AskOptions {
  readonly token?: string;
  readonly key?: string;
  readonly body?: object | string;
  readonly path?: string;
  readonly type?: string;
  readonly signal?: AbortSignal;
}

export const chat = (content = 'Hello', more: object = {}): object => ({ model: 'small', messages: [{ role: 'user', content }], ...more });

export async function openEndpointBench(): Promise<EndpointBench> {
  const bench = await openBench();
  const events: EndpointEvent[] = [];
  const endpoints: Endpoint[] = [];
  const limits = { calls: 8, perMinute: 6_000 };
  let now = Date.UTC(2026, 0, 1);
  const self: EndpointBench = {
    ...bench,
    events,
    pass(ms) {
      now += ms;
    },
    config: {
      name: 'default',
      models: { small: { url: bench.peer.url, model: 'smollm2', keyEnv: 'SMALL_KEY' }, other: { url: bench.peer.url } },
      callers: { alice: { tokenEnv: 'ALICE', ...limits }, bob: { tokenEnv: 'BOB', ...limits, models: ['small'] } },
    },
    async endpoint(more = {}) {
      const endpoint = await openEndpoint({
        config: self.config,
        log: bench.log,
        signer: SIGNER,
        local: bench.local,
        env: (name) => (name === 'SMALL_KEY' ? KEY : undefined),
        tokens: new Map(Object.entries(TOKENS)),
        host: '127.0.0.1',
        port: 0,
        onEvent: (event) => events.push(event),
        timing: {
          async sleep(ms, signal) {
            signal.throwIfAborted();
            now += ms;
          },
          random: () => 0.5,
          now: () => now,
          date: () => now,
        },
        ...more,
      });
      endpoints.push(endpoint);
      return endpoint;
    },
    held() {
      let finish = (): void => {};
      const arrived = new Promise<void>((resolve) => {
        bench.peer.next((response, call, number) => {
          finish = () => good(response, call, number);
          resolve();
        });
      });
      return { arrived, finish: () => finish() };
    },
    heldResponse() {
      let held: Parameters<Behaviour>[0] | undefined;
      const arrived = new Promise<void>((resolve) => {
        bench.peer.next((response) => {
          held = response;
          resolve();
        });
      });
      return {
        arrived,
        response() {
          if (held === undefined) throw new RangeError('no call came');
          return held;
        },
      };
    },
    async close() {
      for (const endpoint of endpoints) await endpoint.close();
      await bench.close();
    },
  };
  return self;
}

export function headersOf({ token = TOKENS.alice, key, type = 'application/json' }: AskOptions = {}): Record<string, string> {
  return { authorization: `Bearer ${token}`, 'content-type': type, ...(key === undefined ? {} : { 'idempotency-key': key }) };
}

export function request(address: string, options: AskOptions = {}): Promise<Response> {
  const { body = chat(), path = 'chat/completions', signal = null } = options;
  return fetch(`${address}/v1/${path}`, {
    method: 'POST',
    headers: headersOf(options),
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal,
  });
}

export async function ask(address: string, options: AskOptions = {}): Promise<Asked> {
  return read(await request(address, options));
}

export async function get(address: string, path: string, token: string = TOKENS.alice): Promise<Asked> {
  return read(await fetch(`${address}/v1/${path}`, { headers: { authorization: `Bearer ${token}` } }));
}

async function read(response: Response): Promise<Asked> {
  const text = await response.text();
  let json: Asked['json'] = {};
  try {
    json = JSON.parse(text) as Asked['json'];
  } catch {
    // A stream is no JSON.
  }
  return { status: response.status, headers: response.headers, text, json };
}
