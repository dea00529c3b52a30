/**
 * Takes the first match of an RE2 pattern out of a text, into a field of its own. Where the pattern lets it (`patternFacts`), a text is looked
 * through for a literal first, and only the runs around it meet the automaton: 0.2 µs per KB instead of 25.
 */
import { asBuffer, defineOperator } from '#kernel';
import type { RE2JS } from 're2js';
import { z } from 'zod';
import { existingField, newField, openParams, planField, planWrite, readTextBytes, rootOf, toJson } from '../fields.ts';
import type { PatternFacts } from '../pattern-facts.ts';
import { patternFacts } from '../pattern-facts.ts';
import { compilePattern, groupOfFirstMatch, matchesAnywhere, patternParam, planPattern } from '../pattern.ts';

const shape = {
  field: existingField('Text field to look through; dotted paths reach into records.'),
  pattern: patternParam('RE2 pattern; the leftmost match counts.'),
  as: newField('Field that receives the match, or null where there is none (string or null).'),
  group: z.int().min(0).max(99).default(0).describe('Number of the group to take; 0: the whole match.'),
};
const params = z.strictObject(shape);
const planned = z.strictObject({ ...shape, column: z.boolean() });

export const extract = defineOperator({
  name: 'extract',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Take the first match of a pattern into a field.',
  description:
    'The field is a string or null: null where the text is null, where nothing matches, and where the group took no part in the match. Patterns are RE2, linear in the text.',
  params,
  examples: [
    {
      title: 'the first e-mail address',
      params: { field: 'body', as: 'email', pattern: '[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}' },
      input: [{ body: 'at home@, or: a.b@c.example, d@e.example' }, { body: 'none@all' }, { body: '' }],
      output: [
        { row: { body: 'at home@, or: a.b@c.example, d@e.example', email: 'a.b@c.example' } },
        { row: { body: 'none@all', email: null } },
        { row: { body: '', email: null } },
      ],
    },
    {
      title: 'a group of the match',
      params: { field: 'line', as: 'code', pattern: '(?:no|nr)\\. (\\d+)(x)?', group: 1 },
      input: [{ line: 'see no. 12x' }, { line: 'see no 12' }],
      output: [{ row: { line: 'see no. 12x', code: '12' } }, { row: { line: 'see no 12', code: null } }],
    },
    {
      title: 'a group without part in the match; text beyond ASCII',
      params: { field: 'line', as: 'mark', pattern: 'ab(😀)?$', group: 1 },
      input: [{ line: 'ab😀' }, { line: 'éab' }],
      output: [{ row: { line: 'ab😀', mark: '😀' } }, { row: { line: 'éab', mark: null } }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 4 },
  defaultId: (p) => p.as,
  plan(p, context) {
    const field = planField(context, p.field, 'field', ['string']);
    const pattern = planPattern(context, p.pattern, 'pattern');
    if (field === undefined || pattern === undefined) return [];
    if (p.group > pattern.groupCount()) {
      context.problem('group', `The pattern has no group ${p.group}`, { expected: `0 to ${pattern.groupCount()}` });
      return [];
    }
    const type = { optional: 'string' } as const;
    if (!planWrite(context, p.as, type)) return [];
    return [{ params: toJson({ ...p, column: field.column }), reads: [rootOf(p.field)], writes: [{ name: p.as, type }] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'extract');
    const find = finder(compilePattern(p.pattern), p.group, patternFacts(p.pattern));
    const read = readTextBytes(p.field, p.column);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const text = read(input, row);
          out.setValue(p.as, row, text === undefined ? null : find(text));
        }
      },
    };
  },
});

type Finder = (text: Uint8Array) => string | null;

function finder(pattern: RE2JS, group: number, facts: PatternFacts | undefined): Finder {
  if (facts !== undefined) return runFinder(pattern, group, facts);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (text) => (matchesAnywhere(pattern, text) ? groupOfFirstMatch(pattern, decoder.decode(text), group) : null) ?? null;
}

function runFinder(pattern: RE2JS, group: number, { literal, alphabet }: PatternFacts): Finder {
  const sought = Buffer.from(literal, 'latin1');
  return (bytes) => {
    const text = asBuffer(bytes);
    for (let found = text.indexOf(sought); found >= 0; ) {
      let start = found;
      let end = found + sought.length;
      while (start > 0 && alphabet[text[start - 1] as number] === 1) start--;
      while (end < text.length && alphabet[text[end] as number] === 1) end++;
      const match = groupOfFirstMatch(pattern, text.toString('latin1', start, end), group);
      if (match !== undefined) return match;
      found = text.indexOf(sought, end);
    }
    return null;
  };
}
