/**
 * Reads the body of a chat completion (OpenAI API reference, "The chat completion object") strictly: the text of a finished answer, or why
 * it is none. A cut or filtered answer is a failed draw, not data.
 */
import type { Json } from '#kernel';
import { messageOf, parseStrictJson } from '#kernel';
import { isObject } from './convert.ts';

export type ChatAnswer = { readonly text: string } | { readonly code: string; readonly message: string };

/** Reasons that mean the model came to an end by itself: `stop` is OpenAI's, the others are those of older text-generation servers. */
const FINISHED = ['stop', 'eos_token', 'stop_sequence'];

const malformed = (message: string): ChatAnswer => ({ code: 'RESPONSE_MALFORMED', message });

export function readChatAnswer(response: Uint8Array): ChatAnswer {
  let body: Json;
  try {
    body = parseStrictJson(response);
  } catch (error) {
    return malformed(`the answer is not strict JSON: ${messageOf(error)}`);
  }
  if (!isObject(body)) return malformed('the answer is no JSON object');
  const { choices } = body;
  if (!Array.isArray(choices)) return malformed("the answer has no list 'choices'");
  const choice: Json | undefined = choices[0];
  if (choice === undefined) return { code: 'RESPONSE_EMPTY', message: "the answer's list 'choices' is empty" };
  if (!isObject(choice) || choice.message === undefined || !isObject(choice.message)) return malformed("'choices[0].message' is no object");
  const unfinished = finishProblem(choice.finish_reason);
  if (unfinished !== undefined) return unfinished;
  const { content, refusal } = choice.message;
  if (typeof content === 'string') return { text: content };
  if (typeof refusal === 'string') return { code: 'ANSWER_REFUSED', message: 'the model refused to answer' };
  return malformed("'choices[0].message.content' is no text");
}

function finishProblem(reason: Json | undefined): ChatAnswer | undefined {
  if (typeof reason === 'string' && FINISHED.includes(reason)) return undefined;
  if (reason === 'length') return { code: 'ANSWER_CUT', message: "the answer was cut at its limit of tokens (finish_reason 'length')" };
  if (reason === 'content_filter')
    return { code: 'ANSWER_FILTERED', message: "the server's filter stopped the answer (finish_reason 'content_filter')" };
  const given = JSON.stringify(reason ?? null).slice(0, 80);
  return { code: 'ANSWER_UNFINISHED', message: `finish_reason is ${given}, expected 'stop'` };
}
