/** How long a text or list is, in units that say what they are: bytes, code points, words, lines or items. */
import type { EffectSink } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import {
  existingField,
  isRow,
  openParams,
  planField,
  readPath,
  readTextBytes,
  requiredType,
  rootOf,
  stepWords,
  toJson,
} from '../fields.ts';
import { countCodePoints, countLines, countWords } from '../text.ts';

const range = (what: string) =>
  z
    .tuple([z.int().min(0), z.int().min(0).nullable()])
    .refine(([low, high]) => high === null || low <= high, { error: 'the range is [lowest, highest]; highest may be null for no limit' })
    .optional()
    .describe(`[lowest, highest] ${what}, both allowed; highest null: no limit.`);

const UNITS = ['bytes', 'codepoints', 'words', 'lines', 'items'] as const;
/** What counts as a word differs between programs by factors: a rule over words names its own. */
const TOKENIZERS = ['white-space'] as const;
type Unit = (typeof UNITS)[number];

const shape = {
  field: existingField('Text field (with `items`: list or map field) to measure; dotted paths reach into records.'),
  bytes: range('UTF-8 bytes'),
  codepoints: range('Unicode code points'),
  words: range('words: maximal runs of characters that are not Unicode White_Space'),
  tokenizer: z
    .enum(TOKENIZERS)
    .optional()
    .describe(
      'How words are told apart: `white-space`, the only one there is, cuts at characters with the Unicode property White_Space. Name it beside `words`.',
    ),
  lines: range('lines: ended by LF, a last one without LF counts'),
  items: range('elements of a list or entries of a map'),
};
const params = z
  .strictObject(shape)
  .refine((p) => UNITS.some((unit) => p[unit] !== undefined), { error: `give at least one of ${UNITS.join(', ')}` })
  .refine((p) => p.tokenizer === undefined || p.words !== undefined, {
    error: '`tokenizer` says how `words` are told apart, and there is no `words`',
  })
  .refine((p) => p.items === undefined || UNITS.every((unit) => unit === 'items' || p[unit] === undefined), {
    error: '`items` measures lists, the other units measure texts',
  });

const planned = z.strictObject({ ...shape, column: z.boolean() }).omit({ tokenizer: true });

const MEASURES: Readonly<Record<Exclude<Unit, 'items'>, (text: Uint8Array) => number>> = {
  bytes: (text) => text.length,
  codepoints: countCodePoints,
  words: countWords,
  lines: countLines,
};

interface Bound {
  readonly unit: Unit;
  readonly low: number;
  readonly high: number;
  readonly limit: string;
}

export const length = defineOperator({
  name: 'length',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Keep records whose text or list has a length in a range.',
  description:
    'Measures a text in bytes, code points, words or lines, or a list in items, and reports the measured value with the broken range. ' +
    'Several units are checked in that order. White space is the pinned Unicode property White_Space (25 code points). A null is rejected.',
  params,
  examples: [
    {
      title: 'words are runs of anything but white space',
      params: { field: 'body', words: [2, 3] },
      input: [{ body: 'two words' }, { body: ' one ' }, { body: 'a\u00a0b\tc\nd' }],
      output: [
        { row: { body: 'two words' } },
        { rejected: { measured: 1, limit: '2 to 3 words' } },
        { rejected: { measured: 4, limit: '2 to 3 words' } },
      ],
    },
    {
      title: 'one character beyond the BMP is one code point and four bytes',
      params: { field: 'body', codepoints: [1, 1], bytes: [4, null] },
      input: [{ body: '😀' }, { body: '' }, { body: 'a' }],
      output: [
        { row: { body: '😀' } },
        { rejected: { measured: 0, limit: 'at least 4 bytes' } },
        { rejected: { measured: 1, limit: 'at least 4 bytes' } },
      ],
    },
    {
      title: 'a last line without LF counts; an empty text has none',
      params: { field: 'body', lines: [1, 2] },
      input: [{ body: 'a\nb' }, { body: 'a\nb\n' }, { body: '' }],
      output: [{ row: { body: 'a\nb' } }, { row: { body: 'a\nb\n' } }, { rejected: { measured: 0, limit: '1 to 2 lines' } }],
    },
    {
      title: 'items of a list',
      params: { field: 'tags', items: [1, null] },
      schema: [{ name: 'tags', type: { array: 'string' } }],
      input: [{ tags: ['a'] }, { tags: [] }],
      output: [{ row: { tags: ['a'] } }, { rejected: { measured: 0, limit: 'at least 1 items' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 1 },
  defaultId: (p) => stepWords('length', p.field),
  plan(p, context) {
    if (p.items !== undefined) {
      const type = context.fieldType(p.field, 'field');
      if (type === undefined) return [];
      const plain = requiredType(type);
      if (typeof plain === 'object' && ('array' in plain || 'map' in plain)) {
        return [{ params: toJson({ ...p, column: false }), reads: [rootOf(p.field)], writes: [] }];
      }
      context.problem('field', `Field '${p.field}' has no items`, { expected: 'a list or a map' });
      return [];
    }
    const field = planField(context, p.field, 'field', ['string']);
    if (field === undefined) return [];
    if (p.words !== undefined && p.tokenizer === undefined)
      context.warning('words', 'What a word is was not said', {
        hint: 'add `tokenizer: white-space`, which is how they are counted here; other programs count others',
      });
    // With one tokenizer its name says what was always meant: programs keep their digests.
    const { tokenizer: _, ...measured } = p;
    return [{ params: toJson({ ...measured, column: field.column }), reads: [rootOf(p.field)], writes: [] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'length');
    const bounds = UNITS.flatMap((unit) => {
      const bound = p[unit];
      return bound === undefined
        ? []
        : [{ unit, low: bound[0], high: bound[1] ?? Number.POSITIVE_INFINITY, limit: limitText(bound, unit) }];
    });
    const text = readTextBytes(p.field, p.column);
    const value = readPath(p.field);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          if (p.items !== undefined) {
            const list = value(input, row);
            check(bounds, Array.isArray(list) ? () => list.length : isRow(list) ? () => Object.keys(list).length : undefined, row, out);
            continue;
          }
          const bytes = text(input, row);
          check(bounds, bytes === undefined ? undefined : (unit) => (unit === 'items' ? 0 : MEASURES[unit](bytes)), row, out);
        }
      },
    };
  },
});

function check(bounds: readonly Bound[], measure: ((unit: Unit) => number) | undefined, row: number, out: EffectSink): void {
  for (const bound of bounds) {
    const measured = measure?.(bound.unit);
    if (measured !== undefined && measured >= bound.low && measured <= bound.high) continue;
    out.reject(row, { measured: measured ?? 'null', limit: bound.limit });
    return;
  }
}

function limitText([low, high]: readonly [number, number | null], unit: Unit): string {
  return high === null ? `at least ${low} ${unit}` : `${low} to ${high} ${unit}`;
}
