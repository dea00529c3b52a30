/** Every number of a call to a model server, with its reason. `GatewayLimits` may be narrowed by the composing room. */

/** Calls to one model at once. A small server has four slots, hosted ones allow far more; an adaptive limit takes this as its start. */
export const CALLS_PER_MODEL = 8;
/** One whole call, from connecting to the last byte. A slow local model writes 1,000 tokens in half a minute. */
export const CALL_LIMIT_MS = 180_000;
/** Largest answer that is taken: question and answer, twice in base64, stay below 1 MB, the entry of a broker with default settings. */
export const RESPONSE_LIMIT_BYTES = 256 * 1024;
/** Tries of one call, the first included, before the server counts as unreachable. */
export const TRIES = 6;
/** The pause before try n + 1 is drawn from 0 to this times 2^n ("full jitter"), at most BACKOFF_LIMIT_MS, at least what Retry-After says. */
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
