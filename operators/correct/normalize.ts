/**
 * Brings texts to one form, so that equal contents compare equal: letter case and white space in one pass over UTF-8 bytes. Idempotent.
 */
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planTextColumn, stepWords, toJson } from '../fields.ts';
import { changeBytes, type Form, UNCHANGED } from './normalize-bytes.ts';
import { changeVectors } from './normalize-vectors.ts';

const params = z
  .strictObject({
    field: existingField('Top-level text field to change in place.'),
    case: z
      .enum(['lower', 'upper'])
      .optional()
      .describe('Maps the ASCII letters to one case; other letters stay. Left out: no letter changes.'),
    whitespace: z
      .enum(['ascii', 'unicode'])
      .optional()
      .describe(
        'Makes one space of each run of white space, and nothing at both ends. `ascii`: space, tab, LF, VT, FF, CR; `unicode`: all 25 code points of White_Space. Left out: it stays.',
      ),
  })
  .refine((p) => p.case !== undefined || p.whitespace !== undefined, {
    error: 'give `case`, `whitespace` or both: the step would do nothing',
  });

/** Of the letters whose case changes. */
const FIRST_LETTER = { lower: 0x41, upper: 0x61 } as const;

export const normalize = defineOperator({
  name: 'normalize',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Bring a text to one letter case and single spaces.',
  description:
    'One pass for what two texts should not differ in before they are compared, searched or joined. Only ASCII letters have a case here: mapping of the others differs between languages and versions of Unicode. ' +
    '`whitespace` is the step for line ends and paragraphs that stay.',
  params,
  examples: [
    {
      title: 'lower case and single spaces',
      params: { field: 'body', case: 'lower', whitespace: 'ascii' },
      input: [{ body: '  Hello\t \n World ' }, { body: '' }, { body: ' \r\n' }, { body: 'done already' }],
      output: [{ row: { body: 'hello world' } }, { row: { body: '' } }, { row: { body: '' } }, { row: { body: 'done already' } }],
    },
    {
      title: 'letters beyond ASCII keep their case; ASCII white space is not all there is',
      params: { field: 'body', case: 'lower', whitespace: 'ascii' },
      input: [{ body: 'ÉTÉ\u00a0 😀 ' }],
      output: [{ row: { body: 'ÉtÉ\u00a0 😀' } }],
    },
    {
      title: 'all white space of Unicode',
      params: { field: 'body', whitespace: 'unicode' },
      input: [{ body: '\u3000A\u00a0\u2003\nB' }],
      output: [{ row: { body: 'A B' } }],
    },
    {
      title: 'upper case alone',
      params: { field: 'code', case: 'upper' },
      input: [{ code: ' ab-ß ' }],
      output: [{ row: { code: ' AB-ß ' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 1 },
  defaultId: (p) => stepWords('normalize', p.field),
  plan(p, context) {
    if (!planTextColumn(context, p.field)) return [];
    return [{ params: toJson(p), reads: [p.field], writes: [{ name: p.field, type: 'string' }] }];
  },
  open(op) {
    const p = openParams(params, op.params, 'normalize');
    const form: Form = { firstLetter: p.case === undefined ? undefined : FIRST_LETTER[p.case], whitespace: p.whitespace };
    const change = (form.whitespace === 'unicode' ? undefined : changeVectors(form)) ?? changeBytes(form);
    return {
      execute(input, out) {
        const { starts, ends, data } = input.bytes(p.field);
        const room = out.room(p.field);
        for (const row of input.rows) {
          const start = starts[row] ?? 0;
          const end = ends[row] ?? 0;
          const at = room.reserve(end - start);
          const length = change(data, start, end, room.data, at);
          if (length !== UNCHANGED) room.commit(row, length);
        }
      },
    };
  },
});
