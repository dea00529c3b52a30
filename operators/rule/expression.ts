/** A rule of the author's own, in CEL over the record's fields. Confined and metered (law 11); an error fails the record. */
import type { Row } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import type { CelExpression } from '../cel.ts';
import { CelFault } from '../cel-meter.ts';
import { compileCel, EXPRESSION_LIMIT, planCel } from '../cel.ts';
import { fieldTypeSchema } from '../field-type.ts';
import { openParams, shorten, toJson } from '../fields.ts';

const params = z.strictObject({
  keep: z
    .string()
    .min(1)
    .max(EXPRESSION_LIMIT)
    .describe('CEL expression that is true for records to keep. Fields are variables; whole numbers are `int`, decimals `double`.'),
});
const planned = z.strictObject({ keep: z.string(), fields: z.array(z.strictObject({ name: z.string(), type: fieldTypeSchema })) });

export const expression = defineOperator({
  name: 'expression',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Keep records for which a CEL expression is true.',
  description:
    'CEL (Common Expression Language) with the functions size, contains, startsWith, endsWith, matches (RE2, literal pattern), lowerAscii, upperAscii, trim, int, double, string, bool, dyn ' +
    'and the macros has, all, exists, exists_one, map, filter. There is no clock and no time zone. Types are checked before the run. ' +
    'Evaluation stops at 100,000 steps, and where it would look at more than 64 Mi characters and elements. Texts are ordered by UTF-16 units; size() of a text counts code points.',
  params,
  examples: [
    {
      title: 'text and number',
      params: { keep: "score >= 3 && !body.contains('As an AI')" },
      input: [
        { score: 3, body: 'fine' },
        { score: 2, body: 'fine' },
        { score: 5, body: 'As an AI model' },
      ],
      output: [
        { row: { score: 3, body: 'fine' } },
        { rejected: { measured: 'score=2, body=fine', limit: "score >= 3 && !body.contains('As an AI')" } },
        { rejected: { measured: 'score=5, body=As an AI model', limit: "score >= 3 && !body.contains('As an AI')" } },
      ],
    },
    {
      title: 'an error in the evaluation fails the record',
      params: { keep: '10 / n > 1' },
      input: [{ n: 2 }, { n: 0 }],
      output: [{ row: { n: 2 } }, { failed: 'EXPRESSION_ERROR' }],
    },
    {
      title: 'size counts code points; lists and records',
      params: { keep: 'size(sign) == 1 && tags.exists(t, t == "a") && p.age > 1' },
      input: [{ sign: '😀', tags: ['a'], p: { age: 2 } }],
      output: [{ row: { sign: '😀', tags: ['a'], p: { age: 2 } } }],
    },
  ],
  gas: { perRecord: 4, per64Bytes: 1 },
  defaultId: () => 'expression',
  plan(p, context) {
    const compiled = planCel(context, p.keep, 'keep');
    if (compiled === undefined) return [];
    if (compiled.resultType !== 'bool' && compiled.resultType !== 'dyn') {
      context.problem('keep', `The expression gives ${compiled.resultType}`, { expected: 'bool: true keeps the record' });
      return [];
    }
    const fields = context.schema.filter((field) => compiled.reads.includes(field.name));
    return [{ params: toJson({ keep: p.keep, fields }), reads: compiled.reads, writes: [] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'expression');
    const compiled = compileCel(p.keep, p.fields);
    const limit = shorten(p.keep);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const fields = input.row(row);
          const result = keeps(compiled, fields);
          out.charge(result.steps);
          if (result.keep === undefined) out.fail(row, 'EXPRESSION_ERROR', result.error);
          else if (!result.keep) out.reject(row, { measured: shorten(inputsOf(compiled.reads, fields)), limit });
        }
      },
    };
  },
});

type Verdict =
  | { readonly keep: boolean; readonly steps: number }
  | { readonly keep: undefined; readonly steps: number; readonly error: string };

function keeps(compiled: CelExpression, fields: Row): Verdict {
  try {
    const { value, steps } = compiled.evaluate(fields);
    if (typeof value === 'boolean') return { keep: value, steps };
    return { keep: undefined, steps, error: `the expression gives ${value === null ? 'null' : typeof value}, not true or false` };
  } catch (error) {
    if (error instanceof CelFault) return { keep: undefined, steps: 0, error: error.message };
    throw error;
  }
}

/** The scalar fields that decided, as `score=2, body=fine`. */
function inputsOf(reads: readonly string[], fields: Row): string {
  return reads
    .flatMap((name) => {
      const value = fields[name] ?? null;
      return typeof value === 'object' && value !== null ? [] : [`${name}=${String(value)}`];
    })
    .join(', ');
}
