/**
 * One HTTP call of a model server, within limits of time and size. Redirects are not followed, as they could carry key and prompt
 * elsewhere. What failed on the way can be tried again; what the server said is handed on as it is.
 */
import { asBuffer, messageOf } from '#engine';
import type { GatewayLimits } from './limits.ts';
import type { ModelServer } from './model-server.ts';

export type CallResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly retryAfter: string | null;
      readonly body: Uint8Array;
      readonly cut: boolean;
    }
  | { readonly kind: 'broken'; readonly reason: string };

/** Never throws for what the network does; rejects with the signal's reason when it aborts. */
export async function callServer(server: ModelServer, body: Uint8Array, limits: GatewayLimits, signal: AbortSignal): Promise<CallResult> {
  const late = AbortSignal.timeout(limits.callMs);
  try {
    const response = await fetch(server.endpoint, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        ...(server.key === undefined ? {} : { authorization: `Bearer ${server.key}` }),
      },
      // A copy: fetch takes bytes of an ArrayBuffer of their own.
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.any([signal, late]),
    });
    const read = await readBody(response, limits.responseBytes);
    return { kind: 'response', status: response.status, retryAfter: response.headers.get('retry-after'), ...read };
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) return { kind: 'broken', reason: `no whole answer within ${limits.callMs} ms` };
    return { kind: 'broken', reason: reasonOf(error) };
  }
}

/** At most `limit` bytes; `cut` says that there were more. */
async function readBody(response: Response, limit: number): Promise<{ readonly body: Uint8Array; readonly cut: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (chunk === undefined || chunk.done) return { body: Buffer.concat(chunks), cut: false };
    chunks.push(asBuffer(chunk.value));
    length += chunk.value.length;
    if (length > limit) {
      await reader?.cancel();
      return { body: Buffer.concat(chunks).subarray(0, limit), cut: true };
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
