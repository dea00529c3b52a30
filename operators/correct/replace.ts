/** Replaces a literal text or an RE2 pattern; linear in the text. The result of one record is bounded. */
import type { PlanContext } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planTextColumn, stepWords, toJson } from '../fields.ts';
import { compilePattern, matchesAnywhere, patternParam, planPattern } from '../pattern.ts';

/** Longest literal and replacement, UTF-16 units. */
export const REPLACEMENT_LIMIT = 10_000;
/** Largest text that a replacement may make of one record, bytes. */
export const RESULT_BYTES_LIMIT = 16 * 1024 * 1024;

const params = z
  .strictObject({
    field: existingField('Top-level text field to change in place.'),
    literal: z.string().min(1).max(REPLACEMENT_LIMIT).optional().describe('Text to replace, taken as it is.'),
    pattern: patternParam('RE2 pattern to replace.').optional(),
    with: z
      .string()
      .max(REPLACEMENT_LIMIT)
      .describe('What comes instead. With `pattern`: `$1` or `$<name>` is a group, `$&` the whole match, `$$` a dollar sign.'),
    first: z.boolean().default(false).describe('true: only the first place, not all.'),
  })
  .refine((p) => (p.literal === undefined) !== (p.pattern === undefined), { error: 'give either `literal` or `pattern`' });

type Params = z.infer<typeof params>;

export const replace = defineOperator({
  name: 'replace',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Replace a text or a pattern.',
  description:
    'Replaces all places from left to right without overlaps, or the first one. Patterns are RE2. A result above 16 MiB fails the record with TEXT_TOO_LONG.',
  params,
  examples: [
    {
      title: 'a literal, everywhere',
      params: { field: 'body', literal: 'a.', with: '😀' },
      input: [{ body: 'a.a.ab' }, { body: 'none' }, { body: '' }],
      output: [{ row: { body: '😀😀ab' } }, { row: { body: 'none' } }, { row: { body: '' } }],
    },
    {
      title: 'groups of a pattern',
      params: { field: 'body', pattern: '(\\d+)-(?P<month>\\d+)', with: '$<month>/$1 $$' },
      input: [{ body: 'on 2024-05 and 2025-06' }],
      output: [{ row: { body: 'on 05/2024 $ and 06/2025 $' } }],
    },
    {
      title: 'the first place only, by nothing',
      params: { field: 'body', pattern: '(?m)^> .*\\n?', with: '', first: true },
      input: [{ body: '> quoted\n> again\nanswer' }],
      output: [{ row: { body: '> again\nanswer' } }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 6 },
  defaultId: (p) => stepWords('replace', p.field),
  plan(p, context) {
    const fits = planTextColumn(context, p.field);
    const good = p.pattern === undefined || planReplacement(p, p.pattern, context);
    return fits && good ? [{ params: toJson(p), reads: [p.field], writes: [{ name: p.field, type: 'string' }] }] : [];
  },
  open(op) {
    const p = openParams(params, op.params, 'replace');
    const change = p.pattern === undefined ? literalReplacer(p) : patternReplacer(p, p.pattern);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const changed = change(input.slice(p.field, row));
          if (changed === undefined) continue;
          if (changed.length > RESULT_BYTES_LIMIT)
            out.fail(row, 'TEXT_TOO_LONG', `The replaced text has ${changed.length} bytes, the limit is ${RESULT_BYTES_LIMIT}`);
          else out.setBytes(p.field, row, changed);
        }
      },
    };
  },
});

/** Only `$$`, `$&`, `$n` and `$<name>`: the texts before and after a match would make the work quadratic. */
function planReplacement(p: Params, source: string, context: PlanContext): boolean {
  const pattern = planPattern(context, source, 'pattern');
  if (pattern === undefined) return false;
  const names = Object.keys(pattern.namedGroups());
  for (const [reference] of p.with.matchAll(/\$(?:\$|&|\d{1,2}|<[^>]*>|.?)/gs)) {
    if (reference === '$$' || reference === '$&') continue;
    const number = /^\$(\d+)$/.exec(reference)?.[1];
    const name = /^\$<(.*)>$/s.exec(reference)?.[1];
    if (number !== undefined && Number(number) >= 1 && Number(number) <= pattern.groupCount()) continue;
    if (name !== undefined && names.includes(name)) continue;
    context.problem('with', `'${reference}' names nothing in the pattern`, {
      expected: `$$, $&${pattern.groupCount() > 0 ? `, $1 to $${pattern.groupCount()}` : ''}${names.map((known) => `, $<${known}>`).join('')}`,
      hint: 'write $$ for a dollar sign',
    });
    return false;
  }
  return true;
}

/** The new text; undefined when nothing is replaced. */
type Replacer = (text: Uint8Array) => Uint8Array | undefined;

function literalReplacer(p: Params): Replacer {
  const literal = Buffer.from(p.literal ?? '', 'utf8');
  const replacement = Buffer.from(p.with, 'utf8');
  return (text) => {
    const source = Buffer.from(text.buffer, text.byteOffset, text.length);
    const parts: Uint8Array[] = [];
    let at = 0;
    for (let found = source.indexOf(literal); found >= 0; found = p.first ? -1 : source.indexOf(literal, at)) {
      parts.push(source.subarray(at, found), replacement);
      at = found + literal.length;
    }
    return parts.length === 0 ? undefined : Buffer.concat([...parts, source.subarray(at)]);
  };
}

function patternReplacer(p: Params, source: string): Replacer {
  const pattern = compilePattern(source);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (text) => {
    if (!matchesAnywhere(pattern, text)) return undefined;
    const matcher = pattern.matcher(decoder.decode(text));
    return Buffer.from(p.first ? matcher.replaceFirst(p.with) : matcher.replaceAll(p.with), 'utf8');
  };
}
