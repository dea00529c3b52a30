import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../../engine/contract/program.ts';
import { canonicalBytes, canonicalJson, digestOf, JSON_DEPTH_LIMIT } from '../../../engine/proof/jcs.ts';
import { parseStrictJson } from '../../../engine/proof/json-parser.ts';
import { toHex } from '../../../engine/proof/sha256.ts';
import { describeVectors, describeVectorText, everyCase } from '../../support/vectors.ts';

interface Case {
  readonly id: string;
  readonly why: string;
  readonly input?: string;
  readonly inputHex?: string;
  readonly output?: string;
  readonly sha256?: string;
  readonly rfc8785?: string;
}

const inputOf = (one: Case): string | Uint8Array => one.input ?? Buffer.from(one.inputHex ?? '', 'hex');
const named = (one: Case): string => `${one.id} ${one.why}`;

describeVectors<{ documents: Case[]; refuse: Case[]; either: Case[] }>('jcs/documents.json', (data) => {
  test('a document has one canonical form', () => {
    everyCase(data.documents, named, (one) => {
      expect(canonicalJson(parseStrictJson(inputOf(one)))).toBe(one.output);
      expect(digestOf(parseStrictJson(inputOf(one)))).toBe(one.sha256);
    });
  });
  test('what has no exact form is refused', () => {
    everyCase(data.refuse, named, (one) => expect(() => canonicalJson(parseStrictJson(inputOf(one)))).toThrow(/JSON/));
  });
  test('a border case is refused or gets the form of the standard', () => {
    everyCase(data.either, named, (one) => {
      let text: string | undefined;
      try {
        text = canonicalJson(parseStrictJson(inputOf(one)));
      } catch (error) {
        expect(String(error)).toMatch(/2\^53/);
      }
      if (text !== undefined) expect(text).toBe(one.rfc8785);
    });
  });
});

describeVectors<{ pairs: { name: string; input: string; output: string; outputHex: string }[] }>('jcs/published.json', (data) => {
  test('the published pairs come out byte for byte', () => {
    everyCase(
      data.pairs,
      (one) => one.name,
      (one) => {
        const text = canonicalJson(parseStrictJson(one.input), { wideNumbers: true });
        expect(text).toBe(one.output);
        expect(Buffer.from(text, 'utf8').toString('hex')).toBe(one.outputHex);
      },
    );
  });
});

describeVectorText('jcs/numbers.txt', (text) => {
  test('every double has the text of the standard', () => {
    const lines = text.trimEnd().split('\n');
    everyCase(
      lines,
      (line) => line,
      (line) => {
        const [bits, expected] = line.split(',');
        const value = Buffer.from((bits ?? '').padStart(16, '0'), 'hex').readDoubleBE(0);
        expect(canonicalJson(value, { wideNumbers: true })).toBe(expected);
      },
    );
    expect(lines.length).toBe(2000);
  });
});

describe('canonical JSON', () => {
  test('the order of insertion never shows, not even for keys that look like numbers', () => {
    expect(canonicalJson({ 10: 1, 9: 2, b: 3, a: 4 })).toBe(canonicalJson({ a: 4, b: 3, 9: 2, 10: 1 }));
    expect(canonicalJson({ 10: 1, 9: 2, b: 3, a: 4 })).toBe('{"10":1,"9":2,"a":4,"b":3}');
  });
  test('what JSON can not hold is refused with its place', () => {
    const bad: [unknown, RegExp][] = [
      [{ a: [1, undefined] }, /a\[1\].*undefined/],
      [{ f: () => 1 }, /f .*function/],
      [[Number.NaN], /\[0\].*NaN/],
      [Number.POSITIVE_INFINITY, /Infinity/],
      ['\ud800', /surrogate/],
      [{ '\udc00': 1 }, /surrogate/],
      [2 ** 53, /2\^53/],
      [10n, /bigint/],
      [new Date(0), /class/],
      [new Array(2), /undefined/],
    ];
    for (const [value, message] of bad) expect(() => canonicalJson(value as Json)).toThrow(message);
  });
  test('nesting has a limit on both sides', () => {
    const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(canonicalJson(parseStrictJson(deep(JSON_DEPTH_LIMIT)))).toBe(deep(JSON_DEPTH_LIMIT));
    expect(() => parseStrictJson(deep(JSON_DEPTH_LIMIT + 1))).toThrow(/deeper than 128/);
    expect(() => parseStrictJson('['.repeat(1_000_000))).toThrow(/deeper than 128/);
  });
  test('a key named __proto__ is a key like any other', () => {
    const value = parseStrictJson('{"__proto__":{"x":1},"a":2}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(canonicalJson(value)).toBe('{"__proto__":{"x":1},"a":2}');
    expect(() => parseStrictJson('{"__proto__":1,"__proto__":2}')).toThrow(/twice/);
  });
  test('an error names line and column', () => {
    expect(() => parseStrictJson('{\n  "a": 1,\n  "a": 2\n}')).toThrow(/line 3, column 3/);
  });
  test('reading back what was written gives the same value, and JSON.parse agrees', () => {
    const value = fc.jsonValue({ noUnicodeString: false });
    fc.assert(
      fc.property(value, (json) => {
        const text = canonicalJson(json as Json, { wideNumbers: true });
        const viaNative = canonicalJson(JSON.parse(text) as Json, { wideNumbers: true });
        expect(viaNative).toBe(text);
        if (!/\d{16}/.test(text)) {
          expect(canonicalJson(parseStrictJson(text), { wideNumbers: true })).toBe(text);
        }
      }),
      { numRuns: 200 },
    );
  });
  test('bytes are the UTF-8 of the text', () => {
    expect(toHex(canonicalBytes('é'))).toBe('22c3a922');
  });
});
