/**
 * Text from fields: `{{path.to.field}}` and nothing else, no code. Every path is checked at compile time.
 * Numbers are written in the shortest form that reads back the same (ECMAScript Number::toString).
 */
import type { BlockView, EffectSink, FieldType, PlanContext, Value } from '#engine';
import { defineOperator, describeType } from '#engine';
import { z } from 'zod';
import { newField, openParams, planWrite, readPath, requiredType, rootOf, toJson } from '../fields.ts';

/** Longest template, UTF-16 units. */
export const TEMPLATE_LIMIT = 100_000;
/** Between the elements of a list. */
const LIST_SEPARATOR = ', ';

const params = z.strictObject({
  as: newField('Field that receives the text.'),
  text: z
    .string()
    .max(TEMPLATE_LIMIT)
    .describe(
      'Text with `{{field}}` or `{{record.inner}}` where values go. A backslash before `{{` makes it plain text (`\\{{`); two make one backslash.',
    ),
});

export type TemplatePart = { readonly text: string } | { readonly path: string; readonly position: number };

export const template = defineOperator({
  name: 'template',
  version: 1,
  group: 'template',
  kind: 'row',
  summary: 'Write a text with the values of fields in it.',
  description:
    'Replaces each `{{path}}` by the value of that field. Texts, numbers, true or false, and lists of these (joined by a comma and a space) can be written. ' +
    'A null fails the record with NULL_IN_TEMPLATE rather than leaving a silent gap.',
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
    const paths = planTemplate(p.text, 'text', context);
    if (paths === undefined || !planWrite(context, p.as, 'string')) return [];
    return [{ params: toJson(p), reads: [...new Set(paths.map(rootOf))], writes: [{ name: p.as, type: 'string' }] }];
  },
  open(op) {
    const p = openParams(params, op.params, 'template');
    const write = openTemplate(p.text);
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

/** The paths in a template, all of them with a text form; undefined after a reported problem at the parameter that holds it. */
export function planTemplate(source: string, parameter: string, context: PlanContext): readonly string[] | undefined {
  const parts = parseTemplate(source, context, parameter);
  if (parts === undefined) return undefined;
  const paths = parts.flatMap((part) => ('path' in part ? [part.path] : []));
  const checked = paths.map((path) => writable(path, parameter, context));
  return checked.includes(false) ? undefined : paths;
}

/** Writes a planned template for a row; undefined after it failed the row with NULL_IN_TEMPLATE. */
export function openTemplate(source: string): (input: BlockView, row: number, out: EffectSink) => string | undefined {
  const parts = (parseTemplate(source) ?? []).map((part) => ('path' in part ? { ...part, read: readPath(part.path) } : part));
  return (input, row, out) => {
    let text = '';
    for (const part of parts) {
      const written = 'text' in part ? part.text : writeValue(part.read(input, row));
      if (written === undefined) {
        out.fail(row, 'NULL_IN_TEMPLATE', `'${'path' in part ? part.path : ''}' is null, and the template has no text for that`);
        return undefined;
      }
      text += written;
    }
    return text;
  };
}

/** Splits a template; undefined after a reported problem. */
export function parseTemplate(source: string, context?: PlanContext, parameter = 'text'): readonly TemplatePart[] | undefined {
  const parts: TemplatePart[] = [];
  let plain = '';
  let at = 0;
  for (;;) {
    const open = source.indexOf('{{', at);
    if (open < 0) break;
    let backslashes = 0;
    while (open - backslashes > at && source[open - backslashes - 1] === '\\') backslashes++;
    plain += source.slice(at, open - backslashes) + '\\'.repeat(Math.floor(backslashes / 2));
    if (backslashes % 2 === 1) {
      plain += '{{';
      at = open + 2;
      continue;
    }
    const close = source.indexOf('}}', open);
    const path = close < 0 ? '' : source.slice(open + 2, close).replace(/^ +| +$/g, '');
    if (!/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(path)) {
      context?.problem(parameter, close < 0 ? `'{{' at character ${open + 1} is never closed` : `'{{${path}}}' is not a field path`, {
        expected: '{{field}} or {{record.field}}',
        hint: 'write \\{{ for braces that are plain text; templates hold no code, compute a field with `set` first',
      });
      return undefined;
    }
    if (plain !== '') parts.push({ text: plain });
    plain = '';
    parts.push({ path, position: open });
    at = close + 2;
  }
  plain += source.slice(at);
  if (plain !== '') parts.push({ text: plain });
  return parts;
}

const WRITABLE: readonly FieldType[] = ['string', 'long', 'double', 'boolean'];

function writable(path: string, parameter: string, context: PlanContext): boolean {
  const type = context.fieldType(path, parameter);
  if (type === undefined) return false;
  const plain = requiredType(type);
  const element = typeof plain === 'object' && 'array' in plain ? requiredType(plain.array) : plain;
  if (WRITABLE.includes(element)) return true;
  const inner = typeof plain === 'object' && 'record' in plain ? plain.record.map((field) => `${path}.${field.name}`) : [];
  context.problem(parameter, `{{${path}}} is ${describeType(type)}, which has no text form`, {
    expected: 'string, long, double, boolean, or a list of these',
    ...(inner.length === 0 ? {} : { hint: `name a field inside it: {{${inner[0]}}}` }),
  });
  return false;
}

function writeValue(value: Value): string | undefined {
  if (value === null) return undefined;
  if (!Array.isArray(value)) return String(value);
  const elements = value.map(writeValue);
  return elements.includes(undefined) ? undefined : elements.join(LIST_SEPARATOR);
}
