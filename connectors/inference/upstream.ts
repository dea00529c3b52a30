/**
 * A question to a model server until there is something to record (P9). Tried again: cut connections, time-outs, 408, 429, 5xx; after the last try
 * the server is unreachable, which ends the attempt and never a record. Recorded: every answer, and what the server finally says against this
 * question. Neither: what is wrong with the deployment (key, address, model), since mending it must be enough to go on.
 */
import { asBuffer, type InferenceApi, MizuError } from '#engine';
import { backoffMs, readRetryAfter } from './backoff.ts';
import { type ChatFacts, readChatFacts } from './chat-facts.ts';
import { explainRefusal } from './explain-refusal.ts';
import type { CallResult, Transport } from './http-call.ts';
import { type GatewayLimits, PUT_OFFS, RETRY_AFTER_LIMIT_MS } from './limits.ts';
import type { CallEnd, ModelPace } from './model-pace.ts';
import type { ModelServer } from './model-server.ts';
import { cutStream, StreamRelay, type StreamSink } from './stream-relay.ts';
import type { Timing } from './timing.ts';

export interface UpstreamResult {
  readonly outcome: { readonly kind: 'answer' } | { readonly kind: 'failure'; readonly code: string; readonly message: string };
  readonly status: number;
  readonly response: Uint8Array;
  readonly facts: ChatFacts;
}

export interface UpstreamOptions {
  readonly api: InferenceApi;
  readonly idempotencyKey: string;
  readonly limits: GatewayLimits;
  readonly pace: ModelPace;
  readonly transport: Transport;
  readonly timing: Timing;
  /** Ends the call. */
  readonly signal: AbortSignal;
  /** Ends the waiting between two tries; a call under way is brought to its end. */
  readonly unwanted: AbortSignal;
  /** The answer is asked for as an event stream; its events go to the sink as they come, if there is one. */
  readonly stream: { readonly sink: StreamSink | undefined } | undefined;
  /** Told of every call's end. */
  readonly onCall: (end: CallEnd['kind']) => void;
}

type Final = Extract<CallResult, { kind: 'response' }>;

const NO_FACTS: ChatFacts = { model: undefined, finishReason: undefined, usage: undefined };

/** Statuses that speak of key, account or address, not of the question; so do redirects. */
const DEPLOYMENT_STATUSES = [401, 402, 403, 404, 405, 407];
/** Statuses of a server that may have too much to do. */
const STRAINED_STATUSES = [408, 502, 503, 504];

/** @throws UPSTREAM_UNREACHABLE; UPSTREAM_REFUSED when the deployment is at fault; the signals' reasons. */
export async function askServer(server: ModelServer, body: Uint8Array, options: UpstreamOptions): Promise<UpstreamResult> {
  const { limits, timing, pace, signal, unwanted } = options;
  const stop = AbortSignal.any([signal, unwanted]);
  let failed = 0;
  let putOff = 0;
  for (;;) {
    const turn = await pace.turn(stop, failed + putOff > 0);
    let end: CallEnd = { kind: 'left' };
    try {
      const relay = options.stream === undefined ? undefined : new StreamRelay(options.stream.sink, checkerOf(server));
      const result = await call(server, body, options, relay);
      end = endOf(result, relay, timing);
      if (end.kind === 'good' && result.kind === 'response') return finalResult(server, result, relay);
      // What was passed on can't be taken back: another try would be another answer.
      if (relay !== undefined && relay.passed > 0) throw cutStream(server.name, relay.passed, reasonOf(end, server));
    } finally {
      turn.end(end);
      options.onCall(end.kind);
    }
    if (end.kind === 'failed') failed++;
    else putOff++;
    const retryAfter = end.kind === 'failed' || end.kind === 'put-off' ? end.retryAfterMs : undefined;
    if (failed >= limits.tries || putOff >= PUT_OFFS || (retryAfter ?? 0) > RETRY_AFTER_LIMIT_MS)
      throw unreachable(server, failed + putOff, reasonOf(end, server), retryAfter);
    await timing.sleep(backoffMs(failed + putOff, timing.random()), stop);
  }
}

function call(server: ModelServer, body: Uint8Array, options: UpstreamOptions, relay: StreamRelay | undefined): Promise<CallResult> {
  const { api, idempotencyKey, limits, transport, signal } = options;
  const onChunk = relay === undefined ? undefined : relay.take.bind(relay);
  const callMs = server.timeoutMs ?? limits.callMs;
  return transport({ server, api, body, idempotencyKey, callMs, responseBytes: limits.responseBytes, signal, onChunk });
}

/** What a call says of the server: whether it lives, and whether it has too much to do. */
function endOf(result: CallResult, relay: StreamRelay | undefined, timing: Timing): CallEnd {
  if (result.kind === 'broken') return { kind: 'failed', reason: result.reason, strained: true, retryAfterMs: undefined };
  const { status, retryAfter, cut, isEventStream } = result;
  const retryAfterMs = readRetryAfter(retryAfter, timing.date());
  if (status === 429) return { kind: 'put-off', reason: 'HTTP 429', retryAfterMs };
  if (status >= 500 || status === 408)
    return { kind: 'failed', reason: `HTTP ${status}`, strained: STRAINED_STATUSES.includes(status), retryAfterMs };
  const unfinished = relay !== undefined && status === 200 && isEventStream && !relay.done && !cut;
  if (unfinished) return { kind: 'failed', reason: 'the stream ended without [DONE]', strained: false, retryAfterMs: undefined };
  return { kind: 'good' };
}

function reasonOf(end: CallEnd, server: ModelServer): string {
  return 'reason' in end ? withoutKey(end.reason, server) : '';
}

function unreachable(server: ModelServer, tries: number, reason: string, retryAfter: number | undefined): MizuError {
  const pause = retryAfter === undefined ? '' : `; the server asks to wait ${Math.ceil(retryAfter / 1_000)} s`;
  return new MizuError(
    'UPSTREAM_UNREACHABLE',
    `Model '${server.name}' at ${server.shown} gave no answer in ${tries} ${tries === 1 ? 'try' : 'tries'}: ${reason}${pause}`,
    {
      component: server.name,
      hint: 'No record is lost or failed by this: check the server and its address, then run again with the same log.',
    },
  );
}

function finalResult(server: ModelServer, result: Final, relay: StreamRelay | undefined): UpstreamResult {
  const { status, body } = result;
  if (DEPLOYMENT_STATUSES.includes(status) || (status >= 300 && status < 400)) {
    throw refused(server, `answered HTTP ${status}`, adviceFor(status, server));
  }
  checkKey(server, body, status);
  const failure = (code: string, message: string, facts: ChatFacts): UpstreamResult => ({
    outcome: { kind: 'failure', code, message },
    status,
    response: body,
    facts,
  });
  if (result.cut) return failure('RESPONSE_TOO_LARGE', `the answer has more than ${body.length} bytes; so many are kept`, NO_FACTS);
  if (status < 200 || status >= 300) {
    const { code, message } = explainRefusal(status, body);
    return failure(code, message, NO_FACTS);
  }
  const facts = relay === undefined ? readChatFacts(body) : streamFacts(relay, result);
  if ('malformed' in facts) return failure('RESPONSE_MALFORMED', facts.malformed, NO_FACTS);
  checkModel(server, facts.model, result.servedAs);
  return { outcome: { kind: 'answer' }, status, response: body, facts };
}

function streamFacts(relay: StreamRelay, { isEventStream }: Final): ChatFacts | { readonly malformed: string } {
  if (!isEventStream) return { malformed: 'a stream was asked for, and the answer is no event stream' };
  return relay.malformed === undefined ? relay.facts : { malformed: relay.malformed };
}

/** Looks at each event before it is passed on: neither another model's words nor a key leave the gateway. */
function checkerOf(server: ModelServer): (facts: ChatFacts, event: Buffer, servedAs: string | null) => void {
  return (facts, event, servedAs) => {
    checkModel(server, facts.model, servedAs);
    checkKey(server, event, 200);
  };
}

function checkKey(server: ModelServer, body: Uint8Array, status: number): void {
  if (!holdsKey(body, server.key)) return;
  throw refused(
    server,
    `repeats the key in its answer (HTTP ${status})`,
    'The answer was not recorded, since it would publish the key. Ask the operator of that server.',
  );
}

/** The model that was asked, by the server's own word, or by that of the gateway before it. */
function checkModel(server: ModelServer, answered: string | undefined, servedAs: string | null): void {
  if (answered === undefined || isSameModel(server.asked, answered) || servedAs === encodeURIComponent(server.asked)) return;
  throw refused(
    server,
    `answered as model '${answered.slice(0, 80)}', and '${server.asked}' was asked`,
    `If that is the model you want, name it: models: { ${server.name}: { model: "${answered.slice(0, 80)}" } }`,
  );
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
