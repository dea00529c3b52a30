/**
 * Asks a language model and keeps its answer as a text. The question is a canonical chat-completions body, so the same candidate, step and
 * parameters are the same question in every attempt, run and generation; the signed answer is an input (law 7).
 */
import type { Json } from '#engine';
import { canonicalBytes, defineOperator, REQUEST_LIMIT_BYTES } from '#engine';
import { z } from 'zod';
import { newField, openParams, planWrite, rootOf, toJson } from '../fields.ts';
import { openTemplate, planTemplate, TEMPLATE_LIMIT } from '../template/template.ts';
import { readChatAnswer } from './chat-answer.ts';

/** Seeds that every server tried takes: 31 bits. */
const SEED_RANGE = 2 ** 31 - 1;
/** Largest `maxTokens`: more text than an answer may have bytes. */
const TOKENS_LIMIT = 65_536;
/** OpenAI API reference: up to four stop sequences. */
const STOP_LIMIT = 4;
const STOP_CHARACTERS = 200;
/** Highest number of a draw. */
const DRAW_LIMIT = 1_000_000;
/** One unit of output gas is charged for so many bytes of an answer. */
const GAS_OUTPUT_BYTES = 64;

const prompt = (what: string) =>
  z
    .string()
    .min(1)
    .max(TEMPLATE_LIMIT)
    .describe(`${what} A template, as in \`template\`: \`{{field}}\` or \`{{record.inner}}\` where values go.`);

const params = z.strictObject({
  as: newField('Field that receives the answer.'),
  model: z.string().min(1).max(128).describe('Name of a model under `models` of the workflow.'),
  prompt: prompt('What the model is asked.'),
  system: prompt('What the model is told about its part.').optional(),
  maxTokens: z
    .int()
    .min(1)
    .max(TOKENS_LIMIT)
    .describe("Most tokens of the answer; one that needs more fails. Default: the server's own.")
    .optional(),
  temperature: z.number().min(0).max(2).describe("0 to 2. Default: the server's own.").optional(),
  topP: z.number().positive().max(1).describe("Share of the probability that is sampled from. Default: the server's own.").optional(),
  stop: z
    .array(z.string().min(1).max(STOP_CHARACTERS))
    .min(1)
    .max(STOP_LIMIT)
    .describe('Texts at which the answer ends; they are not part of it.')
    .optional(),
  draw: z.int().min(0).max(DRAW_LIMIT).default(0).describe('Number of the draw: another one asks the same question anew.'),
});

type Params = z.infer<typeof params>;

const CASE_PARAMS = { as: 'body', model: 'small', prompt: 'Complain about {{product}}.' };
const completion = (message: { readonly [key: string]: Json }, finishReason: string): { readonly response: Json } => ({
  response: {
    choices: [{ finish_reason: finishReason, index: 0, message: { role: 'assistant', ...message } }],
    model: 'small',
    object: 'chat.completion',
  },
});

export const inference = defineOperator({
  name: 'inference',
  version: 1,
  group: 'generate',
  kind: 'external',
  summary: 'Ask a language model, and keep its answer as a text.',
  description:
    'Fills the prompt with the values of fields and asks a model by the chat completions of the OpenAI API, with a seed drawn for the candidate. The answer is recorded with its signature before it is used, ' +
    'and the same question is never asked twice. An answer that was cut (`maxTokens`) or filtered fails the record, as does anything that is no answer: ANSWER_CUT, ANSWER_FILTERED, ANSWER_REFUSED, ANSWER_UNFINISHED, ' +
    'RESPONSE_EMPTY, RESPONSE_MALFORMED, or the code of the failure at the server. The exact bytes stand in the attestation.',
  params,
  examples: [
    {
      title: 'the text of a finished answer',
      params: CASE_PARAMS,
      models: ['small'],
      input: [{ product: 'a kettle' }],
      answers: [completion({ content: 'It leaks.' }, 'stop')],
      output: [{ row: { product: 'a kettle', body: 'It leaks.' } }],
    },
    {
      title: 'an answer that was cut, filtered, refused or is empty is a failed draw',
      params: CASE_PARAMS,
      models: ['small'],
      input: [{ product: 'a' }, { product: 'b' }, { product: 'c' }, { product: 'd' }],
      answers: [
        completion({ content: 'It is so' }, 'length'),
        completion({ content: '' }, 'content_filter'),
        completion({ content: null, refusal: 'No.' }, 'stop'),
        { response: { choices: [] } },
      ],
      output: [{ failed: 'ANSWER_CUT' }, { failed: 'ANSWER_FILTERED' }, { failed: 'ANSWER_REFUSED' }, { failed: 'RESPONSE_EMPTY' }],
    },
    {
      title: 'a final failure at the server fails the record with its code',
      params: { ...CASE_PARAMS, system: 'You are {{who}}.' },
      models: ['small'],
      input: [{ product: 'a lamp', who: 'a clerk' }],
      answers: [{ failure: 'UPSTREAM_REFUSED', message: 'HTTP 400' }],
      output: [{ failed: 'UPSTREAM_REFUSED' }],
    },
  ],
  gas: { perRecord: 50, per64Bytes: 2 },
  defaultId: (p) => p.as,
  plan(p, context) {
    const known = context.models.includes(p.model);
    if (!known) {
      const hint = context.nearest(p.model, context.models) ?? `declare it: \`models: { ${p.model}: { url: "http://…/v1" } }\``;
      const expected = context.models.length === 0 ? {} : { expected: context.models.join(', ') };
      context.problem('model', `There is no model '${p.model}' under \`models\``, { ...expected, hint });
    }
    const paths = planTemplate(p.prompt, 'prompt', context);
    const more = p.system === undefined ? [] : planTemplate(p.system, 'system', context);
    const fits = planWrite(context, p.as, 'string');
    if (!known || paths === undefined || more === undefined || !fits) return [];
    return [{ params: toJson(p), reads: [...new Set([...paths, ...more].map(rootOf))], writes: [{ name: p.as, type: 'string' }] }];
  },
  open(op, env) {
    const p = openParams(params, op.params, 'inference');
    const writePrompt = openTemplate(p.prompt);
    const writeSystem = p.system === undefined ? undefined : openTemplate(p.system);
    return {
      question(input, row, out) {
        const user = writePrompt(input, row, out);
        const system = user === undefined ? undefined : writeSystem?.(input, row, out);
        if (user === undefined || (writeSystem !== undefined && system === undefined)) return undefined;
        if (/^[ \t\r\n]*$/.test(user)) {
          out.fail(row, 'PROMPT_EMPTY', 'the prompt has no text for this record');
          return undefined;
        }
        const candidate = input.candidate(row);
        const request = canonicalBytes(requestOf(p, user, system, env.draws.below(SEED_RANGE, candidate, 'seed', p.draw)));
        if (request.length > REQUEST_LIMIT_BYTES) {
          out.fail(row, 'REQUEST_TOO_LARGE', `the request has ${request.length} bytes, at most ${REQUEST_LIMIT_BYTES} can be asked`);
          return undefined;
        }
        return { step: op.id, opDigest: env.opDigest, candidate, draw: p.draw, model: p.model, request };
      },
      answer(_input, row, answer, out) {
        if (answer.kind === 'failure') {
          out.fail(row, answer.code, answer.message);
          return;
        }
        const read = readChatAnswer(answer.response);
        if ('code' in read) {
          out.fail(row, read.code, read.message);
          return;
        }
        out.charge(Math.ceil(Buffer.byteLength(read.text) / GAS_OUTPUT_BYTES));
        out.setText(p.as, row, read.text);
      },
    };
  },
});

/** The body as the OpenAI API takes it, under the author's name of the model; the gateway puts the server's name there. */
function requestOf(p: Params, user: string, system: string | undefined, seed: number): Json {
  const messages = [...(system === undefined ? [] : [{ role: 'system', content: system }]), { role: 'user', content: user }];
  return {
    model: p.model,
    messages,
    seed,
    ...(p.maxTokens === undefined ? {} : { max_tokens: p.maxTokens }),
    ...(p.temperature === undefined ? {} : { temperature: p.temperature }),
    ...(p.topP === undefined ? {} : { top_p: p.topP }),
    ...(p.stop === undefined ? {} : { stop: p.stop }),
  };
}
