import type { Operator, Registry } from '#engine';
import { runGoldenCase } from '#engine';
import { engines, operators } from '#operators';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { PATTERN_LIMIT, PATTERN_SIZE_LIMIT } from '../../../operators/pattern.ts';
import { patternFacts } from '../../../operators/pattern-facts.ts';

const registry: Registry = { operators, engines };
const byName = (name: string): Operator => operators.find((operator) => operator.name === name) as Operator;
const outcomes = (name: string, params: object, texts: readonly string[]) =>
  runGoldenCase(registry, byName(name), {
    title: name,
    params: JSON.parse(JSON.stringify(params)),
    input: texts.map((body) => ({ body })),
    output: [],
  });

const characters = fc.constantFrom('a', 'b', '1', '@', '.', '-', ' ', '\n', 'é', '😀', 'A');
const text = fc.array(characters, { maxLength: 40 }).map((parts) => parts.join(''));
const quantifier = fc.constantFrom('', '', '', '+', '*', '?', '{2}', '{0,2}', '{1,}', '+?', '*?');
/** Of the syntax that facts are read from, and of all of it. */
const KNOWN_ATOMS = ['a', 'b', '@', '\\.', '[a-b]', '[ab1-]', '\\d', '\\w', '\\s', ' '];
const ATOMS = [...KNOWN_ATOMS, '[^a]', '.', 'é', '^', '$', '\\b'];
const patternOf = (atoms: readonly string[]): fc.Arbitrary<string> =>
  fc.letrec<{ sequence: string; item: string }>((tie) => ({
    sequence: fc.array(tie('item'), { minLength: 1, maxLength: 4 }).map((items) => items.join('')),
    item: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.tuple(fc.constantFrom(...atoms), quantifier).map((parts) => parts.join('')),
      fc
        .tuple(fc.constantFrom('(', '(?:'), tie('sequence'), tie('sequence'), fc.boolean(), quantifier)
        .map(([open, a, b, either, times]) => `${open}${a}${either ? `|${b}` : ''})${times}`),
    ),
  })).sequence;
const pattern = fc.oneof(patternOf(KNOWN_ATOMS), patternOf(ATOMS));

describe('extract', () => {
  it('finds what the automaton finds in the whole text, whatever facts of the pattern it uses', async () => {
    let narrowed = 0;
    await fc.assert(
      fc.asyncProperty(pattern, fc.array(text, { minLength: 1, maxLength: 10 }), async (source, texts) => {
        let compiled: RE2JS;
        try {
          compiled = RE2JS.compile(source);
        } catch {
          return;
        }
        // Longer ones are refused when a workflow is compiled.
        if (source.length > PATTERN_LIMIT || compiled.programSize() > PATTERN_SIZE_LIMIT) return;
        if (patternFacts(source) !== undefined) narrowed++;
        const expected = texts.map((body) => {
          const matcher = compiled.matcher(body);
          return { row: { body, found: matcher.find() ? matcher.group() : null } };
        });
        expect(await outcomes('extract', { field: 'body', as: 'found', pattern: source }, texts)).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
    expect(narrowed).toBeGreaterThan(100);
  });

  it('knows a literal and the characters of an e-mail pattern, and nothing of patterns that look around', () => {
    const facts = patternFacts('[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}');
    expect(facts?.literal).toBe('@');
    expect([...'az09._%+-@'].every((character) => facts?.alphabet[character.charCodeAt(0)] === 1)).toBe(true);
    expect(facts?.alphabet[' '.charCodeAt(0)]).toBe(0);
    for (const unknown of ['^a@b', 'a@b$', '\\ba@', '(?i)a@', '[^a]@', 'é@', 'a.@', 'a|b@', '[a]+', 'a?@?'])
      expect(patternFacts(unknown)).toBeUndefined();
  });
});

describe('normalize', () => {
  const raw = fc.string({
    unit: fc.constantFrom('a', 'Z', 'É', ' ', '\t', '\n', '\u00a0', '\u2003', '\u3000', 'é', '😀', '\u0000'),
    maxLength: 40,
  });

  it('lowers ASCII letters and folds ASCII white space as plain string work does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(raw, { minLength: 1, maxLength: 10 }), async (texts) => {
        const expected = texts.map((body) => ({
          row: {
            body: body
              .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
              .replace(/[ \t\n\v\f\r]+/g, ' ')
              .replace(/^ | $/g, ''),
          },
        }));
        expect(await outcomes('normalize', { field: 'body', case: 'lower', whitespace: 'ascii' }, texts)).toEqual(expected);
      }),
    );
  });

  it('folds all white space of Unicode as `whitespace` does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(raw, { minLength: 1, maxLength: 10 }), async (texts) => {
        expect(await outcomes('normalize', { field: 'body', whitespace: 'unicode' }, texts)).toEqual(
          await outcomes('whitespace', { field: 'body' }, texts),
        );
      }),
    );
  });

  it('is idempotent', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(raw, { minLength: 1, maxLength: 10 }), async (texts) => {
        const params = { field: 'body', case: 'upper', whitespace: 'unicode' };
        const once = await outcomes('normalize', params, texts);
        const bodies = once.map((outcome) => String((outcome as { readonly row: { readonly body: string } }).row.body));
        expect(await outcomes('normalize', params, bodies)).toEqual(once);
      }),
    );
  });
});
