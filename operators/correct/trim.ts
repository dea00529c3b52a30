/** Removes given characters from the ends of a text; code points, not UTF-16 units. Idempotent. */
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planTextColumn, stepWords, toJson } from '../fields.ts';
import { codePointLength, WHITE_SPACE } from '../text.ts';

/** Most different characters. */
export const CHARACTERS_LIMIT = 1000;

const params = z.strictObject({
  field: existingField('Top-level text field to trim in place.'),
  characters: z
    .string()
    .min(1)
    .max(CHARACTERS_LIMIT)
    .optional()
    .describe('The characters to remove, each code point by itself; without it, Unicode White_Space.'),
  side: z.enum(['both', 'start', 'end']).default('both').describe('Where: `both` ends, `start` or `end`.'),
});

export const trim = defineOperator({
  name: 'trim',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Remove characters from the ends of a text.',
  description: 'Removes every leading and trailing character that is in the set; what is inside stays as it is.',
  params,
  examples: [
    {
      title: 'quotes at both ends',
      params: { field: 'title', characters: '"“”' },
      input: [{ title: '“"Hello" there”' }, { title: '""' }, { title: '' }],
      output: [{ row: { title: 'Hello" there' } }, { row: { title: '' } }, { row: { title: '' } }],
    },
    {
      title: 'characters beyond the BMP, at the end only',
      params: { field: 'title', characters: '😀', side: 'end' },
      input: [{ title: '😀 yes 😀😀' }, { title: '😁' }],
      output: [{ row: { title: '😀 yes ' } }, { row: { title: '😁' } }],
    },
    {
      title: 'white space at the start',
      params: { field: 'title', side: 'start' },
      input: [{ title: '\u00a0\n a ' }],
      output: [{ row: { title: 'a ' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 0 },
  defaultId: (p) => stepWords('trim', p.field),
  plan(p, context) {
    if (!planTextColumn(context, p.field)) return [];
    return [{ params: toJson(p), reads: [p.field], writes: [{ name: p.field, type: 'string' }] }];
  },
  open(op) {
    const p = openParams(params, op.params, 'trim');
    const set = new Set<number>(
      p.characters === undefined ? WHITE_SPACE : [...p.characters].map((character) => character.codePointAt(0) ?? 0),
    );
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = input.slice(p.field, row);
          const start = p.side === 'end' ? 0 : trimStart(text, set);
          const end = p.side === 'start' ? text.length : trimEnd(text, start, set);
          if (end - start !== text.length) out.setBytes(p.field, row, text.subarray(start, end));
        }
      },
    };
  },
});

function trimStart(text: Uint8Array, set: ReadonlySet<number>): number {
  let at = 0;
  while (at < text.length && set.has(codePointAt(text, at))) at += codePointLength(text[at] ?? 0);
  return at;
}

function trimEnd(text: Uint8Array, start: number, set: ReadonlySet<number>): number {
  let end = text.length;
  while (end > start) {
    let lead = end - 1;
    while (lead > start && ((text[lead] ?? 0) & 0xc0) === 0x80) lead--;
    if (!set.has(codePointAt(text, lead))) break;
    end = lead;
  }
  return end;
}

/** Decodes one code point of valid UTF-8. */
function codePointAt(text: Uint8Array, at: number): number {
  const lead = text[at] ?? 0;
  const tail = (offset: number): number => (text[at + offset] ?? 0) & 0x3f;
  switch (codePointLength(lead)) {
    case 1:
      return lead;
    case 2:
      return ((lead & 0x1f) << 6) | tail(1);
    case 3:
      return ((lead & 0x0f) << 12) | (tail(1) << 6) | tail(2);
    default:
      return ((lead & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3);
  }
}
