/**
 * How many tokens a recorded answer counts against budgets (P15): a function of the attestation alone, so everybody counts the same. What the
 * server reported counts. Where it reported nothing although it worked, the most that the question could take counts, since that was
 * reserved: tokens of a tokenizer over bytes are never more than bytes.
 */
import type { Tokens } from '../contract/inference.ts';
import type { Json } from '../contract/program.ts';
import type { Attestation } from './attestation.ts';
import { isPlainObject } from './jcs.ts';
import { parseStrictJson } from './json-parser.ts';

/** Tokens that a server may put around a request beyond the bytes of its JSON: marks of its chat template, a short system text of its own. */
export const TEMPLATE_TOKENS = 64;
/** A question counts at most so many of each kind, whatever its server says: sums stay exact. */
const COUNT_LIMIT = 2 ** 32;

/** Most tokens that a request of so many bytes is read as. */
export function inputBound(requestBytes: number): number {
  return requestBytes + TEMPLATE_TOKENS;
}

/** Undefined where nothing was asked of a model, or nothing counts. */
export function countedTokens({
  request,
  response,
  status,
  usage,
}: Pick<Attestation, 'request' | 'response' | 'status' | 'usage'>): Tokens | undefined {
  if (usage !== undefined) {
    // Some servers count hidden reasoning in the total alone.
    const output = Math.max(usage.completionTokens, usage.totalTokens - usage.promptTokens);
    return { input: Math.min(usage.promptTokens, COUNT_LIMIT), output: Math.min(output, COUNT_LIMIT) };
  }
  if (status < 200 || status > 299) return undefined;
  const body: Json = parsed(request);
  if (!isPlainObject(body) || !Array.isArray(body['messages'])) return undefined;
  const most = body['max_tokens'] ?? body['max_completion_tokens'];
  const output = typeof most === 'number' ? most : response.length;
  return { input: inputBound(request.length), output: Math.min(output, COUNT_LIMIT) };
}

function parsed(request: Uint8Array): Json {
  try {
    return parseStrictJson(request);
  } catch {
    return null;
  }
}
