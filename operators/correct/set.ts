/** A field computed by a CEL expression over the record. Confined and metered (law 11); an error fails the record. */
import type { FieldType } from '#kernel';
import { defineOperator, describeType } from '#kernel';
import { z } from 'zod';
import { CelFault } from '../cel-meter.ts';
import { celResult, compileCel, EXPRESSION_LIMIT, planCel } from '../cel.ts';
import { celType, fieldTypeOf } from '../cel-values.ts';
import { fieldTypeSchema } from '../field-type.ts';
import { newField, openParams, planWrite, toJson } from '../fields.ts';

const params = z.strictObject({
  as: newField('Field that receives the value; a field of the same type may be replaced.'),
  value: z
    .string()
    .min(1)
    .max(EXPRESSION_LIMIT)
    .describe('CEL expression over the fields of the record; see `expression` for its functions.'),
  type: fieldTypeSchema
    .optional()
    .describe('Type of the field, where CEL leaves it open (`dyn`) or where a whole number is to be a double.'),
});
const planned = z.strictObject({
  as: z.string(),
  value: z.string(),
  type: fieldTypeSchema,
  fields: z.array(z.strictObject({ name: z.string(), type: fieldTypeSchema })),
});

export const set = defineOperator({
  name: 'set',
  version: 1,
  group: 'correct',
  kind: 'row',
  summary: 'Compute a field by a CEL expression.',
  description:
    'The type of the field is that of the expression: string, int (long), double, bool (boolean), bytes, or a list of these. An evaluation error, or a result that does not fit, ' +
    'fails the record with EXPRESSION_ERROR. Whole numbers beyond 2^52 and numbers that are not finite do not fit.',
  params,
  examples: [
    {
      title: 'whole numbers and texts',
      params: { as: 'line', value: 'name + ": " + string(n * 2)' },
      input: [
        { name: '😀', n: 21 },
        { name: '', n: 0 },
      ],
      output: [{ row: { name: '😀', n: 21, line: '😀: 42' } }, { row: { name: '', n: 0, line: ': 0' } }],
    },
    {
      title: 'the same field, one case for all',
      params: { as: 'label', value: 'label.lowerAscii().trim()' },
      input: [{ label: ' ÉTÉ Hot ' }],
      output: [{ row: { label: 'ÉtÉ hot' } }],
    },
    {
      title: 'an error fails the record, also a result that does not fit',
      params: { as: 'ratio', value: 'a / b' },
      schema: [
        { name: 'a', type: 'double' },
        { name: 'b', type: 'double' },
      ],
      input: [
        { a: 1, b: 2 },
        { a: 1, b: 0 },
      ],
      output: [{ row: { a: 1, b: 2, ratio: 0.5 } }, { failed: 'EXPRESSION_ERROR' }],
    },
  ],
  gas: { perRecord: 4, per64Bytes: 1 },
  defaultId: (p) => p.as,
  plan(p, context) {
    const compiled = planCel(context, p.value, 'value');
    if (compiled === undefined) return [];
    const type: FieldType | undefined = p.type ?? fieldTypeOf(compiled.resultType);
    if (type === undefined) {
      context.problem('type', `The expression gives ${compiled.resultType}, whose type is not known before the run`, {
        expected: 'the type of the field, for example type: string',
      });
      return [];
    }
    if (!mayFit(compiled.resultType, type)) {
      context.problem('type', `The expression gives ${compiled.resultType}, which is never ${describeType(type)}`, {
        expected: describeType(fieldTypeOf(compiled.resultType) ?? type),
      });
      return [];
    }
    if (!planWrite(context, p.as, type)) return [];
    const fields = context.schema.filter((field) => compiled.reads.includes(field.name));
    return [{ params: toJson({ as: p.as, value: p.value, type, fields }), reads: compiled.reads, writes: [{ name: p.as, type }] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'set');
    const compiled = compileCel(p.value, p.fields);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          try {
            const { value, steps } = compiled.evaluate(input.row(row));
            out.charge(steps);
            out.setValue(p.as, row, celResult(value, p.type));
          } catch (error) {
            if (!(error instanceof CelFault)) throw error;
            out.fail(row, 'EXPRESSION_ERROR', error.message);
          }
        }
      },
    };
  },
});

function mayFit(cel: string, type: FieldType): boolean {
  const known = fieldTypeOf(cel);
  if (known === undefined || typeof known !== 'string') return true;
  const wanted = typeof type === 'object' && 'optional' in type ? type.optional : type;
  return celType(wanted) === cel || (cel === 'int' && wanted === 'double');
}
