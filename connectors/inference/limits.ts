/** Every number of a call to a model server, with its reason. `GatewayLimits` may be narrowed by the composing room. */

/** Most calls to one model at once, unless `calls` of the model says otherwise: far above what a small server takes, and what hosted ones allow to most. */
export const CALLS_PER_MODEL = 64;
/** Calls at once before anything is known: what the smallest servers have slots for. */
export const CALLS_AT_START = 4;
/** A sign of too much lowers the limit to this part of it … */
export const DECREASE = 0.9;
/** … and to this one where nothing is known yet, or nothing was answered since the last decrease. */
export const DECREASE_WHEN_LOST = 0.5;
/** What a good answer adds to the limit, as long as that is below NEAR of where there was too much. */
export const INCREASE_FAR = 0.2;
/** What it adds beyond, so that few calls are put off to learn the limit; and after how many good answers in a row it adds twice that, thrice, … */
export const INCREASE_NEAR = 0.005;
export const INCREASE_DOUBLES_AFTER = 50;
export const NEAR = 0.9;
/** An answer that took more than this part of the longest time raises nothing: more calls at once would only wait in the server. */
export const SLOW_ANSWER_PART = 0.25;
/** Calls are spread over this part of the mean time of an answer, as long as that makes gaps that timers can keep. */
export const SPREAD = 0.8;
export const LEAST_GAP_MS = 2;
/** The first pause of a model that puts off without Retry-After is drawn from 0 to this, doubled while nothing is answered. */
export const PUT_OFF_FIRST_MS = 100;
/** The longest such pause of a model that fails. */
export const FAILED_PAUSE_MS = 2_000;
/** The limit falls no lower: far below what the longest pause between two calls means. */
export const LEAST_LIMIT = 0.001;
/** A model that put off every call for so long is given up. */
export const PUT_OFF_LIMIT_MS = 600_000;
/** A call that was put off so often counts as unreachable: some servers say 429 to a single request that is too large for ever. */
export const PUT_OFFS = 30;
/** So many failures in a row are a sign of too much, too, whatever their kind: tries become fewer. */
export const HOPELESS_TRIES = 8;
/** Failed tries among so many of the last ones … */
export const CIRCUIT_TRIES = 16;
/** … from which on a model may be given up … */
export const CIRCUIT_FAILED = 14;
/** … once nothing was answered for so long: a server that is started again is back sooner. */
export const CIRCUIT_SILENCE_MS = 30_000;
/** So long a model stays given up before one call tries again. */
export const CIRCUIT_PAUSE_MS = 10_000;
/** One whole call, from connecting to the last byte, unless `timeout` of the model says otherwise. A slow local model writes 1,000 tokens in half a minute. */
export const CALL_LIMIT_MS = 180_000;
/** Largest answer that is taken: question and answer, twice in base64, stay below 1 MB, the entry of a broker with default settings. */
export const RESPONSE_LIMIT_BYTES = 256 * 1024;
/** Failed tries of one call before the server counts as unreachable. */
export const TRIES = 6;
/** The pause before try n + 1 is drawn from 0 to this times 2^n ("full jitter"), at most BACKOFF_LIMIT_MS; Retry-After holds all calls of the model. */
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_LIMIT_MS = 30_000;
/** A server that asks for a longer pause than this counts as unreachable: the run can be resumed later. */
export const RETRY_AFTER_LIMIT_MS = 120_000;

export interface GatewayLimits {
  readonly callsPerModel: number;
  readonly callMs: number;
  readonly responseBytes: number;
  readonly tries: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  callsPerModel: CALLS_PER_MODEL,
  callMs: CALL_LIMIT_MS,
  responseBytes: RESPONSE_LIMIT_BYTES,
  tries: TRIES,
};

/** Shortest token of a caller: 16 characters of hexadecimal are 64 bits. */
export const CALLER_TOKEN_MIN_CHARACTERS = 16;
/** Tokens of a caller are counted over so many hours. */
export const TOKEN_WINDOW_HOURS = 24;
/** Connections of the endpoint at once; more are closed. */
export const ENDPOINT_CONNECTIONS = 2_048;
/** A request has to be there, whole, within this, milliseconds. */
export const ENDPOINT_REQUEST_MS = 30_000;
/** Requests on their way may end within this when the endpoint stops, milliseconds. */
export const ENDPOINT_DRAIN_MS = 10_000;
/** Longest idempotency key, characters. */
export const IDEMPOTENCY_KEY_CHARACTERS = 255;
