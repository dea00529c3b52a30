/**
 * Asks a language model and keeps its answer, as a text or as fields by a JSON Schema. The question is a canonical chat-completions body, so the same candidate, step and
 * parameters are the same question in every attempt, run and generation; the signed answer is an input (law 7).
 */
import type { Json, PlanContext } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { newField, planWrite } from '../fields.ts';
import { TEMPLATE_LIMIT } from '../template/prepare.ts';
import type { AnswerSchema } from './answer-schema.ts';
import { planAnswerSchema } from './answer-schema.ts';
import { DRAW_LIMIT, drawsParam, modelName, openAsk, planAsk, planModel, SAMPLING, writesOf } from './ask.ts';
import { readJsonFile } from './json-file.ts';

const prompt = (what: string) =>
  z
    .string()
    .min(1)
    .max(TEMPLATE_LIMIT)
    .describe(`${what} A template, as in \`template\`: \`{{field}}\` or \`{{record.inner}}\` where values go.`);

const schemaParam = z
  .union([z.string().min(1).max(1_024), z.record(z.string(), z.json())])
  .describe(
    'JSON Schema of the answer, here or in a file (.json, .yaml) beside the workflow: an object whose properties become typed fields.',
  );

const params = z.strictObject({
  as: newField(
    'Field that receives the answer; with a schema: as one record. Without it, each property of the schema becomes a field.',
  ).optional(),
  model: modelName,
  prompt: prompt('What the model is asked.'),
  system: prompt('What the model is told about its part.').optional(),
  ...SAMPLING,
  draw: z.int().min(0).max(DRAW_LIMIT).default(0).describe('Number of the draw: another one asks the same question anew.'),
  draws: drawsParam,
  schema: schemaParam.optional(),
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
  summary: 'Ask a language model, and keep its answer as a text or as fields.',
  description:
    'Fills the prompt with the values of fields and asks a model by the chat completions of the OpenAI API, with a seed drawn for the candidate. The answer is recorded with its signature before it is used, ' +
    'and the same question is never asked twice. An answer that was cut (`maxTokens`) or filtered fails the record, as does anything that is no answer: ANSWER_CUT, ANSWER_FILTERED, ANSWER_REFUSED, ANSWER_UNFINISHED, ' +
    'RESPONSE_EMPTY, RESPONSE_MALFORMED, or the code of the failure at the server. With `draws: N` such an answer is a failed draw: the question is asked again with another seed, up to N times, and the record fails with the ' +
    'reason of the last draw. With `schema` the answer is asked for by `response_format` and held against the schema: ANSWER_NOT_JSON, ANSWER_INVALID. Each property becomes a field of its type; one that is not required, or may be null, ' +
    'is T or null. Known keywords: type, properties, required, items, enum, const, additionalProperties, anyOf with null, $ref to $defs, bounds, title, description. The exact bytes of every draw stand in its attestation.',
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
      title: 'by a schema: strict JSON, checked, as typed fields; a broken answer is drawn again',
      params: {
        model: 'small',
        prompt: 'Complain about {{product}}.',
        draws: 2,
        schema: {
          type: 'object',
          properties: { subject: { type: 'string' }, stars: { type: 'integer', minimum: 1, maximum: 5 } },
          required: ['subject'],
        },
      },
      models: ['small'],
      input: [{ product: 'a kettle' }, { product: 'a lamp' }],
      // Both first draws, then the second draw of the lamp.
      answers: [
        completion({ content: '{"subject":"It leaks","stars":2}' }, 'stop'),
        completion({ content: 'Sure! {"subject":"Dim"}' }, 'stop'),
        completion({ content: '{"subject":"Dim"}' }, 'stop'),
      ],
      output: [
        { row: { product: 'a kettle', stars: 2, subject: 'It leaks' } },
        { row: { product: 'a lamp', stars: null, subject: 'Dim' } },
      ],
    },
    {
      title: 'an answer that breaks its schema fails the record when no draw is left',
      params: {
        as: 'note',
        model: 'small',
        prompt: 'Rate {{product}}.',
        schema: { type: 'object', properties: { stars: { enum: [1, 2, 3] } }, required: ['stars'] },
      },
      models: ['small'],
      input: [{ product: 'a kettle' }, { product: 'a lamp' }, { product: 'a cup' }],
      answers: [
        completion({ content: '{"stars":3}' }, 'stop'),
        completion({ content: '{"stars":9}' }, 'stop'),
        completion({ content: '{"stars":1,"stars":3}' }, 'stop'),
      ],
      output: [{ row: { product: 'a kettle', note: { stars: 3 } } }, { failed: 'ANSWER_INVALID' }, { failed: 'ANSWER_NOT_JSON' }],
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
  defaultId: (p) => p.as ?? 'inference',
  files: (p) => (typeof p.schema === 'string' ? [{ path: p.schema, at: 'schema' }] : []),
  plan(p, context) {
    const known = planModel(p.model, 'model', context);
    const schema = p.schema === undefined ? undefined : schemaOf(p.schema, context);
    if (p.as === undefined && p.schema === undefined)
      context.problem('as', "'as' is missing", {
        expected: 'the field that receives the answer',
        hint: 'add `as: …`, or a schema whose properties are the fields',
      });
    const { as, model, prompt: user, system, draw, draws, ...sampling } = p;
    const plan = planAsk({ as, model, prompt: user, system, sampling, draw, draws, schema }, context);
    const fits = writesOf({ as, schema }).every(({ name, type }) => planWrite(context, name, type));
    if (!known || !fits || plan === undefined || (p.schema === undefined ? as === undefined : schema === undefined)) return [];
    return [plan];
  },
  open: openAsk,
});

function schemaOf(schema: Exclude<Params['schema'], undefined>, context: PlanContext): AnswerSchema | undefined {
  const json = typeof schema === 'string' ? readJsonFile(schema, 'schema', context) : schema;
  return json === undefined ? undefined : planAnswerSchema(json, 'schema', context);
}
