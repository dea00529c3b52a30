/**
 * Brings texts to one form, so that equal contents compare equal: letter case and white space in one pass over UTF-8 bytes, which costs as much
 * as either alone. Idempotent.
 */
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planTextColumn, stepWords, toJson } from '../fields.ts';
import { SPACE, whiteSpaceAt } from '../text.ts';

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

type Params = z.infer<typeof params>;

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
    const form = formOf(p);
    const change = p.whitespace === 'unicode' ? normalizeWide : normalizeBytes;
    return {
      execute(input, out) {
        const { starts, ends, data } = input.bytes(p.field);
        const from = new Bytes(data);
        const room = out.room(p.field);
        let to = new Bytes(room.data);
        for (const row of input.rows) {
          const start = starts[row] ?? 0;
          const end = ends[row] ?? 0;
          const at = room.reserve(end - start);
          if (to.data !== room.data) to = new Bytes(room.data);
          const length = change(from, start, end, form, to, at);
          if (length >= 0) room.commit(row, length);
        }
      },
    };
  },
});

const WHITE_BIT = 8;
const WHITE = 1 << WHITE_BIT;

/** Bytes one by one, and four at a time. */
class Bytes {
  readonly data: Uint8Array;
  readonly view: DataView;

  constructor(data: Uint8Array) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
  }
}

interface Form {
  /** What each byte becomes, with WHITE where it is white space. */
  readonly codes: Uint16Array;
  /** To be added to the low seven bits of each byte: the high bit is then set from the first letter on whose case changes, and beyond the last. */
  readonly fromFirst: number;
  readonly beyondLast: number;
  /** HIGH_BITS if the case changes; if white space does. */
  readonly casing: number;
  readonly spacing: number;
}

/** In each of four bytes: the high bit, the others, a one, a space. */
const HIGH_BITS = 0x80808080 | 0;
const LOW_BITS = 0x7f7f7f7f;
const ONES = 0x01010101;
const SPACES = SPACE * ONES;
/** Between upper and lower case, right of the high bit. */
const CASE_SHIFT = 2;
const WORD_BYTES = 4;

function formOf(p: Params): Form {
  const codes = Uint16Array.from({ length: 256 }, (_, byte) => byte);
  if (p.case === 'lower') for (let letter = 0x41; letter <= 0x5a; letter++) codes[letter] = letter + 32;
  if (p.case === 'upper') for (let letter = 0x61; letter <= 0x7a; letter++) codes[letter] = letter - 32;
  if (p.whitespace !== undefined) for (const byte of [0x09, 0x0a, 0x0b, 0x0c, 0x0d, SPACE]) codes[byte] = WHITE | SPACE;
  const first = p.case === 'upper' ? 0x61 : 0x41;
  return {
    codes,
    fromFirst: (0x80 - first) * ONES,
    beyondLast: (0x7f - first - 25) * ONES,
    casing: p.case === undefined ? 0 : HIGH_BITS,
    spacing: p.whitespace === undefined ? 0 : HIGH_BITS,
  };
}

/**
 * Writes the changed text into `to` from `at` on and gives its length; −1 when nothing changes. Four bytes at a time where white space there is
 * single spaces: 1.0 µs per KB of prose. Elsewhere one by one: every byte is written, and white space after white space just does not move the
 * place, so that the loop has no branch to mispredict.
 */
function normalizeBytes(from: Bytes, start: number, end: number, form: Form, to: Bytes, at: number): number {
  const { data, view } = from;
  const { data: out, view: outView } = to;
  const { codes, fromFirst, beyondLast, casing, spacing } = form;
  let place = at;
  let afterWhite = 1;
  let changed = 0;
  for (let i = start; i < end; ) {
    for (; i + WORD_BYTES <= end; i += WORD_BYTES) {
      const word = view.getInt32(i, true);
      const low = word & LOW_BITS;
      const unlike = word ^ SPACES;
      const space = ~(((unlike & LOW_BITS) + LOW_BITS) | unlike) & HIGH_BITS;
      const control = ~((low + (LOW_BITS - SPACES + ONES)) | word);
      const double = space & ((space << 8) | (afterWhite << 7));
      if (((control | double) & spacing) !== 0) break;
      const letter = (low + fromFirst) & ~(low + beyondLast) & ~word & casing;
      outView.setInt32(place, word ^ (letter >>> CASE_SHIFT), true);
      changed |= letter;
      place += WORD_BYTES;
      afterWhite = space >>> 31;
    }
    const stop = Math.min(i + WORD_BYTES, end);
    for (; i < stop; i++) {
      const byte = data[i] as number;
      const code = codes[byte] as number;
      const white = code >> WHITE_BIT;
      out[place] = code;
      changed |= (byte ^ code) & 0xff;
      place += 1 - (white & afterWhite);
      afterWhite = white;
    }
  }
  if (afterWhite === 1 && place > at && spacing !== 0) place--;
  return changed === 0 && place - at === end - start ? -1 : place - at;
}

/** The same for white space of Unicode, which may take several bytes. */
function normalizeWide(from: Bytes, start: number, end: number, { codes }: Form, to: Bytes, at: number): number {
  const { data } = from;
  const { data: out } = to;
  let place = at;
  let afterWhite = 1;
  let changed = 0;
  for (let i = start; i < end; i++) {
    const byte = data[i] as number;
    const size = byte < 0x80 ? 0 : whiteSpaceAt(data, i);
    const code = size > 0 ? WHITE | SPACE : (codes[byte] as number);
    if (size > 0) i += size - 1;
    const white = code >> WHITE_BIT;
    out[place] = code;
    changed |= byte ^ code;
    place += 1 - (white & afterWhite);
    afterWhite = white;
  }
  if (afterWhite === 1 && place > at) place--;
  return (changed & 0xff) === 0 && place - at === end - start ? -1 : place - at;
}
