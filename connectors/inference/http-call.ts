/**
 * One HTTP call to a model server (fetch of Node). It ends: by an answer, a broken connection, the call's own time limit, or the caller's signal. An
 * answer of more bytes than the limit is not read to its end.
 */
import { asBuffer, type InferenceApi, messageOf, MizuError } from '#engine';
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

export const callServer: Transport = async (call) => {
  const { server, api, body, idempotencyKey, callMs, signal } = call;
  const late = AbortSignal.timeout(callMs);
  try {
    const response = await fetch(endpointOf(server, api), {
      method: 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
        ...(server.key === undefined ? {} : { authorization: `Bearer ${server.key}` }),
      },
      // A copy: fetch takes bytes of an ArrayBuffer of their own.
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.any([signal, late]),
    });
    const isEventStream = /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');
    const { status, headers } = response;
    const servedAs = headers.get(SERVED_AS);
    const read = await readBody(response, call, response.ok && isEventStream ? servedAs : undefined);
    return { kind: 'response', status, retryAfter: headers.get('retry-after'), isEventStream, servedAs, ...read };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MizuError) throw error;
    if (late.aborted) return { kind: 'broken', reason: `no whole answer within ${callMs} ms` };
    return { kind: 'broken', reason: reasonOf(error) };
  }
};

/** At most `responseBytes`; `cut` says that there were more. @param servedAs given for a stream that is watched. */
async function readBody(
  response: Response,
  { responseBytes, onChunk }: ServerCall,
  servedAs: string | null | undefined,
): Promise<{ readonly body: Uint8Array; readonly cut: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (chunk === undefined || chunk.done) return { body: Buffer.concat(chunks), cut: false };
    chunks.push(asBuffer(chunk.value));
    length += chunk.value.length;
    if (length > responseBytes) {
      await reader?.cancel();
      return { body: Buffer.concat(chunks).subarray(0, responseBytes), cut: true };
    }
    try {
      if (servedAs !== undefined) await onChunk?.(chunk.value, servedAs);
    } catch (error) {
      await reader?.cancel();
      throw error;
    }
  }
}

/** `fetch failed` says nothing; its cause has the code (ECONNREFUSED, UND_ERR_SOCKET). */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  const message = messageOf(cause);
  if (code === undefined || message.includes(code)) return message === '' ? 'the connection failed' : message;
  return `${message === '' ? 'the connection failed' : message} (${code})`;
}
