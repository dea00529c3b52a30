/**
 * Picks from a list or a map in global storage. Every pick is a seeded draw of the candidate (law 1): uniform by rejection,
 * weighted by exact integers, k of n without replacement by lowest hash, or each element once per round over all candidates.
 */
import type { DataSet, FieldType, PlanContext, Value } from '#kernel';
import { defineOperator, invariant } from '#kernel';
import { z } from 'zod';
import { newField, openParams, planWrite, toJson } from '../fields.ts';
import { conditional } from './conditional.ts';
import type { ListWeights } from './list-weights.ts';
import { openByField, planByField } from './pick-by-field.ts';
import { give, turns, weightsOf } from './picks.ts';
import { randomParam } from './random-param.ts';
import { planWeights, weight } from './weights.ts';

/** Most elements that one record can be given. */
export const PICK_LIMIT = 1000;
/** Largest set for `each`, whose order is shuffled as a whole once per round. */
export const EACH_LIMIT = 1_000_000;

const params = z
  .strictObject({
    from: z
      .union([z.string().min(1), conditional])
      .describe(
        'Name of the list or map under `data`; or `{ by: field, lists: { value: list } }`, or `{ by: field, map: name }` with a map of lists: then the field says which list. A value that has none fails the record with KEY_UNKNOWN.',
      ),
    as: newField('Field that receives the element (or, with `pick`, the list of elements).'),
    random: randomParam,
    pick: z
      .int()
      .min(1)
      .max(PICK_LIMIT)
      .optional()
      .describe(`Gives a list of this many different elements (1 to ${PICK_LIMIT}), lowest hash first.`),
    weight: z
      .union([z.string().min(1), z.record(z.string(), z.union([weight, z.record(z.string(), weight)]))])
      .optional()
      .describe(
        'Makes some elements likelier: the name of a number field of the elements, or a map from element (text) or key (of a map) to its weight; where a field says which list, a map from its value to such a map. Decimals are exact.',
      ),
    each: z
      .union([z.boolean(), z.literal('once')])
      .optional()
      .describe(
        'true: every element once in a seeded order before any comes again, over all candidates of the run. once: candidates beyond the last element fail with LIST_EXHAUSTED.',
      ),
  })
  .refine((p) => typeof p.from === 'string' || p.each === undefined || p.each === false, {
    error: '`each` gives the elements of one list their turns, so it does not go with a field that says which list',
  })
  .refine((p) => p.random === 'hash' || p.each === undefined || p.each === false, {
    error: '`each` orders the candidates of all tasks, and `random: vrf` belongs to one task: draw by `hash`',
  })
  .refine((p) => !(p.each !== undefined && p.each !== false && (p.pick !== undefined || p.weight !== undefined)), {
    error: '`each` gives every element its turn, so it goes with neither `pick` nor `weight`',
  });

const planned = z.strictObject({
  as: z.string(),
  by: z.string().optional(),
  column: z.boolean().optional(),
  values: z.array(z.string()).optional(),
  pick: z.int().optional(),
  weights: z.array(z.int()).optional(),
  listWeights: z.array(z.array(z.int()).nullable()).optional(),
  each: z.union([z.literal(true), z.literal('once')]).optional(),
});

export const select = defineOperator({
  name: 'select',
  version: 1,
  group: 'select',
  kind: 'row',
  summary: 'Pick an element of a list or map: uniform, weighted, several, or each in turn.',
  description:
    'Picks one element by a seeded draw, so the same candidate always gets the same element. From a map, an entry is a record ' +
    'with its `key` first, followed by the fields of the value, or by `value` where the value is no record. ' +
    'With `pick: k` the field holds k different elements; with `each: true` elements take turns: n candidates in a row get all n elements, and then again in another order; with `each: once` there is no second round.',
  params,
  examples: [
    {
      title: 'a list of one has one answer',
      params: { from: 'products', as: 'product' },
      data: { products: ['kettle'] },
      input: [{ id: 1 }, { id: 2 }],
      output: [{ row: { id: 1, product: 'kettle' } }, { row: { id: 2, product: 'kettle' } }],
    },
    {
      title: 'a weight of 0 is never picked; text beyond the BMP is an element as any other',
      params: { from: 'signs', as: 'sign', weight: { '😀': 0.5, plain: 0 } },
      data: { signs: ['plain', '😀'] },
      input: [{ id: 1 }, { id: 2 }, { id: 3 }],
      output: [{ row: { id: 1, sign: '😀' } }, { row: { id: 2, sign: '😀' } }, { row: { id: 3, sign: '😀' } }],
    },
    {
      title: 'an entry of a map is a record with its key first',
      params: { from: 'personas', as: 'persona', weight: 'share' },
      data: { personas: { clerk: { voice: 'dry', share: 3 }, nobody: { voice: 'none', share: 0 } } },
      input: [{ id: 1 }],
      output: [{ row: { id: 1, persona: { key: 'clerk', voice: 'dry', share: 3 } } }],
    },
    {
      title: 'pick as many as there are: all of them, lowest hash first',
      params: { from: 'one', as: 'some', pick: 1 },
      data: { one: [7] },
      input: [{ id: 1 }],
      output: [{ row: { id: 1, some: [7] } }],
    },
    {
      title: 'each in turn, from a list of one',
      params: { from: 'one', as: 'turn', each: true },
      data: { one: [''] },
      input: [{ id: 1 }, { id: 2 }],
      output: [{ row: { id: 1, turn: '' } }, { row: { id: 2, turn: '' } }],
    },
    {
      title: 'a field says which list',
      params: { from: { by: 'kind', lists: { tea: 'teas', tool: 'tools' } }, as: 'thing' },
      data: { teas: ['sencha'], tools: ['hammer'] },
      input: [{ kind: 'tool' }, { kind: 'tea' }, { kind: 'TEA' }],
      output: [{ row: { kind: 'tool', thing: 'hammer' } }, { row: { kind: 'tea', thing: 'sencha' } }, { failed: 'KEY_UNKNOWN' }],
    },
    {
      title: 'a map of lists, by a field inside a record',
      params: { from: { by: 'at.town', map: 'streets' }, as: 'streets', pick: 1 },
      data: { streets: { Ulm: ['Neue Straße'], Bonn: ['Am Hof'] } },
      input: [{ at: { town: 'Ulm' } }],
      output: [{ row: { at: { town: 'Ulm' }, streets: ['Neue Straße'] } }],
    },
    {
      title: 'weights by list; a list without has equal ones',
      params: { from: { by: 'kind', lists: { tea: 'teas', tool: 'tools' } }, as: 'thing', weight: { tea: { sencha: 0, assam: 0.5 } } },
      data: { teas: ['sencha', 'assam'], tools: ['hammer'] },
      input: [{ kind: 'tool' }, { kind: 'tea' }],
      output: [{ row: { kind: 'tool', thing: 'hammer' } }, { row: { kind: 'tea', thing: 'assam' } }],
    },
    {
      title: 'each once: what comes after the last element fails',
      params: { from: 'one', as: 'turn', each: 'once' },
      data: { one: ['a'] },
      input: [{ id: 1 }, { id: 2 }],
      output: [{ row: { id: 1, turn: 'a' } }, { failed: 'LIST_EXHAUSTED' }],
    },
  ],
  gas: { perRecord: 4, per64Bytes: 0 },
  defaultId: (p) => p.as,
  plan(p, context) {
    if (typeof p.from !== 'string') return planByField({ ...p, from: p.from }, context);
    const data = context.data(p.from, 'from');
    if (data === undefined) return [];
    const element = elementType(p.from, data, context);
    const weights = p.weight === undefined ? undefined : planOwnWeights(data, p.weight, context);
    if (element === undefined || (p.weight !== undefined && weights === undefined) || !fits(p, data, weights, context)) return [];
    const type: FieldType = p.pick === undefined ? element : { array: element };
    if (!planWrite(context, p.as, type)) return [];
    return [
      {
        params: toJson({ as: p.as, pick: p.pick, weights, ...(p.each === undefined || p.each === false ? {} : { each: p.each }) }),
        reads: [],
        writes: [{ name: p.as, type }],
        data: [data.digest],
        random: p.random === 'vrf' ? 'vrf' : undefined,
      },
    ];
  },
  open(op, env) {
    const p = openParams(planned, op.params, 'select');
    const { by, column } = p;
    const [digest] = op.data;
    invariant(digest !== undefined, 'a planned select names its data');
    if (by !== undefined && column !== undefined) return openByField({ ...p, by, column }, op, env);
    const data = env.storage.data(digest);
    const elements = elementsOf(data);
    const weights = weightsOf(p.weights);
    const inTurn = p.each === undefined ? undefined : turns(env.draws, p.as, elements.length);
    return {
      execute(input, out) {
        const draws = env.drawsFor(input);
        for (const row of input.rows) {
          const candidate = input.candidate(row);
          if (p.each === 'once' && candidate >= elements.length) {
            out.fail(row, 'LIST_EXHAUSTED', `all ${elements.length} elements were given to earlier candidates`);
          } else if (inTurn !== undefined) out.setValue(p.as, row, elements[inTurn(candidate)] ?? null);
          else give({ elements, weights }, { ...p, row, candidate }, draws, out);
        }
      },
    };
  },
});

/** Of one list or map. */
function planOwnWeights(data: DataSet, weights: ListWeights, context: PlanContext): readonly number[] | undefined {
  const elements = { ...data, at: 'weight', of: '', example: '{ name: 3, other: 1 }' };
  if (typeof weights === 'string') return planWeights(elements, weights, context);
  const nested = Object.entries(weights).filter(([, own]) => typeof own !== 'number');
  for (const [name] of nested) {
    context.problem(`weight.${name}`, `The weight of '${name}' is a map, and 'from' names one list`, {
      expected: 'a number',
      hint: 'weights by list go with `from: { by: field, lists: … }`',
    });
  }
  if (nested.length > 0) return undefined;
  const numbers = Object.entries(weights).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return planWeights(elements, Object.fromEntries(numbers), context);
}

function fits(
  { pick, each }: { readonly pick?: number | undefined; readonly each?: boolean | 'once' | undefined },
  data: DataSet,
  weights: readonly number[] | undefined,
  context: PlanContext,
): boolean {
  const available = weights === undefined ? data.values.length : weights.filter((weight) => weight > 0).length;
  if (available === 0) {
    context.problem('from', 'There is nothing to pick from', {
      expected: weights === undefined ? 'at least one element' : 'a weight above 0',
    });
    return false;
  }
  if (pick !== undefined && pick > available) {
    context.problem('pick', `${pick} different elements can't be picked from ${available}`, { expected: `1 to ${available}` });
    return false;
  }
  if (each !== undefined && each !== false && data.values.length > EACH_LIMIT) {
    context.problem('each', `${data.values.length} elements are too many to take turns`, { expected: `at most ${EACH_LIMIT}` });
    return false;
  }
  return true;
}

function elementType(name: string, data: DataSet, context: PlanContext): FieldType | undefined {
  if (data.kind === 'list') return data.type;
  const type = data.type;
  if (typeof type === 'string' || !('record' in type)) {
    return {
      record: [
        { name: 'key', type: 'string' },
        { name: 'value', type },
      ],
    };
  }
  if (type.record.some((field) => field.name === 'key')) {
    context.problem('from', `Entries of '${name}' have a field 'key' of their own`, {
      expected: 'no field named key: it holds the key of the entry',
      hint: 'rename that field in the data file',
    });
    return undefined;
  }
  return { record: [{ name: 'key', type: 'string' }, ...type.record] };
}

function elementsOf(data: DataSet): readonly Value[] {
  const { keys } = data;
  if (keys === undefined) return data.values;
  const isRecord = typeof data.type === 'object' && 'record' in data.type;
  return data.values.map((value, i) => (isRecord ? Object.assign({ key: keys[i] ?? '' }, value) : { key: keys[i] ?? '', value }));
}
