/** A number within bounds. The bound that was broken is the reported limit. */
import type { BlockView } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planField, readPath, rootOf, stepWords, toJson } from '../fields.ts';

const shape = {
  field: existingField('Number field; dotted paths reach into records (`outcome.energy`).'),
  min: z.number().optional().describe('Lowest allowed value.'),
  max: z.number().optional().describe('Highest allowed value.'),
  exclusive: z.boolean().optional().describe('true: the bounds themselves are not allowed.'),
};
const params = z
  .strictObject(shape)
  .refine((p) => p.min !== undefined || p.max !== undefined, { error: 'give `min`, `max` or both' })
  .refine((p) => p.min === undefined || p.max === undefined || (p.exclusive === true ? p.min < p.max : p.min <= p.max), {
    error: 'no number lies between `min` and `max`',
  });
const planned = z.strictObject({ ...shape, column: z.boolean() });

export const range = defineOperator({
  name: 'range',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Keep records whose number lies within bounds.',
  description: 'Checks a long or double field against `min` and `max`, both allowed unless `exclusive: true`. A null is rejected.',
  params,
  examples: [
    {
      title: 'both bounds are allowed',
      params: { field: 'score', min: 0, max: 5 },
      input: [{ score: 0 }, { score: 5 }, { score: 6 }, { score: -1 }],
      output: [
        { row: { score: 0 } },
        { row: { score: 5 } },
        { rejected: { measured: 6, limit: 5 } },
        { rejected: { measured: -1, limit: 0 } },
      ],
    },
    {
      title: 'exclusive bounds',
      params: { field: 'x', min: 0, exclusive: true },
      schema: [{ name: 'x', type: 'double' }],
      input: [{ x: 0 }, { x: 5e-324 }],
      output: [{ rejected: { measured: 0, limit: 0 } }, { row: { x: 5e-324 } }],
    },
    {
      title: 'a dotted path; null is rejected',
      params: { field: 'result.energy', max: 1.5 },
      schema: [{ name: 'result', type: { record: [{ name: 'energy', type: { optional: 'double' } }] } }],
      input: [{ result: { energy: 1.5 } }, { result: { energy: null } }],
      output: [{ row: { result: { energy: 1.5 } } }, { rejected: { measured: 'null', limit: 1.5 } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 0 },
  defaultId: (p) => stepWords('range', p.field),
  plan(p, context) {
    const field = planField(context, p.field, 'field', ['long', 'double']);
    if (field === undefined) return [];
    return [{ params: toJson({ ...p, column: field.column }), reads: [rootOf(p.field)], writes: [] }];
  },
  open(op) {
    const p = openParams(planned, op.params, 'range');
    const read = numberReader(p.field, p.column);
    const { min, max, exclusive } = p;
    const tooLow = (value: number): boolean => min !== undefined && !(exclusive === true ? value > min : value >= min);
    const tooHigh = (value: number): boolean => max !== undefined && !(exclusive === true ? value < max : value <= max);
    return {
      execute(input, out) {
        const valueAt = read(input);
        for (const row of input.rows) {
          const value = valueAt(row);
          if (value === undefined) out.reject(row, { measured: 'null', limit: min ?? max });
          else if (tooLow(value)) out.reject(row, { measured: value, limit: min });
          else if (tooHigh(value)) out.reject(row, { measured: value, limit: max });
        }
      },
    };
  },
});

function numberReader(path: string, column: boolean): (view: BlockView) => (row: number) => number | undefined {
  if (column) {
    return (view) => {
      const numbers = view.numbers(path);
      return (row) => numbers[row];
    };
  }
  const read = readPath(path);
  return (view) => (row) => {
    const value = read(view, row);
    return typeof value === 'number' ? value : undefined;
  };
}
