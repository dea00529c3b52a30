import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../../operators/generate/encoding.ts';
import { countCodePoints, countLines, countWords, validUtf8Prefix, WHITE_SPACE, whiteSpaceAt } from '../../../operators/text.ts';
import { runTexts } from './run-rows.ts';

const encoder = new TextEncoder();
const spaces = WHITE_SPACE.map((codePoint) => String.fromCodePoint(codePoint));
/** Texts with many white spaces, line ends and characters of each UTF-8 length. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...spaces, '\n', 'a', 'é', '€', '😀', '\u200b'),
      fc.string({ unit: 'binary', maxLength: 2 }).filter((s) => s.isWellFormed()),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));
const texts = fc.array(text, { minLength: 1, maxLength: 20 });

describe('measures', () => {
  it('white space is exactly the 25 pinned code points', () => {
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
      if (codePoint > 0x3100 && codePoint % 257 !== 0) continue;
      const bytes = encoder.encode(String.fromCodePoint(codePoint));
      expect(whiteSpaceAt(bytes, 0), codePoint.toString(16)).toBe(WHITE_SPACE.includes(codePoint) ? bytes.length : 0);
    }
  });

  it('code points, words and lines agree with a plain count over the decoded text', () => {
    fc.assert(
      fc.property(text, (value) => {
        const bytes = encoder.encode(value);
        expect(countCodePoints(bytes)).toBe([...value].length);
        const marked = [...value].map((c) => (spaces.includes(c) ? ' ' : 'x')).join('');
        expect(countWords(bytes)).toBe(marked.split(' ').filter((word) => word !== '').length);
        expect(countLines(bytes)).toBe(value === '' ? 0 : value.split('\n').length - (value.endsWith('\n') ? 1 : 0));
      }),
    );
  });

  it('UTF-8 is judged as a fatal decoder judges it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const valid = validUtf8Prefix(bytes);
        const fatal = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
        expect(() => fatal.decode(bytes.subarray(0, valid))).not.toThrow();
        if (valid < bytes.length) expect(() => fatal.decode(bytes)).toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('every byte of the old encodings has one character', () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    for (const encoding of ['latin1', 'windows-1252'] as const) {
      const decoded = toUtf8(all, encoding);
      const shown = 'text' in decoded ? new TextDecoder().decode(decoded.text) : '';
      const expected = encoding === 'latin1' ? String.fromCharCode(...all) : new TextDecoder('windows-1252').decode(all);
      expect(shown).toBe(expected);
    }
  });
});

describe('corrections of text', () => {
  it.each([
    {},
    { newlines: 'keep' },
    { newlines: 'paragraphs' },
    { trim: false },
    { collapse: false },
    { trim: false, newlines: 'paragraphs' },
  ])('white space folded with %j is folded once and for all', async (options) => {
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        const once = await runTexts('whitespace', options, values);
        expect(await runTexts('whitespace', options, once)).toEqual(once);
        const bare = (s: string): string => [...s].filter((c) => !spaces.includes(c)).join('');
        expect(once.map(bare)).toEqual(values.map(bare));
      }),
      { numRuns: 25 },
    );
  });

  it('folding to spaces agrees with splitting and joining', async () => {
    const pattern = new RegExp(`[${spaces.join('')}]+`, 'u');
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        expect(await runTexts('whitespace', {}, values)).toEqual(
          values.map((value) =>
            value
              .split(pattern)
              .filter((word) => word !== '')
              .join(' '),
          ),
        );
      }),
      { numRuns: 25 },
    );
  });

  it('a clipped text is a prefix within the limit, cut between code points', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.nat(12), async (values, limit) => {
        const points = await runTexts('clip', { codepoints: limit }, values);
        const bytes = await runTexts('clip', { bytes: limit }, values);
        for (const [n, value] of values.entries()) {
          expect(points[n]).toBe([...value].slice(0, limit).join(''));
          const cut = bytes[n] ?? '';
          expect(value.startsWith(cut)).toBe(true);
          expect(encoder.encode(cut).length).toBeLessThanOrEqual(limit);
          const next = [...value.slice(cut.length)][0];
          if (next !== undefined) expect(encoder.encode(cut + next).length).toBeGreaterThan(limit);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('a literal is replaced as split and join would', async () => {
    await fc.assert(
      fc.asyncProperty(
        texts,
        fc.constantFrom('a', ' ', '😀', '\n\n', 'é'),
        fc.constantFrom('', '$1', 'aa', '😀'),
        async (values, literal, by) => {
          expect(await runTexts('replace', { literal, with: by }, values)).toEqual(values.map((value) => value.split(literal).join(by)));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('trimming removes the given characters from the ends and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        const set = ['a', '😀', '\n'];
        const expected = values.map((value) => {
          const points = [...value];
          while (points.length > 0 && set.includes(points[0] ?? '')) points.shift();
          while (points.length > 0 && set.includes(points[points.length - 1] ?? '')) points.pop();
          return points.join('');
        });
        expect(await runTexts('trim', { characters: set.join('') }, values)).toEqual(expected);
      }),
      { numRuns: 25 },
    );
  });
});

describe('normalize', () => {
  /** Runs and single white spaces between words and letters of any width, so that blocks of 16 bytes begin anywhere. */
  const prose = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          ' ',
          '  ',
          '\t',
          '\n',
          '\v',
          '\r\n',
          '\0',
          '\x1f',
          'A',
          'Z',
          '[',
          '@',
          '`',
          '{',
          'É',
          '😀',
          '\u00a0',
          '\u2003\u3000',
          '\u200b',
        ),
        fc.string({ maxLength: 40 }),
      ),
      {
        maxLength: 24,
      },
    )
    .map((parts) => parts.join(''));

  it('does to a text what plain replacements do, whatever stands where in it', async () => {
    const cases = [undefined, 'lower', 'upper'] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(prose, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(...cases),
        fc.constantFrom(undefined, 'ascii', 'unicode'),
        async (values, letters, whitespace) => {
          fc.pre(letters !== undefined || whitespace !== undefined);
          const params = { ...(letters === undefined ? {} : { case: letters }), ...(whitespace === undefined ? {} : { whitespace }) };
          const white = whitespace === 'unicode' ? spaces.join('') : '\t\n\v\f\r ';
          const expected = values.map((value) => {
            const cased =
              letters === 'lower'
                ? value.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
                : letters === 'upper'
                  ? value.replace(/[a-z]/g, (letter) => letter.toUpperCase())
                  : value;
            return whitespace === undefined ? cased : cased.replace(new RegExp(`[${white}]+`, 'g'), ' ').replace(/^ | $/g, '');
          });
          expect(await runTexts('normalize', params, values)).toEqual(expected);
        },
      ),
      { numRuns: 400 },
    );
  });
});
