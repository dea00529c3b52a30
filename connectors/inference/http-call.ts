/**
 * One HTTP call to a model server, by undici: its `request` takes half the time of `fetch`. It ends: by an answer, a broken connection, the call's own time limit, or the caller's signal. An
 * answer of more bytes than the limit is not read to its end.
 */
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { type InferenceApi, messageOf, MizuError } from '#engine';
import { endpointOf, type ModelServer } from './model-server.ts';

/** A gateway passes a server's exact bytes on, which hold the server's own name of the model; this header holds the one that it was asked for, percent-encoded. */
export const SERVED_AS = 'mizu-model';

export type CallResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly retryAfter: string | null;
      readonly body: Uint8Array;
      /** There were more bytes than the limit. */
      readonly cut: boolean;
      readonly isEventStream: boolean;
      /** The name under which a gateway before the server was asked; null for an ordinary server. */
      readonly servedAs: string | null;
    }
  | { readonly kind: 'broken'; readonly reason: string };

export interface ServerCall {
  readonly server: ModelServer;
  readonly api: InferenceApi;
  readonly body: Uint8Array;
  /** Names the question: a server that knows it (another gateway does) answers from what it recorded. */
  readonly idempotencyKey: string;
  readonly callMs: number;
  readonly responseBytes: number;
  readonly signal: AbortSignal;
  /** Sees each chunk of a successful event stream as it comes. What it throws ends the call, and is thrown. */
  readonly onChunk?: ((chunk: Uint8Array, servedAs: string | null) => void | Promise<void>) | undefined;
}

/** Never throws for what the network does; rejects with the signal's reason when it aborts. */
export type Transport = (call: ServerCall) => Promise<CallResult>;

/** Calls of one gateway. Connections are kept for the next call. */
export interface HttpTransport {
  readonly call: Transport;
  close(): Promise<void>;
}

/** Calls end by `callMs` alone: a model may think for long before its first byte, and between two. */
const PATIENT = { headersTimeout: 0, bodyTimeout: 0 } as const;

/** @param env the environment: with NODE_USE_ENV_PROXY=1, as for Node's own fetch, http_proxy, https_proxy and no_proxy count. */
export function httpTransport(env: (name: string) => string | undefined): HttpTransport {
  const dispatcher = env('NODE_USE_ENV_PROXY') === '1' ? new EnvHttpProxyAgent({ ...PATIENT, ...proxiesOf(env) }) : new Agent(PATIENT);
  return { call: (call) => callServer(call, dispatcher), close: () => dispatcher.destroy() };
}

function proxiesOf(env: (name: string) => string | undefined): { httpProxy: string; httpsProxy: string; noProxy: string } {
  const either = (name: string): string => env(name) ?? env(name.toUpperCase()) ?? '';
  return { httpProxy: either('http_proxy'), httpsProxy: either('https_proxy'), noProxy: either('no_proxy') };
}

async function callServer(call: ServerCall, dispatcher: Dispatcher): Promise<CallResult> {
  const { server, api, body, idempotencyKey, callMs, signal } = call;
  const late = AbortSignal.timeout(callMs);
  try {
    const response = await request(endpointOf(server, api), {
      method: 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        // Its exact bytes are signed.
        'accept-encoding': 'identity',
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
        ...(server.key === undefined ? {} : { authorization: `Bearer ${server.key}` }),
      },
      body,
      signal: AbortSignal.any([signal, late]),
      dispatcher,
    });
    const header = (name: string): string | null => [response.headers[name] ?? null].flat()[0] ?? null;
    const { statusCode: status } = response;
    const encoding = header('content-encoding') ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      response.body.on('error', () => undefined).destroy();
      return { kind: 'broken', reason: `the answer is encoded as '${encoding.slice(0, 40)}', which was not asked for` };
    }
    const isEventStream = /^text\/event-stream\b/i.test(header('content-type') ?? '');
    const servedAs = header(SERVED_AS);
    const isOk = status >= 200 && status < 300;
    const read = await readBody(response.body, call, isOk && isEventStream ? servedAs : undefined);
    return { kind: 'response', status, retryAfter: header('retry-after'), isEventStream, servedAs, ...read };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MizuError) throw error;
    if (late.aborted) return { kind: 'broken', reason: `no whole answer within ${callMs} ms` };
    return { kind: 'broken', reason: reasonOf(error) };
  }
}

/** At most `responseBytes`; `cut` says that there were more. @param servedAs given for a stream that is watched. */
async function readBody(
  stream: AsyncIterable<Buffer>,
  { responseBytes, onChunk }: ServerCall,
  servedAs: string | null | undefined,
): Promise<{ readonly body: Uint8Array; readonly cut: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Whatever leaves the loop ends the connection.
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > responseBytes) return { body: Buffer.concat(chunks).subarray(0, responseBytes), cut: true };
    if (servedAs !== undefined) await onChunk?.(chunk, servedAs);
  }
  return { body: Buffer.concat(chunks), cut: false };
}

/** The error itself or its cause has the code (ECONNREFUSED, UND_ERR_SOCKET). */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  const message = messageOf(cause);
  if (code === undefined || message.includes(code)) return message === '' ? 'the connection failed' : message;
  return `${message === '' ? 'the connection failed' : message} (${code})`;
}
