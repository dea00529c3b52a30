/** A text matches a pattern, or does not. RE2 semantics: time grows linearly with the text, whatever the pattern. */
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planField, readTextBytes, rootOf, shorten, stepWords, toJson } from '../fields.ts';
import { compilePattern, firstMatch, matchesAnywhere, patternParam, planPattern } from '../pattern.ts';

const shape = {
  field: existingField('Text field; dotted paths reach into records.'),
  match: patternParam('RE2 pattern that must match somewhere in the text; anchor with ^ and $ to match all of it.').optional(),
  absent: patternParam('RE2 pattern that must match nowhere in the text.').optional(),
};
const params = z
  .strictObject(shape)
  .refine((p) => (p.match === undefined) !== (p.absent === undefined), { error: 'give either `match` or `absent`' });
const planned = z.strictObject({ ...shape, column: z.boolean() });

export const pattern = defineOperator({
  name: 'pattern',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Keep records whose text matches a pattern, or does not.',
  description:
    'Patterns are RE2: no back-references and no look-around, linear time. `(?i)` ignores case in ASCII patterns, `(?s)` lets `.` match LF, `(?m)` makes ^ and $ match at lines. ' +
    'With `absent`, the first match is reported as the measured value. A null is rejected.',
  params,
  examples: [
    {
      title: 'the whole text',
      params: { field: 'code', match: '^[A-Z]{2}\\d+$' },
      input: [{ code: 'AB12' }, { code: 'ab12' }, { code: '' }],
      output: [{ row: { code: 'AB12' } }, { rejected: { limit: '^[A-Z]{2}\\d+$' } }, { rejected: { limit: '^[A-Z]{2}\\d+$' } }],
    },
    {
      title: 'nowhere in the text',
      params: { field: 'body', absent: '(?i)as an ai' },
      input: [{ body: 'a plain text' }, { body: 'Well, As An AI, I' }],
      output: [{ row: { body: 'a plain text' } }, { rejected: { measured: 'As An AI', limit: '(?i)as an ai' } }],
    },
    {
      title: 'a dot is one code point, also beyond the BMP',
      params: { field: 'sign', match: '^.$' },
      input: [{ sign: '😀' }, { sign: '😀😀' }],
      output: [{ row: { sign: '😀' } }, { rejected: { limit: '^.$' } }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 4 },
  defaultId: (p) => stepWords('pattern', p.field),
  plan(p, context) {
    const field = planField(context, p.field, 'field', ['string']);
    const compiled = planPattern(context, p.match ?? p.absent ?? '', p.match === undefined ? 'absent' : 'match');
    if (field === undefined || compiled === undefined) return [];
    return [{ params: toJson({ ...p, column: field.column }), reads: [rootOf(p.field)], writes: [] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'pattern');
    const source = p.match ?? p.absent ?? '';
    const wanted = p.match !== undefined;
    const compiled = compilePattern(source);
    const limit = shorten(source);
    const read = readTextBytes(p.field, p.column);
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = read(input, row);
          if (text === undefined) {
            out.reject(row, { measured: 'null', limit });
            continue;
          }
          if (matchesAnywhere(compiled, text) === wanted) continue;
          const found = wanted ? undefined : firstMatch(compiled, decoder.decode(text));
          out.reject(row, found === undefined ? { limit } : { measured: shorten(found), limit });
        }
      },
    };
  },
});
