/**
 * Requests that the registry's package keeps to itself, and the line between a registry that is down and one that refuses: the package reports a refused
 * connection as status 400, so this asks by itself whether anybody is there.
 */
import { type ErrorCode, type Json, MizuError, messageOf } from '#engine';
import type { RegistrySettings } from './settings.ts';

/** Registries answer in milliseconds; their first answer after a start has taken seconds. */
const ANSWER_LIMIT_MS = 10_000;
/** Confluent's codes for a subject, version, schema or setting that isn't there all begin with 404. */
const NOT_THERE = /^404\d\d$/;
const SHOWN_CHARACTERS = 300;

export interface Answer {
  readonly status: number;
  /** null when it was no JSON. */
  readonly body: Json;
}

export class RegistryHttp {
  private readonly settings: RegistrySettings;

  constructor(settings: RegistrySettings) {
    this.settings = settings;
  }

  /** The answer, also when it is "not there" (404) or "conflict" (409). @throws REGISTRY_UNAVAILABLE, REGISTRY_REFUSED. */
  async ask(method: 'GET' | 'PUT' | 'POST', path: string, body?: Json): Promise<Answer> {
    const { url, authorization } = this.settings;
    const headers: Record<string, string> = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
    if (authorization !== undefined) headers['authorization'] = authorization;
    const request = {
      method,
      headers,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${url}${path}`, request);
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw this.unavailable(causeOf(error), error);
    }
    const answer = { status, body: readBody(text) };
    const known = status < 300 || status === 409 || (status === 404 && NOT_THERE.test(String(member(answer.body, 'error_code'))));
    if (!known) throw this.refusal(status, text);
    return answer;
  }

  /** What an error of the package means; a broken connection, which it calls 400, must be sorted out before. */
  refused(error: unknown): MizuError {
    const status = typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) : 0;
    if (status !== 0) return this.refusal(status, messageOf(error));
    return this.error(
      'REGISTRY_REFUSED',
      `The schema can't be registered: ${messageOf(error)}`,
      'Try again: the subject was changed meanwhile',
      error,
    );
  }

  /** What a status other than success means. */
  private refusal(status: number, text: string): MizuError {
    const { url } = this.settings;
    if (status >= 500) return this.unavailable(`it answered HTTP ${status}: ${shown(text)}`);
    if (status === 401 || status === 403) {
      const hint =
        'Set MIZU_REGISTRY_USER and MIZU_REGISTRY_PASSWORD, or MIZU_REGISTRY_TOKEN, of an account that may read and write subjects and their config';
      return this.error('REGISTRY_REFUSED', `The schema registry ${url} refuses the account (HTTP ${status})`, hint);
    }
    if (status === 404 || status === 405 || (status >= 300 && status < 400)) {
      const hint = 'Give the base of its Confluent interface; Apicurio serves it under /apis/ccompat/v7';
      return this.error('REGISTRY_REFUSED', `No schema registry answers at ${url} (HTTP ${status})`, hint);
    }
    return this.error(
      'REGISTRY_REFUSED',
      `The schema registry ${url} refuses (HTTP ${status}): ${shown(text)}`,
      'Check the schema and the settings of the subject',
    );
  }

  private unavailable(why: string, cause?: unknown): MizuError {
    const hint = 'Start the registry or mend MIZU_REGISTRY_URL, and try again: nothing was changed';
    return this.error('REGISTRY_UNAVAILABLE', `The schema registry ${this.settings.url} can't be used: ${why}`, hint, cause);
  }

  private error(code: ErrorCode, message: string, hint: string, cause?: unknown): MizuError {
    return new MizuError(code, message, { component: 'registry', hint, cause });
  }
}

/** `fetch` says "fetch failed"; the reason is its cause. */
function causeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${ANSWER_LIMIT_MS / 1000} s`;
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) || messageOf(error) : messageOf(error);
}

function readBody(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return null;
  }
}

/** A member of an answer that should be an object. */
export function member(body: Json, name: string): Json | undefined {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Readonly<Record<string, Json>>)[name] : undefined;
}

function shown(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
