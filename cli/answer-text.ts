/** One question to a model and its signed answer, as `mizu show`, `preview` and `verify` tell them: who was asked what, what came back, and whose signature stands for it. */
import type { Json, StoryAnswer } from '#engine';
import { fromUtf8, parseStrictJson, toHex } from '#engine';
import { oneLine, shortened } from './format.ts';

/** Longest text of a message or an answer on one line, characters. The JSON has all of it. */
const TEXT_LIMIT = 600;
const SHOWN_HEX = 16;

interface Said {
  readonly role: string;
  readonly content: string;
}

export function answerLines(answer: StoryAnswer, indent: string): string[] {
  const { key, signedBy } = answer;
  const signed = `attestation ${toHex(key).slice(0, SHOWN_HEX)}…, by key ${toHex(signedBy).slice(0, SHOWN_HEX)}…`;
  return [...saidLines(answer, indent), `${indent}  ${'signed'.padEnd(9)} ${signed}`];
}

/** What was asked and answered, without whose word stands for it. */
export function saidLines({ draw, attestation }: Pick<StoryAnswer, 'draw' | 'attestation'>, indent: string): string[] {
  const { model, usage, outcome, finishReason } = attestation;
  const asked = model.asked === model.name ? '' : ` (asked as ${model.asked})`;
  const answered = model.answered === undefined || model.answered === model.asked ? '' : `, answered as ${model.answered}`;
  const tokens = usage === undefined ? 'tokens not said' : `${usage.promptTokens} + ${usage.completionTokens} tokens`;
  const failed = outcome.kind === 'failure' ? `${outcome.code}: ${outcome.message}` : '';
  const line = (name: string, text: string): string => `${indent}  ${name.padEnd(9)} ${shortened(oneLine(text), TEXT_LIMIT)}`;
  return [
    `${indent}draw ${draw}: ${model.name}${asked}${answered}; ${tokens}${finishReason === undefined ? '' : `; finished by ${finishReason}`}`,
    ...messagesOf(attestation.request).map(({ role, content }) => line(role, content)),
    line('answer', failed === '' ? answerOf(attestation.response) : failed),
  ];
}

export function answerJson(answer: StoryAnswer): Json {
  return { ...saidJson(answer), attestation: toHex(answer.key), signedBy: toHex(answer.signedBy) };
}

export function saidJson({ draw, attestation }: Pick<StoryAnswer, 'draw' | 'attestation'>): { readonly [key: string]: Json } {
  const { model, usage, outcome, finishReason, status } = attestation;
  return {
    draw,
    model: { name: model.name, asked: model.asked, answered: model.answered ?? null },
    messages: messagesOf(attestation.request).map(({ role, content }) => ({ role, content })),
    answer: outcome.kind === 'answer' ? answerOf(attestation.response) : null,
    outcome: { ...outcome },
    status,
    finishReason: finishReason ?? null,
    usage: usage === undefined ? null : { ...usage },
  };
}

/** Of a chat; a request of another kind is shown whole. */
function messagesOf(request: Uint8Array): readonly Said[] {
  const body = parsed(request);
  const messages = objectOf(body)['messages'];
  if (!Array.isArray(messages)) return [{ role: 'request', content: fromUtf8(request) }];
  return messages.map((message: Json) => {
    const { role, content } = objectOf(message);
    return { role: String(role), content: typeof content === 'string' ? content : JSON.stringify(content ?? null) };
  });
}

/** The text of a chat's answer; another answer is shown whole. */
function answerOf(response: Uint8Array): string {
  const choices = objectOf(parsed(response))['choices'];
  const [first] = Array.isArray(choices) ? choices : [];
  const { content } = objectOf(objectOf(first)['message']);
  return typeof content === 'string' ? content : Buffer.from(response).toString('utf8');
}

function parsed(bytes: Uint8Array): Json {
  try {
    return parseStrictJson(bytes);
  } catch {
    return null;
  }
}

function objectOf(json: Json | undefined): { readonly [key: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as { readonly [key: string]: Json }) : {};
}
