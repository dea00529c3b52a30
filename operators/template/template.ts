/**
 * Text from fields, in a subset of Jinja without code: outputs with filters, conditions, loops over lists. Everything is checked at compile time.
 * Numbers are written in the shortest form that reads back the same (ECMAScript Number::toString).
 */
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { newField, openParams, planWrite, toJson } from '../fields.ts';
import { FILTERS } from './filters.ts';
import { openTemplate, planTemplate, SYNTAX, TEMPLATE_LIMIT } from './prepare.ts';

const params = z.strictObject({
  as: newField('Field that receives the text.'),
  text: z
    .string()
    .max(TEMPLATE_LIMIT)
    .describe(
      'Text with `{{field}}` or `{{record.inner}}` where values go, and filters, conditions and loops. A backslash before `{{` makes it plain text (`\\{{`); two make one backslash.',
    ),
});
/** A template of outputs alone has no `syntax`: programs from before there were tags mean what they meant. */
const planned = params.extend({ syntax: SYNTAX });

export const template = defineOperator({
  name: 'template',
  version: 1,
  group: 'template',
  kind: 'row',
  summary: 'Write a text with the values of fields in it.',
  description:
    'Replaces each `{{path}}` by the value of that field. Texts, numbers, true or false, and lists of these (joined by a comma and a space) can be written. ' +
    'A null fails the record with NULL_IN_TEMPLATE rather than leaving a silent gap. The language is a subset of Jinja: `{{ value | filter }}`, `{% if %}`, `{% elif %}`, `{% else %}`, `{% endif %}`, ' +
    '`{% for item in list %}` with `loop.index`, `loop.first` and `loop.last`, `{# comments #}`, and `-` inside a brace to take white space away; the whole of it stands in workflow.md. ' +
    `Filters: ${FILTERS.map(({ name }) => name).join(', ')}. Fields, types and filters are checked before the run. A template that would make more than 4 Mi characters or take more than 100,000 steps for a record fails it (TEMPLATE_TOO_LARGE, TEMPLATE_TOO_LONG).`,
  params,
  examples: [
    {
      title: 'fields, inner fields and numbers in their shortest form',
      params: { as: 'prompt', text: 'As {{persona.voice}}, write about {{ product }} ({{price}}).' },
      input: [{ product: 'café 😀', price: 0.1, persona: { voice: 'a clerk' } }],
      output: [
        { row: { product: 'café 😀', price: 0.1, persona: { voice: 'a clerk' }, prompt: 'As a clerk, write about café 😀 (0.1).' } },
      ],
    },
    {
      title: 'empty texts, lists and truth values',
      params: { as: 'line', text: '[{{name}}] {{tags}} {{on}}' },
      input: [{ name: '', tags: ['a', 'b'], on: false }],
      output: [{ row: { name: '', tags: ['a', 'b'], on: false, line: '[] a, b false' } }],
    },
    {
      title: 'a backslash makes braces plain text',
      params: { as: 'line', text: 'write \\{{name}} for {{name}}, \\\\{{name}} for a backslash' },
      input: [{ name: 'Ada' }],
      output: [{ row: { name: 'Ada', line: 'write {{name}} for Ada, \\Ada for a backslash' } }],
    },
    {
      title: 'filters, conditions and loops',
      params: {
        as: 'line',
        text: '{{ name | trim | upper }}{% if age >= 18 and "vip" in tags %} (vip){% endif %}:{% for tag in tags %} {{ loop.index }}.{{ tag }}{% else %} none{% endfor %}{# a comment #}',
      },
      input: [
        { name: ' ada ', age: 36, tags: ['vip', 'new'] },
        { name: 'bo', age: 7, tags: [] },
      ],
      schema: [
        { name: 'name', type: 'string' },
        { name: 'age', type: 'long' },
        { name: 'tags', type: { array: 'string' } },
      ],
      output: [
        { row: { name: ' ada ', age: 36, tags: ['vip', 'new'], line: 'ADA (vip): 1.vip 2.new' } },
        { row: { name: 'bo', age: 7, tags: [], line: 'BO: none' } },
      ],
    },
    {
      title: 'a null fails the record',
      params: { as: 'line', text: '{{name}}' },
      schema: [{ name: 'name', type: { optional: 'string' } }],
      input: [{ name: null }],
      output: [{ failed: 'NULL_IN_TEMPLATE' }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 2 },
  defaultId: (p) => p.as,
  plan(p, context) {
    const text = planTemplate(p.text, 'text', context);
    if (text === undefined || !planWrite(context, p.as, 'string')) return [];
    return [{ params: toJson({ ...p, syntax: text.syntax }), reads: text.reads, writes: [{ name: p.as, type: 'string' }] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'template');
    const write = openTemplate(p.text, p.syntax);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = write(input, row, out);
          if (text !== undefined) out.setText(p.as, row, text);
        }
      },
    };
  },
});
