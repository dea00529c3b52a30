/** What an attestation says of an answer's body beside its bytes: model, finish reason, usage, each only if it has the standard form. */
import { type Json, messageOf, parseStrictJson, type TokenUsage } from '#engine';

export interface ChatFacts {
  readonly model: string | undefined;
  readonly finishReason: string | undefined;
  readonly usage: TokenUsage | undefined;
}

type JsonObject = { readonly [key: string]: Json };

export function readChatFacts(body: Uint8Array): ChatFacts | { readonly malformed: string } {
  let json: Json;
  try {
    json = parseStrictJson(body);
  } catch (error) {
    return { malformed: `the answer is not strict JSON: ${messageOf(error)}` };
  }
  const completion = objectOf(json);
  if (completion === undefined) return { malformed: 'the answer is no JSON object' };
  return readChunkFacts(completion);
}

/** The same of one event of a stream, whose usage and finish reason come late. */
export function readChunkFacts(json: Json): ChatFacts {
  const completion = objectOf(json) ?? {};
  const choices = completion['choices'];
  const first = Array.isArray(choices) ? objectOf(choices[0]) : undefined;
  return {
    model: textOf(completion['model']),
    finishReason: textOf(first?.['finish_reason']),
    usage: usageOf(objectOf(completion['usage'])),
  };
}

function objectOf(json: Json | undefined): JsonObject | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as JsonObject) : undefined;
}

function textOf(json: Json | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined;
}

function usageOf(usage: JsonObject | undefined): TokenUsage | undefined {
  const promptTokens = countOf(usage?.['prompt_tokens']);
  // Embeddings have no completion.
  const completionTokens = usage?.['completion_tokens'] === undefined ? 0 : countOf(usage['completion_tokens']);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  return { promptTokens, completionTokens, totalTokens: countOf(usage?.['total_tokens']) ?? promptTokens + completionTokens };
}

function countOf(json: Json | undefined): number | undefined {
  return typeof json === 'number' && Number.isSafeInteger(json) && json >= 0 ? json : undefined;
}
