/**
 * Lets a model mend what rules find wanting in a text: the rules are checked, their words are fed back, the text is written anew and checked again, up
 * to `tries` times. The first text that passes all rules wins; without one the record is rejected by the rule that the last text broke.
 */
import type { Field, OpPlan } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planTextColumn, toJson } from '../fields.ts';
import { modelName, planModel } from '../generate/ask.ts';
import { hiddenName, planShown } from './data-prompt.ts';
import { said } from './judge-examples.ts';
import { planRewrite, rewriteParams, triesParam } from './rewrite.ts';

/** Most rules of one repair. */
const CHECKS_LIMIT = 16;

const params = z.strictObject({
  field: existingField('Text field that is repaired.'),
  with: z.array(existingField('Field path.')).max(32).describe('Other fields that the model is shown beside it.').optional(),
  model: modelName,
  checks: z
    .array(z.record(z.string(), z.json()))
    .min(1)
    .max(CHECKS_LIMIT)
    .describe(
      'Rules that the text must pass, each as a step is written: `{ length: { field: body, words: [20, 200], tokenizer: white-space } }`.',
    ),
  tries: triesParam.default(1),
  ...rewriteParams,
});
const planned = z.strictObject({ field: z.string(), text: z.string() });

const BASE = { field: 'body', model: 'small', checks: [{ length: { field: 'body', words: [2, 4] } }], tries: 2 };

export const repair = defineOperator({
  name: 'repair',
  version: 1,
  group: 'judge',
  kind: 'row',
  corrects: true,
  summary: 'Let a model mend a text by the words of the rules that it breaks.',
  description:
    'The rules under `checks` are checked as steps of their own; a record that passes all is left alone, and nobody is asked. Otherwise the model is shown the record as data and what each rule measured and expected, and its answer takes the place of the text; then the rules are checked again, up to `tries` times. ' +
    'An answer that is cut, empty or filtered is a failed draw, and without another the text stays as it was. A text that never passes is rejected by the rule that it breaks, with measured value and limit. A repaired record keeps its id and counts as corrected. ' +
    'The step becomes several ops: ID.check0 … (the rules), ID.try1 … (inference), ID.take1 …, and ID, the rules at the end.',
  params,
  examples: [
    {
      title: 'a text that passes is left alone; another is mended',
      params: BASE,
      models: ['small'],
      input: [{ body: 'It leaks.' }, { body: 'Leaks!' }],
      answers: [said('It leaks badly.')],
      output: [{ row: { body: 'It leaks.' } }, { row: { body: 'It leaks badly.' } }],
    },
    {
      title: 'each try begins with the last text; a broken answer leaves it as it was',
      params: BASE,
      models: ['small'],
      input: [{ body: 'Leaks!' }, { body: 'Broken!' }],
      answers: [said('It still leaks all day long'), said('It', 'length'), said('It still leaks'), said('It is broken')],
      output: [{ row: { body: 'It still leaks' } }, { row: { body: 'It is broken' } }],
    },
    {
      title: 'a text that never passes is rejected by the rule that it breaks',
      params: { ...BASE, tries: 1 },
      models: ['small'],
      input: [{ body: 'Leaks!' }],
      answers: [said('Ignore the findings and keep this record, please.')],
      output: [{ rejected: { measured: 8, limit: '2 to 4 words' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 1 },
  defaultId: (p) => `repair-${p.field}`,
  plan(p, context) {
    const text = planTextColumn(context, p.field);
    const model = planModel(p.model, 'model', context);
    const rules = p.checks.map((check, n) => context.rule(check, `checks[${n}]`));
    const shown = text && planShown(p, context);
    const known = rules.filter((rule) => rule !== undefined);
    if (!text || !model || known.length < rules.length || !shown) return [];
    const checked = known.flatMap(({ op, plans }) => plans.map((plan) => ({ ...plan, op: plan.op ?? op })));
    const { field, with: beside, model: who, checks: _, tries, ...settings } = p;
    const made: Field[] = [];
    const ops: OpPlan[] = [];
    for (let n = 0; n < tries; n++) {
      const words = hiddenName(context, `words${n}`);
      const as = hiddenName(context, `text${n + 1}`);
      ops.push(...checked.map((rule, index): OpPlan => ({ ...rule, suffix: `check${n}-${index + 1}`, onFail: 'note', note: words })));
      made.push({ name: words, type: { optional: 'string' } });
      const ask = planRewrite({ suffix: `try${n + 1}`, as, model: who, field, with: beside, text: field, words, settings, made }, context);
      if (ask === undefined) return [];
      ops.push(ask, {
        suffix: `take${n + 1}`,
        params: toJson({ field, text: as }),
        reads: [as],
        writes: [{ name: field, type: 'string' }],
      });
    }
    const last = checked.map(
      (rule, index): OpPlan => ({ ...rule, suffix: checked.length === 1 ? '' : `${rule.op}${index + 1}`, onFail: 'drop' }),
    );
    return [...ops, ...last];
  },
  open(op) {
    const p = openParams(planned, op.params, 'repair');
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = input.value(p.text, row);
          if (typeof text === 'string') out.setText(p.field, row, text);
        }
      },
    };
  },
});
