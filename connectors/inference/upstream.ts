/**
 * A question to a model server until there is something to record (P9). Tried again: cut connections, time-outs, 408, 429, 5xx; after the last try
 * the server is unreachable, which ends the attempt and never a record. Recorded: every answer, and what the server finally says against this
 * question. Neither: what is wrong with the deployment (key, address, model), since mending it must be enough to go on.
 */
import { asBuffer, MizuError } from '#engine';
import { backoffMs, readRetryAfter } from './backoff.ts';
import { type ChatFacts, readChatFacts } from './chat-facts.ts';
import { callServer, type CallResult } from './http-call.ts';
import { type GatewayLimits, RETRY_AFTER_LIMIT_MS } from './limits.ts';
import type { ModelServer } from './model-server.ts';
import type { Timing } from './timing.ts';

export interface UpstreamResult {
  readonly outcome: { readonly kind: 'answer' } | { readonly kind: 'failure'; readonly code: string; readonly message: string };
  readonly status: number;
  readonly response: Uint8Array;
  readonly facts: ChatFacts;
}

export interface UpstreamOptions {
  readonly limits: GatewayLimits;
  readonly timing: Timing;
  /** Ends the call. */
  readonly signal: AbortSignal;
  /** Ends the waiting between two tries; a call under way is brought to its end. */
  readonly unwanted: AbortSignal;
  readonly onCall: () => void;
}

type Final = Extract<CallResult, { kind: 'response' }>;

const NO_FACTS: ChatFacts = { model: undefined, finishReason: undefined, usage: undefined };

/** Statuses that speak of key, account or address, not of the question; so do redirects. */
const DEPLOYMENT_STATUSES = [401, 402, 403, 404, 405, 407];

/** @throws UPSTREAM_UNREACHABLE; UPSTREAM_REFUSED when the deployment is at fault; the signals' reasons. */
export async function askServer(server: ModelServer, body: Uint8Array, options: UpstreamOptions): Promise<UpstreamResult> {
  const { limits, timing, signal, unwanted } = options;
  const stop = AbortSignal.any([signal, unwanted]);
  for (let tries = 1; ; tries++) {
    stop.throwIfAborted();
    options.onCall();
    const result = await callServer(server, body, limits, signal);
    if (result.kind === 'response' && !isTransient(result.status)) return finalResult(server, result);
    const reason = result.kind === 'broken' ? result.reason : `HTTP ${result.status}`;
    const retryAfter = result.kind === 'broken' ? undefined : readRetryAfter(result.retryAfter, timing.now());
    if (tries >= limits.tries || (retryAfter ?? 0) > RETRY_AFTER_LIMIT_MS) throw unreachable(server, tries, reason, retryAfter);
    await timing.sleep(backoffMs(tries, timing.random(), retryAfter), stop);
  }
}

function isTransient(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function unreachable(server: ModelServer, tries: number, reason: string, retryAfter: number | undefined): MizuError {
  const pause = retryAfter === undefined ? '' : `; the server asks to wait ${Math.ceil(retryAfter / 1_000)} s`;
  return new MizuError(
    'UPSTREAM_UNREACHABLE',
    `Model '${server.name}' at ${server.shown} gave no answer in ${tries} ${tries === 1 ? 'try' : 'tries'}: ${withoutKey(reason, server)}${pause}`,
    {
      component: server.name,
      hint: 'No record is lost or failed by this: check the server and its address, then run again with the same log.',
    },
  );
}

function finalResult(server: ModelServer, result: Final): UpstreamResult {
  const { status, body } = result;
  if (DEPLOYMENT_STATUSES.includes(status) || (status >= 300 && status < 400)) {
    throw refused(server, `answered HTTP ${status}`, adviceFor(status, server));
  }
  if (holdsKey(body, server.key)) {
    throw refused(
      server,
      `repeats the key in its answer (HTTP ${status})`,
      'The answer was not recorded, since it would publish the key. Ask the operator of that server.',
    );
  }
  const failure = (code: string, message: string, facts: ChatFacts): UpstreamResult => ({
    outcome: { kind: 'failure', code, message },
    status,
    response: body,
    facts,
  });
  if (result.cut) return failure('RESPONSE_TOO_LARGE', `the answer has more than ${body.length} bytes; so many are kept`, NO_FACTS);
  if (status < 200 || status >= 300) return failure('UPSTREAM_REFUSED', `the server answered HTTP ${status}`, NO_FACTS);
  const facts = readChatFacts(body);
  if ('malformed' in facts) return failure('RESPONSE_MALFORMED', facts.malformed, NO_FACTS);
  if (facts.model !== undefined && !isSameModel(server.asked, facts.model)) {
    throw refused(
      server,
      `answered as model '${facts.model.slice(0, 80)}', and '${server.asked}' was asked`,
      `If that is the model you want, name it: models: { ${server.name}: { model: "${facts.model.slice(0, 80)}" } }`,
    );
  }
  return { outcome: { kind: 'answer' }, status, response: body, facts };
}

/** Equal, or the same name with a tag or a date (`llama3:latest`, `gpt-4o-2024-08-06`); `gpt-4o-mini` is another model. */
export function isSameModel(asked: string, answered: string): boolean {
  if (asked === answered) return true;
  return answered.startsWith(asked) && /^(?::[\w.-]+|[-@](?:\d{4}-\d{2}-\d{2}|\d{8}))$/.test(answered.slice(asked.length));
}

/** The advice stands in the message: it travels through the log as the reason of a failed attempt. */
function refused(server: ModelServer, what: string, advice: string): MizuError {
  const message = withoutKey(`Model '${server.name}' at ${server.shown} ${what}. ${advice}`, server);
  return new MizuError('UPSTREAM_REFUSED', message, { component: server.name });
}

function adviceFor(status: number, server: ModelServer): string {
  if (status === 404 || status === 405)
    return `Check models.${server.name}.url (it ends where /chat/completions begins, often in /v1) and models.${server.name}.model ('${server.asked}').`;
  if (status === 402)
    return 'The account at that server has no credit left. Nothing was recorded: run again with the same log when it has.';
  if (status >= 300 && status < 400) return 'Redirects are not followed. Give the final address of the server.';
  const key =
    server.key === undefined
      ? `it has none: add models.${server.name}.keyEnv with the name of the variable that holds the key`
      : 'the key may be wrong, or may lack a right';
  return `Check the key of the model: ${key}. Nothing was recorded: run again with the same log.`;
}

/** Also as JSON may write it, with escaped slashes. */
function holdsKey(body: Uint8Array, key: string | undefined): boolean {
  if (key === undefined) return false;
  const text = asBuffer(body).toString('latin1');
  return text.includes(key) || text.replaceAll('\\/', '/').includes(key);
}

/** Whatever a server says may be shown, but never the key. */
function withoutKey(text: string, server: ModelServer): string {
  return server.key === undefined ? text : text.replaceAll(server.key, '***');
}
