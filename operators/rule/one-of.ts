/** The field has one of a few known values, listed in the step or in global storage. */
import type { DataSet, Measured, PlanContext, Value } from '#kernel';
import { defineOperator, describeType } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, planField, readPath, rootOf, shorten, stepWords, toJson } from '../fields.ts';

/** Most values that a step may list itself; longer lists belong in a data file. */
export const VALUES_LIMIT = 1000;

const shape = {
  field: existingField('Text, number or truth field; dotted paths reach into records.'),
  values: z
    .array(z.union([z.string(), z.number(), z.boolean()]))
    .min(1)
    .max(VALUES_LIMIT)
    .optional()
    .describe('The allowed values.'),
  from: z.string().min(1).optional().describe('Name of a list under `data` with the allowed values, or of a map whose keys they are.'),
};
const params = z
  .strictObject(shape)
  .refine((p) => (p.values === undefined) !== (p.from === undefined), { error: 'give either `values` or `from`' });
const planned = z.strictObject({ field: shape.field, values: shape.values });

export const oneOf = defineOperator({
  name: 'oneOf',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Keep records whose field has one of the listed values.',
  description: 'Compares exactly: texts by code points, numbers by value. A null is rejected.',
  params,
  examples: [
    {
      title: 'texts are compared exactly',
      params: { field: 'label', values: ['stable', '😀'] },
      input: [{ label: 'stable' }, { label: '😀' }, { label: 'Stable' }, { label: '' }],
      output: [
        { row: { label: 'stable' } },
        { row: { label: '😀' } },
        { rejected: { measured: 'Stable', limit: 'stable, 😀' } },
        { rejected: { measured: '', limit: 'stable, 😀' } },
      ],
    },
    {
      title: 'numbers',
      params: { field: 'n', values: [1, 2] },
      input: [{ n: 2 }, { n: 3 }],
      output: [{ row: { n: 2 } }, { rejected: { measured: 3, limit: '1, 2' } }],
    },
    {
      title: 'values from a list in global storage',
      params: { field: 'colour', from: 'colours' },
      data: { colours: ['red', 'blue'] },
      input: [{ colour: 'blue' }, { colour: 'green' }],
      output: [{ row: { colour: 'blue' } }, { rejected: { measured: 'green', limit: 'red, blue' } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 1 },
  defaultId: (p) => stepWords('oneOf', p.field),
  plan(p, context) {
    const field = planField(context, p.field, 'field', ['string', 'long', 'double', 'boolean']);
    const data = p.from === undefined ? undefined : context.data(p.from, 'from');
    if (field === undefined || (p.from !== undefined && data === undefined)) return [];
    const values = data === undefined ? (p.values ?? []) : allowedBy(data);
    const kind = field.type === 'string' ? 'string' : field.type === 'boolean' ? 'boolean' : 'number';
    if (!allFit(values, kind, data === undefined ? 'values' : 'from', describeType(field.type), context)) return [];
    return [
      {
        params: toJson(data === undefined ? { field: p.field, values: p.values } : { field: p.field }),
        reads: [rootOf(p.field)],
        writes: [],
        ...(data === undefined ? {} : { data: [data.digest] }),
      },
    ];
  },
  open(op, env) {
    const p = openParams(planned, op.params, 'oneOf');
    const [digest] = op.data;
    const values = digest === undefined ? (p.values ?? []) : allowedBy(env.storage.data(digest));
    const allowed = new Set(values);
    const limit = shorten(values.slice(0, 20).map(String).join(', '));
    const read = readPath(p.field);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const value = read(input, row);
          if (!allowed.has(value)) out.reject(row, { measured: measuredOf(value), limit });
        }
      },
    };
  },
});

function allowedBy(data: DataSet): readonly Value[] {
  return data.keys ?? data.values;
}

function allFit(values: readonly Value[], kind: string, at: string, type: string, context: PlanContext): boolean {
  const wrong = values.findIndex((value) => typeof value !== kind);
  if (wrong < 0) return true;
  context.problem(at === 'values' ? `values[${wrong}]` : at, `${JSON.stringify(values[wrong])} can never equal a field that is ${type}`, {
    expected: `values that are ${type}`,
  });
  return false;
}

function measuredOf(value: Value): Measured {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? shorten(value) : String(value);
}
