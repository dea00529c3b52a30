/**
 * Small operators for tests of the compiler: one of each kind. They plan as real ones do; executing them is not their purpose,
 * so `open` refuses.
 */
import { MizuError } from '../../engine/contract/errors.ts';
import type { Operator, Registry } from '../../engine/contract/operator.ts';
import { defineOperator } from '../../engine/contract/operator.ts';
import { z } from 'zod';

const field = z.string().min(1).describe('Field to look at.');
const open = (): never => {
  throw new MizuError('INTERNAL', 'test operators only plan');
};
const base = { version: 1, description: '', examples: [], gas: { perRecord: 2, per64Bytes: 1 }, open } as const;

/** Makes a field of the type of a list's elements. */
export const pick = defineOperator({
  ...base,
  name: 'pick',
  group: 'select',
  kind: 'row',
  summary: 'Picks an element of a list.',
  params: z.strictObject({
    from: z.string().describe('List or map.'),
    as: z.string().regex(/^[a-z_]+$/, 'a field name'),
    weight: z.number().positive().default(1),
  }),
  defaultId: (params) => params.as,
  plan(params, context) {
    const data = context.data(params.from, 'from');
    if (data === undefined) return [];
    return [
      { params: { as: params.as, weight: params.weight }, reads: [], writes: [{ name: params.as, type: data.type }], data: [data.digest] },
    ];
  },
});

/** Joins fields to a text. */
export const join = defineOperator({
  ...base,
  name: 'join',
  group: 'template',
  kind: 'row',
  summary: 'Joins fields.',
  params: z.strictObject({ as: z.string(), fields: z.array(z.string()).min(1) }),
  defaultId: (params) => params.as,
  plan(params, context) {
    const types = params.fields.map((path, i) => context.fieldType(path, `fields[${i}]`));
    if (types.includes(undefined)) return [];
    return [{ params: { ...params }, reads: params.fields, writes: [{ name: params.as, type: 'string' }] }];
  },
});

/** A rule. */
export const size = defineOperator({
  ...base,
  name: 'size',
  group: 'rule',
  kind: 'row',
  summary: 'Drops texts that are too short or too long.',
  params: z.strictObject({
    field,
    words: z
      .tuple([z.int().min(0), z.int()])
      .optional()
      .describe('Least and most words.'),
    unit: z.enum(['words', 'characters']).default('words'),
  }),
  defaultId: (params) => `size-${params.field}`,
  plan(params, context) {
    const type = context.fieldType(params.field, 'field');
    if (type === undefined) return [];
    if (type !== 'string') {
      context.problem('field', `Field '${params.field}' is no text`, { expected: 'string' });
      return [];
    }
    return [{ params: { field: params.field, words: params.words ?? [0, 100], unit: params.unit }, reads: [params.field], writes: [] }];
  },
});

/** Two ops from one step, the second executed by `size`. */
export const judgeLike = defineOperator({
  ...base,
  name: 'double',
  group: 'judge',
  kind: 'row',
  summary: 'Plans two ops.',
  params: z.strictObject({ field, as: z.string() }),
  defaultId: (params) => params.as,
  plan(params, context) {
    if (context.fieldType(params.field, 'field') === undefined) return [];
    return [
      { suffix: 'make', params: { ...params }, reads: [params.field], writes: [{ name: params.as, type: 'string' }] },
      { suffix: 'check', op: 'size', params: { field: params.as, words: [0, 5], unit: 'words' }, reads: [params.as], writes: [] },
    ];
  },
});

export const ask = defineOperator({
  ...base,
  name: 'ask',
  group: 'generate',
  kind: 'external',
  summary: 'Asks a model.',
  params: z.strictObject({ as: z.string(), model: z.string() }),
  defaultId: (params) => params.as,
  plan(params, context) {
    if (!context.models.includes(params.model)) {
      const hint = context.nearest(params.model, context.models);
      context.problem('model', `There is no model '${params.model}'`, hint === undefined ? {} : { hint });
      return [];
    }
    return [{ params: { ...params }, reads: [], writes: [{ name: params.as, type: 'string' }] }];
  },
});

export const distinct = defineOperator({
  ...base,
  name: 'distinct',
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Drops repetitions.',
  params: z.strictObject({ by: z.array(z.string()).default([]), unbounded: z.boolean().optional() }),
  keyed: { scope: 'key', by: (params) => params.by },
  defaultId: (params) => ['distinct', ...params.by].join('-'),
  plan(params, context) {
    const types = params.by.map((path, i) => context.fieldType(path, `by[${i}]`));
    if (types.includes(undefined)) return [];
    return [{ params: { by: params.by }, reads: params.by, writes: [] }];
  },
});

export const tally = defineOperator({
  ...base,
  name: 'tally',
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Counts by a field.',
  params: z.strictObject({ field }),
  keyed: { scope: 'global', by: () => [] },
  defaultId: (params) => `tally-${params.field}`,
  plan(params, context) {
    return context.fieldType(params.field, 'field') === undefined ? [] : [{ params: { ...params }, reads: [params.field], writes: [] }];
  },
});

/** A source. */
export const lines = defineOperator({
  ...base,
  name: 'lines',
  group: 'generate',
  kind: 'row',
  summary: 'Reads a text file.',
  params: z.strictObject({ path: z.string(), as: z.string().default('line') }),
  source: (params) => ({ path: params.path, format: 'text' }),
  defaultId: (params) => params.as,
  plan(params, context) {
    return context.source === undefined
      ? []
      : [{ params: { as: params.as }, reads: ['$source'], writes: [{ name: params.as, type: 'string' }] }];
  },
});

export const TEST_OPERATORS: readonly Operator[] = [pick, join, size, judgeLike, ask, distinct, tally, lines];
export const TEST_REGISTRY: Registry = { operators: TEST_OPERATORS, engines: [] };
