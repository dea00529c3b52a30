/** What a server said against a question, as the code and words of a failed draw. Bodies are those of the OpenAI API; others are told by their status. */
import { type Json, parseStrictJson } from '#engine';

/** Longest part of a server's words that a message repeats. The exact bytes stand in the attestation. */
const WORDS_LIMIT = 300;

export interface Refusal {
  /** CONTEXT_TOO_LONG: prompt and answer do not fit into the model's context. UPSTREAM_REFUSED: anything else. */
  readonly code: string;
  readonly message: string;
}

export function explainRefusal(status: number, body: Uint8Array): Refusal {
  const { code, type, words } = errorOf(body);
  const said = words === undefined ? '' : `: ${words.slice(0, WORDS_LIMIT).replace(/[\uD800-\uDBFF]$/, '')}`;
  if (status === 413 || [code, type].some(isContextCode))
    return { code: 'CONTEXT_TOO_LONG', message: `prompt and answer do not fit into the model's context (HTTP ${status})${said}` };
  return { code: 'UPSTREAM_REFUSED', message: `the server answered HTTP ${status}${said}` };
}

/** `context_length_exceeded` of OpenAI and vLLM, `exceed_context_size_error` of llama.cpp. */
function isContextCode(code: string | undefined): boolean {
  return code === 'context_length_exceeded' || code === 'exceed_context_size_error';
}

function errorOf(body: Uint8Array): {
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly words?: string | undefined;
} {
  let json: Json;
  try {
    json = parseStrictJson(body);
  } catch {
    return {};
  }
  const error = objectOf(objectOf(json)?.['error']);
  return { code: textOf(error?.['code']), type: textOf(error?.['type']), words: textOf(error?.['message']) };
}

function objectOf(json: Json | undefined): { readonly [key: string]: Json } | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as { readonly [key: string]: Json }) : undefined;
}

function textOf(json: Json | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined;
}
