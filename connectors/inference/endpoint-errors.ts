/** Errors as the OpenAI API shapes them: `{ error: { message, type, param, code } }`. */
import { MizuError } from '#engine';

export interface HttpFailure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly param?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by what handles a request. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly failure: HttpFailure;

  constructor(failure: HttpFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A caller may come back after so long when a model is unreachable, seconds. */
const UNREACHABLE_RETRY_SECONDS = 10;

export function bodyOf({ status, code, message, param }: HttpFailure): string {
  return JSON.stringify({ error: { message, type: typeOf(status), param: param ?? null, code } });
}

function typeOf(status: number): string {
  if (status === 401 || status === 403) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** What of an error a caller is told. Defects and failures of the log are told by their code alone: their texts may speak of others. */
export function failureOf(error: unknown): HttpFailure {
  if (error instanceof RequestError) return error.failure;
  const status = statusOf(error);
  if (status !== undefined)
    return { status, code: CLIENT_CODES[status] ?? 'bad_request', message: error instanceof Error ? error.message : '' };
  if (!(error instanceof MizuError)) return { status: 500, code: 'internal', message: 'The gateway failed; its log says why' };
  const { code, message } = error;
  const retry = { 'retry-after': String(UNREACHABLE_RETRY_SECONDS) };
  switch (code) {
    case 'UPSTREAM_UNREACHABLE':
      return { status: 503, code: 'upstream_unreachable', message, headers: retry };
    case 'UPSTREAM_REFUSED':
      return { status: 502, code: 'upstream_refused', message };
    case 'INTERRUPTED':
      return { status: 503, code: 'interrupted', message: 'The gateway is stopping', headers: retry };
    default:
      return { status: 503, code: code.toLowerCase(), message: `The gateway can't record answers now (${code})`, headers: retry };
  }
}

/** Of the server library: what it refuses before any handler sees it. */
const CLIENT_CODES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  404: 'not_found',
  413: 'request_too_large',
  415: 'unsupported_media_type',
};

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || error instanceof MizuError) return undefined;
  const status = 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
