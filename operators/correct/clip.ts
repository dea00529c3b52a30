/** Brings a number into bounds, or cuts a text to a length at a code-point border. Idempotent. */
import type { FieldType } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planField, planTextColumn, stepWords, toJson } from '../fields.ts';
import { codePointLength } from '../text.ts';

const shape = {
  field: existingField('Top-level number or text field to change in place.'),
  min: z.number().optional().describe('Numbers below become this.'),
  max: z.number().optional().describe('Numbers above become this.'),
  codepoints: z.int().min(0).optional().describe('Texts are cut to this many Unicode code points.'),
  bytes: z.int().min(0).optional().describe('Texts are cut to at most this many UTF-8 bytes, never inside a code point.'),
};
const params = z
  .strictObject(shape)
  .refine((p) => (p.min ?? p.max ?? p.codepoints ?? p.bytes) !== undefined, {
    error: 'give `min` or `max` for a number, `codepoints` or `bytes` for a text',
  })
  .refine((p) => (p.min ?? p.max) === undefined || (p.codepoints ?? p.bytes) === undefined, {
    error: '`min` and `max` are for numbers, `codepoints` and `bytes` for texts',
  })
  .refine((p) => p.min === undefined || p.max === undefined || p.min <= p.max, { error: '`min` is above `max`' });

export const clip = defineOperator({
  name: 'clip',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Bring a number into bounds or cut a text to a length.',
  description: 'Numbers outside the bounds become the bound. Texts are cut at the end, always between two code points.',
  params,
  examples: [
    {
      title: 'numbers',
      params: { field: 'n', min: 0, max: 10 },
      input: [{ n: -5 }, { n: 10 }, { n: 11 }],
      output: [{ row: { n: 0 } }, { row: { n: 10 } }, { row: { n: 10 } }],
    },
    {
      title: 'code points',
      params: { field: 'body', codepoints: 2 },
      input: [{ body: 'a😀b' }, { body: 'ab' }, { body: '' }],
      output: [{ row: { body: 'a😀' } }, { row: { body: 'ab' } }, { row: { body: '' } }],
    },
    {
      title: 'bytes, never inside a code point',
      params: { field: 'body', bytes: 4 },
      input: [{ body: 'a😀' }, { body: '😀a' }, { body: 'éé' }],
      output: [{ row: { body: 'a' } }, { row: { body: '😀' } }, { row: { body: 'éé' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 1 },
  defaultId: (p) => stepWords('clip', p.field),
  plan(p, context) {
    if ((p.codepoints ?? p.bytes) !== undefined) {
      if (!planTextColumn(context, p.field)) return [];
      return [{ params: toJson(p), reads: [p.field], writes: [{ name: p.field, type: 'string' }] }];
    }
    const field = planField(context, p.field, 'field', ['long', 'double']);
    if (field === undefined || !boundsFit(field.type)) return [];
    if (!field.column) {
      context.problem('field', `Field '${p.field}' can't be corrected in place`, {
        expected: 'a top-level number field that is never null',
      });
      return [];
    }
    return [{ params: toJson(p), reads: [p.field], writes: [{ name: p.field, type: field.type }] }];

    function boundsFit(type: FieldType): boolean {
      const wrong = (['min', 'max'] as const).filter((at) => type === 'long' && p[at] !== undefined && !Number.isSafeInteger(p[at]));
      for (const at of wrong)
        context.problem(at, `${p[at]} is no whole number, and '${p.field}' holds whole numbers`, { expected: 'a whole number' });
      return wrong.length === 0;
    }
  },
  open(op) {
    const p = openParams(params, op.params, 'clip');
    const { field, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, codepoints, bytes } = p;
    if ((codepoints ?? bytes) === undefined) {
      return {
        execute(input, out) {
          const numbers = input.numbers(field);
          for (const row of input.rows) {
            const value = numbers[row] ?? 0;
            if (value < min) out.setNumber(field, row, min);
            else if (value > max) out.setNumber(field, row, max);
          }
        },
      };
    }
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = input.slice(field, row);
          const end = Math.min(endOfCodePoints(text, codepoints), endWithinBytes(text, bytes));
          if (end < text.length) out.setBytes(field, row, text.subarray(0, end));
        }
      },
    };
  },
});

function endOfCodePoints(text: Uint8Array, count: number | undefined): number {
  if (count === undefined || text.length <= count) return text.length;
  let at = 0;
  for (let seen = 0; seen < count && at < text.length; seen++) at += codePointLength(text[at] ?? 0);
  return at;
}

function endWithinBytes(text: Uint8Array, limit: number | undefined): number {
  if (limit === undefined || text.length <= limit) return text.length;
  let end = limit;
  while (end > 0 && ((text[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
}
