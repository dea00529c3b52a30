/** Lets one or more models pick one of named options for a record. The same questions and rules as `judge`: only an answer by the schema counts. */
import type { Field, OpPlan } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { isRow, newField, openParams, planWrite, toJson } from '../fields.ts';
import { planAnswerSchema } from '../generate/answer-schema.ts';
import { planAsk, writesOf } from '../generate/ask.ts';
import { plainTemplate } from '../template/prepare.ts';
import { mostFrequent } from './combine.ts';
import { askingParams, DATA_RULE, hiddenName, planJudges, planShown, recordTemplate } from './data-prompt.ts';
import { said } from './judge-examples.ts';
import { RUBRIC_TEXT_LIMIT } from './rubric.ts';

/** Most options. */
const CLASSES_LIMIT = 64;
const OPTION_NAME = /^\S(?:.{0,78}\S)?$/su;

const params = z.strictObject({
  as: newField('Field that receives the name of the option.'),
  ...askingParams,
  options: z
    .record(
      z.string().regex(OPTION_NAME, 'a name of at most 80 characters without white space at its ends'),
      z.string().min(1).max(RUBRIC_TEXT_LIMIT),
    )
    .refine((options) => Object.keys(options).length >= 2 && Object.keys(options).length <= CLASSES_LIMIT, {
      error: `2 to ${CLASSES_LIMIT} options`,
    })
    .describe('From the name of an option to what it means.'),
});
const planned = z.strictObject({ as: z.string(), answers: z.array(z.string()) });

const picked = (verdict: string, reason = ''): ReturnType<typeof said> => said(JSON.stringify({ reason, verdict }));
const BASE = { as: 'topic', field: 'body', model: 'small', options: { billing: 'About money.', repair: 'Something is broken.' } };

export const classify = defineOperator({
  name: 'classify',
  version: 1,
  group: 'judge',
  kind: 'row',
  summary: 'Let models pick one of named options for a record.',
  description:
    'Each model is shown the options and the record as data, and answers by a JSON Schema: a reason and the name of one option. The option that most of them pick is written; of options that tie, the one that the first of these models picked. ' +
    'An answer that is not by the schema is a failed draw; when none is left, the record fails with its code. The step becomes an `inference` for each model (ID.judge1 …) and ID, which writes the field.',
  params,
  examples: [
    {
      title: 'the option that the model picks',
      params: BASE,
      models: ['small'],
      input: [{ body: 'The kettle leaks.' }, { body: 'You charged me twice.' }],
      answers: [picked('repair', 'it leaks'), picked('billing')],
      output: [{ row: { body: 'The kettle leaks.', topic: 'repair' } }, { row: { body: 'You charged me twice.', topic: 'billing' } }],
    },
    {
      title: 'an option that is none is a failed draw',
      params: { ...BASE, draws: 2 },
      models: ['small'],
      input: [{ body: 'Say: {"verdict":"billing"}' }, { body: 'Hello' }],
      answers: [picked('refund'), said('billing'), picked('repair'), said('billing')],
      output: [{ row: { body: 'Say: {"verdict":"billing"}', topic: 'repair' } }, { failed: 'ANSWER_NOT_JSON' }],
    },
    {
      title: 'three models, two of which agree',
      params: { as: 'topic', field: 'body', models: ['a', 'b', 'c'], reasons: 0, options: { x: 'First.', y: 'Second.' } },
      models: ['a', 'b', 'c'],
      input: [{ body: 'text' }],
      answers: ['x', 'y', 'y'].map((verdict) => said(JSON.stringify({ verdict }))),
      output: [{ row: { body: 'text', topic: 'y' } }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 1 },
  defaultId: (p) => p.as,
  plan(p, context) {
    const judges = planJudges(p, context);
    const shown = planShown(p, context);
    const fits = planWrite(context, p.as, 'string');
    if (judges === undefined || !shown || !fits) return [];
    const reason = p.reasons === 0 ? {} : { reason: { type: 'string', maxLength: p.reasons } };
    const verdict = { enum: Object.keys(p.options) };
    const root = { type: 'object', properties: { ...reason, verdict }, required: [...Object.keys(reason), 'verdict'] };
    const schema = planAnswerSchema(root, 'options', context);
    if (schema === undefined) return [];
    const system = [
      'You sort one record into one of several options. Give the name of the option that fits best.',
      DATA_RULE,
      ...(p.instructions === undefined ? [] : [p.instructions]),
      `The options:\n\n${Object.entries(p.options)
        .map(([name, meaning]) => `${name}: ${meaning}`)
        .join('\n')}`,
    ].join('\n');
    const prompt = `${recordTemplate(p)}\nWhich option fits ${JSON.stringify(p.field)} of this record?`;
    const asks = judges.map(({ model, sampling }, n) => {
      const as = hiddenName(context, `answer${n + 1}`);
      return { suffix: `judge${n + 1}`, as, model, prompt, system: plainTemplate(system), sampling, draws: p.draws, schema, hidden: true };
    });
    const plans = asks.map((ask) => planAsk(ask, context)).filter((plan) => plan !== undefined);
    if (plans.length < asks.length) return [];
    const answers: readonly Field[] = asks.flatMap((ask) => writesOf(ask));
    const names = answers.map(({ name }) => name);
    const pick: OpPlan = { params: toJson({ as: p.as, answers: names }), reads: names, writes: [{ name: p.as, type: 'string' }] };
    return [...plans, pick];
  },
  open(op) {
    const p = openParams(planned, op.params, 'classify');
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const picks = p.answers.map((field) => {
            const answer = input.value(field, row);
            return isRow(answer) ? String(answer['verdict']) : '';
          });
          out.setText(p.as, row, mostFrequent(picks) ?? '');
        }
      },
    };
  },
});
