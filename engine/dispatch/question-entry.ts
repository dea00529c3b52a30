/**
 * Questions as members put them into the log (P8), one partition each, signed like their results. What is asked is bound to network, step,
 * op, candidate, draw and exact request bytes, so that equal questions of two members have one key and one answer.
 */
import { z } from 'zod';
import { MizuError } from '../contract/errors.ts';
import { INFERENCE_APIS, type Question } from '../contract/inference.ts';
import type { Json } from '../contract/program.ts';
import { canonicalJson } from '../proof/jcs.ts';
import { fromBase64, fromHex, toBase64, toHex } from '../proof/sha256.ts';
import type { QuestionBody } from './member-entry.ts';
import type { SignedEntry } from './signed-entry.ts';
import { decodeEnvelope } from './signed-entry.ts';

const whole = z.number().int().nonnegative();
const QUESTION = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('question'),
    node: whole,
    network: z.string(),
    step: z.string().min(1),
    op: z.string().regex(/^[0-9a-f]{64}$/),
    candidate: whole,
    draw: whole,
    model: z.string().min(1),
    request: z.base64(),
    api: z.enum(INFERENCE_APIS).optional(),
  }),
  z.strictObject({ type: z.literal('settled'), node: whole, positions: z.array(whole) }),
]);

function isQuestionBody(body: Json): body is Json & QuestionBody {
  return QUESTION.safeParse(body).success;
}

/** Reads an entry of the questions topic; the signature is checked by `verifySigned`. @throws BYTES_INVALID for another shape. */
export function decodeQuestion(bytes: Uint8Array): SignedEntry<QuestionBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isQuestionBody(body)) throw new MizuError('BYTES_INVALID', `A question of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

export function questionBody(node: number, network: string, question: Question): QuestionBody {
  const { step, opDigest, candidate, draw, model, request, api } = question;
  const asked = { node, network, step, op: toHex(opDigest), candidate, draw, model, request: toBase64(request) };
  return { type: 'question', ...asked, ...(api === undefined ? {} : { api }) };
}

export function questionOf(body: QuestionBody & { readonly type: 'question' }): Question {
  const { step, op, candidate, draw, model, request, api } = body;
  return { step, opDigest: fromHex(op), candidate, draw, model, request: fromBase64(request), ...(api === undefined ? {} : { api }) };
}
