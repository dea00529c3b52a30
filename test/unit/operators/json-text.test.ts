import { parseStrictJson } from '#kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ELSEWHERE, JsonTexts, jsonVectors } from '../../../operators/generate/json-text.ts';
import { BLOCK_BYTES, VECTORS_LIMIT_BYTES } from '../../../operators/vectors.ts';

const WAYS = { 'byte by byte': undefined, 'in blocks': jsonVectors() };
const GUARD = 0xa5;
const [QUOTE, BACKSLASH, LETTER_U] = [0x22, 0x5c, 0x75];

interface Read {
  readonly text: string;
  readonly isAscii: boolean;
  readonly behind: number;
}

/** The text whose quote opens at `open`, or undefined where it is left to the strict parser. Nothing is written beyond the rest of the line. */
function read(texts: JsonTexts, line: Buffer, open: number, begin = true): Read | undefined {
  if (begin) texts.begin(line);
  const at = 3;
  const to = Buffer.alloc(at + line.length - open + 2 * BLOCK_BYTES, GUARD);
  const behind = texts.read(open + 1, to, at);
  const outside = [...to.subarray(0, at), ...to.subarray(at + line.length - open)];
  if (outside.some((byte) => byte !== GUARD)) return { text: 'written outside the room', isAscii: false, behind: 0 };
  return behind === ELSEWHERE ? undefined : { text: to.toString('utf8', at, at + texts.length), isAscii: texts.isAscii, behind };
}

/** What the strict parser takes the same text for, where no \u is in it. */
function plainly(line: Buffer, open: number): Read | undefined {
  let close = open + 1;
  for (; close < line.length && line[close] !== QUOTE; close++)
    if (line[close] === BACKSLASH && line[++close] === LETTER_U) return undefined;
  const token = line.subarray(open, close + 1);
  if (close >= line.length) return undefined;
  try {
    const text = String(parseStrictJson(token));
    return { text, isAscii: /^\p{ASCII}*$/u.test(text), behind: close + 1 };
  } catch {
    return undefined;
  }
}

/** Escapes that are and are not read here, broken ones, ends, control characters, letters of each length. */
const PIECES = [
  '\\n',
  '\\"',
  '\\\\',
  '\\/\\b\\f\\r\\t',
  '\\u0041',
  '\\x',
  '\\',
  '"',
  '\t',
  '\0',
  '\x1f',
  ' ',
  '\x7f',
  'é',
  '€',
  '😀',
  '\\\\"',
  "'",
];
const piece = fc.oneof(fc.constantFrom(...PIECES.slice(0, 4)), fc.constantFrom(...PIECES), fc.string({ maxLength: 40 }));

describe.each(Object.entries(WAYS))('texts of JSON %s', (way, vectors) => {
  const texts = new JsonTexts(vectors);

  it('are read on this machine in each way', () => {
    expect(vectors === undefined).toBe(way === 'byte by byte');
  });

  it('are what the strict parser takes them for, whatever stands at whatever place of up to 100 bytes, and however the line ends', () => {
    const wrong: unknown[] = [];
    let looked = 0;
    for (const one of PIECES)
      for (const end of ['"', '"}', '', `"${'x'.repeat(20)}"`])
        for (let length = 0; length <= 100; length++)
          for (let at = 0; at <= length; at += length < 40 ? 1 : 3) {
            const line = Buffer.from(`"${'x'.repeat(at)}${one}${'y'.repeat(length - at)}${end}`);
            // Bytes of a longer line that was read before must not count.
            if (looked % 7 === 0) read(texts, Buffer.from(`"${'é"\\n'.repeat(60)}`), 0);
            const [made, expected] = [read(texts, line, 0), plainly(line, 0)];
            if (made?.text !== expected?.text || made?.behind !== expected?.behind) wrong.push(line.toString());
            if (made?.isAscii === true && expected?.isAscii === false) wrong.push(line.toString());
            looked++;
          }
    expect(looked).toBeGreaterThan(50_000);
    expect(wrong).toEqual([]);
  });

  it('are so of any pieces, several in one line, up to 5 KB', () => {
    const several = fc.array(fc.array(piece, { maxLength: 30 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(several, fc.nat({ max: 20 }), fc.constantFrom(1, 1, 10), (all, shift, times) => {
        const line = Buffer.from(`${' '.repeat(shift)}"${all.map((pieces) => pieces.join('').repeat(times)).join('","')}"`);
        let begin = true;
        for (let open = shift; open < line.length; ) {
          const [made, expected] = [read(texts, line, open, begin), plainly(line, open)];
          expect(made && [made.text, made.behind]).toEqual(expected && [expected.text, expected.behind]);
          if (made === undefined || expected === undefined) break;
          if (!expected.isAscii) expect(made.isAscii).toBe(false);
          begin = false;
          open = line.indexOf('"', made.behind);
          if (open < 0) break;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('are so in lines around the longest one that fits into a module', () => {
    for (const length of [VECTORS_LIMIT_BYTES, VECTORS_LIMIT_BYTES + 1]) {
      const line = Buffer.from(`"${'some words\\n'.repeat((length - 2) / 12).padEnd(length - 2, 'x')}"`);
      expect(line.length).toBe(length);
      expect(read(texts, line, 0)?.text === plainly(line, 0)?.text).toBe(true);
    }
  });
});
