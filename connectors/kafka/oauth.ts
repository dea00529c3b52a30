/** Bearer tokens for SASL/OAUTHBEARER: from a file that something else keeps fresh, or from an OAuth token endpoint. */
import { readFile } from 'node:fs/promises';
import { MizuError, messageOf } from '#engine';
import { LinkFailure } from './failures.ts';
import type { AuthenticationStep } from './kafkajs.ts';

export type TokenSource =
  | { readonly file: string }
  /** Client credentials grant (RFC 6749, section 4.4). */
  | { readonly endpoint: string; readonly clientId: string; readonly clientSecret: string; readonly scope?: string | undefined };

/**
 * SASL/OAUTHBEARER (RFC 7628) as the client's own step of authentication. Its built-in one takes a refused token for a good one: the broker refuses by a
 * challenge, which it does not read, and answers what follows with empty answers.
 */
export function bearerAuthentication(source: TokenSource): AuthenticationStep {
  const tokens = bearerTokens(source);
  return ({ saslAuthenticate }) => ({
    authenticate: async () => {
      const { value } = await tokens();
      const message = Buffer.from(`n,,\u0001auth=Bearer ${value}\u0001\u0001`);
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeInt32BE(message.length);
      const challenge = await saslAuthenticate({
        request: { encode: async () => Buffer.concat([length, message]) },
        response: { decode: async (bytes) => bytes, parse: async (bytes) => bytes },
      });
      if (challenge.length > LENGTH_BYTES) {
        throw new MizuError('LOG_REFUSED', `The broker refused the bearer token: ${challenge.toString('utf8', LENGTH_BYTES)}`, {
          hint: 'Has it expired, and is it from the issuer and for the audience that the cluster expects?',
        });
      }
    },
  });
}

/** The length stands before a message and, put there by the client, before the broker's challenge. */
const LENGTH_BYTES = 4;

/** A token is asked for again when this much of its life is left: a connection must be made with it in time. */
const RENEW_BEFORE_MS = 30_000;
const TOKEN_TIMEOUT_MS = 10_000;
/** For endpoints that don't say how long a token lives. */
const LIFE_DEFAULT_S = 60;

interface Token {
  readonly value: string;
  readonly until: number;
}

function bearerTokens(source: TokenSource): () => Promise<{ readonly value: string }> {
  if ('file' in source) return () => tokenFile(source.file);
  let token: Token | undefined;
  let asking: Promise<Token> | undefined;
  return async () => {
    if (token !== undefined && performance.now() < token.until - RENEW_BEFORE_MS) return token;
    asking ??= askEndpoint(source).finally(() => {
      asking = undefined;
    });
    token = await asking;
    return token;
  };
}

/** Read each time: it is replaced before its token ends. */
async function tokenFile(file: string): Promise<{ readonly value: string }> {
  try {
    return { value: (await readFile(file, 'utf8')).trim() };
  } catch (error) {
    throw new MizuError('FILE_UNREADABLE', `Can't read the token file ${file}: ${messageOf(error)}`, { component: file, cause: error });
  }
}

async function askEndpoint(source: Extract<TokenSource, { endpoint: string }>): Promise<Token> {
  const { endpoint, clientId, clientSecret, scope } = source;
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) });
  const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64');
  const hint = 'Check MIZU_KAFKA_SASL_TOKEN_ENDPOINT, client id, client secret and scope.';
  const away = (problem: string, cause?: unknown): LinkFailure =>
    new LinkFailure(`The token endpoint ${endpoint}`, problem, { cause, hint });
  const refused = (problem: string): MizuError =>
    new MizuError('LOG_REFUSED', `The token endpoint ${endpoint} gave no token: ${problem}`, { component: endpoint, hint });
  let response: Response;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}`, accept: 'application/json' },
      body: form,
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    });
  } catch (error) {
    throw away(messageOf(error), error);
  }
  if (response.status >= 500) throw away(`HTTP status ${response.status}`);
  if (!response.ok) throw refused(`HTTP status ${response.status}`);
  const answer = (await response.json().catch(() => undefined)) as { access_token?: unknown; expires_in?: unknown } | undefined;
  if (typeof answer?.access_token !== 'string') throw refused('its answer has no access_token');
  const life = typeof answer.expires_in === 'number' ? answer.expires_in : LIFE_DEFAULT_S;
  return { value: answer.access_token, until: performance.now() + life * 1000 };
}
