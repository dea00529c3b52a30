import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, changeBytes, type Form, UNCHANGED } from '../../../operators/correct/normalize-bytes.ts';
import { changeVectors } from '../../../operators/correct/normalize-vectors.ts';
import { BLOCK_BYTES, VECTORS_LIMIT_BYTES } from '../../../operators/vectors.ts';

const WAYS = { 'byte by byte': changeBytes, 'in blocks': changeVectors };
const FORMS: readonly Form[] = [
  { firstLetter: 0x41, whitespace: 'ascii' },
  { firstLetter: 0x41, whitespace: undefined },
  { firstLetter: 0x61, whitespace: 'ascii' },
  { firstLetter: 0x61, whitespace: undefined },
  { firstLetter: undefined, whitespace: 'ascii' },
];

/** The form by plain replacements. */
function plainly({ firstLetter, whitespace }: Form, text: string): string {
  const cased =
    firstLetter === undefined
      ? text
      : firstLetter === 0x41
        ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
        : text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
  return whitespace === undefined ? cased : cased.replace(/[\t\n\v\f\r ]+/g, ' ').replace(/^ | $/g, '');
}

const GUARD = 0xa5;
const BEFORE = 'A \t';
const AFTER = ' Z\n';

/** What a way makes of a text that stands between others, at some place of some memory. It must not write outside the text's room. */
function changed(change: Change, text: string, shift = 0): string {
  const from = Buffer.from(`${BEFORE.repeat(shift + 1)}${text}${AFTER}`);
  const start = BEFORE.length * (shift + 1);
  const end = from.length - AFTER.length;
  const at = shift + 5;
  const to = Buffer.alloc(at + end - start + 2 * BLOCK_BYTES, GUARD);
  const length = change(from, start, end, to, at);
  const outside = [...to.subarray(0, at), ...to.subarray(at + end - start)];
  if (outside.some((byte) => byte !== GUARD)) return 'written outside the room';
  return length === UNCHANGED ? text : to.toString('utf8', at, at + length);
}

/** White space of each length and kind, bytes beside those that change, letters of each length. */
const PIECES = [
  ' ',
  '  ',
  '\t',
  '\r\n',
  ' \v\f ',
  ' '.repeat(17),
  'A',
  'Z',
  'a',
  'z',
  '@',
  '[',
  '`',
  '{',
  '\0',
  '\x08',
  '\x0e',
  '\x1f',
  '!',
  'é',
  '€',
  '😀',
];
const piece = fc.oneof(
  fc.constantFrom(...PIECES),
  fc.string({ maxLength: 40 }),
  fc.nat({ max: 70 }).map((n) => ' '.repeat(n)),
);

describe.each(Object.entries(WAYS))('normalize %s', (_way, open) => {
  const changes = FORMS.map((form): readonly [Form, Change] => {
    const change = open(form);
    expect(change).toBeDefined();
    return [form, change ?? changeBytes(form)];
  });

  it('does what plain replacements do, whatever stands at whatever place of a text of up to 100 bytes', () => {
    const wrong: unknown[] = [];
    let looked = 0;
    for (const [form, change] of changes)
      for (const one of PIECES)
        for (let length = 0; length <= 100; length++)
          for (let at = 0; at <= length; at += length < 20 ? 1 : 3) {
            const text = `${'x'.repeat(at)}${one}${'Y'.repeat(length - at)}`;
            if (changed(change, text) !== plainly(form, text)) wrong.push([form, text]);
            looked++;
          }
    expect(looked).toBeGreaterThan(100_000);
    expect(wrong).toEqual([]);
  });

  it('does so to texts of any pieces, wherever they lie', () => {
    fc.assert(
      fc.property(fc.constantFrom(...changes), fc.array(piece, { maxLength: 40 }), fc.nat({ max: 20 }), ([form, change], pieces, shift) => {
        const text = pieces.join('');
        expect(changed(change, text, shift)).toBe(plainly(form, text));
      }),
      { numRuns: 3000 },
    );
  });

  it('does so to texts of 5 KB', () => {
    fc.assert(
      fc.property(fc.constantFrom(...changes), fc.array(piece, { minLength: 50, maxLength: 80 }), ([form, change], pieces) => {
        const text = pieces.join('').repeat(8).slice(0, 5000).toWellFormed();
        expect(changed(change, text)).toBe(plainly(form, text));
      }),
      { numRuns: 100 },
    );
  });

  it('does so to texts around the longest one that fits into a module', () => {
    const [form, change] = changes[0] ?? expect.fail('no form');
    for (const length of [VECTORS_LIMIT_BYTES, VECTORS_LIMIT_BYTES + 1]) {
      const text = 'Two  words\tand '.repeat(length / 15 + 1).slice(0, length);
      expect(changed(change, text) === plainly(form, text)).toBe(true);
    }
  });

  it('says so where nothing changes', () => {
    for (const [form, change] of changes)
      for (const text of ['', 'é', '12 34', '1 😀 2 '.repeat(20).trim()]) {
        const bytes = Buffer.from(text);
        expect(change(bytes, 0, bytes.length, Buffer.alloc(bytes.length), 0), `${text} ${JSON.stringify(form)}`).toBe(UNCHANGED);
      }
  });
});
