/** Which list is picked from, where that depends on a field: the value of the field names the list, or a map of lists holds it. */
import type { BlockView, DataSet, FieldType, PlanContext, Value } from '#kernel';
import { describeType, sameType } from '#kernel';
import { z } from 'zod';
import { existingField, planField, readTextBytes, shorten } from '../fields.ts';
import { type Elements, weightsOf } from './picks.ts';

/** Most lists that one step chooses among. */
export const LISTS_LIMIT = 1000;

export const conditional = z
  .strictObject({
    by: existingField('Text field whose value says which list; dotted paths reach into records.'),
    lists: z
      .record(z.string(), z.string().min(1))
      .refine((lists) => Object.keys(lists).length >= 1 && Object.keys(lists).length <= LISTS_LIMIT, `1 to ${LISTS_LIMIT} lists`)
      .optional()
      .describe('Value of the field → name of a list under `data`.'),
    map: z.string().min(1).optional().describe('In place of `lists`: name of a map under `data` whose values are lists.'),
  })
  .refine((from) => (from.lists === undefined) !== (from.map === undefined), { error: 'give either `lists` or `map`' });

export type Conditional = z.infer<typeof conditional>;

export interface PlannedLists {
  readonly by: string;
  readonly column: boolean;
  /** Values of the field, in order of the data sets; absent for a map of lists. */
  readonly values?: readonly string[];
  readonly data: readonly DataSet['digest'][];
  readonly element: FieldType;
  /** Of the data sets, or of the entries of the map, in their order. */
  readonly lists: readonly PlannedList[];
}

export interface PlannedList {
  /** Value of the field that it belongs to. */
  readonly name: string;
  /** Where the parameters name it. */
  readonly at: string;
  readonly values: readonly Value[];
}

/** Undefined after a reported problem. */
export function planLists(from: Conditional, context: PlanContext): PlannedLists | undefined {
  const field = planField(context, from.by, 'from.by', ['string']);
  const lists = from.map === undefined ? listsOf(from.lists ?? {}, context) : listsInMap(from.map, context);
  if (field === undefined || lists === undefined) return undefined;
  const [first] = lists.all;
  for (const { at, type, values } of lists.all) {
    if (values.length === 0) context.problem(at, 'There is nothing to pick from', { expected: 'at least one element' });
    if (first === undefined || sameType(type, first.type)) continue;
    context.problem(at, `Its elements are ${describeType(type)}, and those of another list ${describeType(first.type)}`, {
      expected: 'lists of one type',
    });
  }
  if (first === undefined || lists.all.some(({ values, type }) => values.length === 0 || !sameType(type, first.type))) return undefined;
  const { names, data, all } = lists;
  return { by: from.by, column: field.column, ...(names === undefined ? {} : { values: names }), data, element: first.type, lists: all };
}

interface Lists {
  readonly all: readonly (PlannedList & { readonly type: FieldType })[];
  readonly names?: readonly string[];
  readonly data: readonly DataSet['digest'][];
}

function listsOf(lists: Readonly<Record<string, string>>, context: PlanContext): Lists | undefined {
  const all: Lists['all'][number][] = [];
  const data: DataSet['digest'][] = [];
  // The order in which the author wrote them decides nothing.
  const names = Object.keys(lists).sort();
  for (const name of names) {
    const at = `from.lists.${name}`;
    const set = context.data(lists[name] ?? '', at);
    if (set === undefined) continue;
    if (set.kind === 'list') {
      all.push({ name, at, type: set.type, values: set.values });
      data.push(set.digest);
    } else context.problem(at, `'${lists[name]}' is a map`, { expected: 'a list' });
  }
  return data.length === names.length ? { all, names, data } : undefined;
}

function listsInMap(name: string, context: PlanContext): Lists | undefined {
  const set = context.data(name, 'from.map');
  if (set === undefined) return undefined;
  const { type } = set;
  if (set.kind !== 'map' || typeof type !== 'object' || !('array' in type)) {
    context.problem('from.map', `'${name}' is a ${set.kind} of ${describeType(type)}`, { expected: 'a map whose values are lists' });
    return undefined;
  }
  const all = set.values.map((value, n) => ({ name: set.keys?.[n] ?? '', at: 'from.map', type: type.array, values: elementsOf(value) }));
  return { all, data: [set.digest] };
}

function elementsOf(value: Value | undefined): readonly Value[] {
  return Array.isArray(value) ? value : [];
}

/** @param weights by list, in order. Gives the list for a row, or the name that no list has. */
export function openLists(
  { by, column, values }: Pick<PlannedLists, 'by' | 'column' | 'values'>,
  weights: readonly (readonly number[] | null)[] | undefined,
  sets: readonly DataSet[],
): (input: BlockView, row: number) => Elements | { readonly unknown: string } {
  const [map] = sets;
  const lists: (readonly [string, readonly Value[]])[] =
    values === undefined
      ? (map?.keys ?? []).map((key, n) => [key, elementsOf(map?.values[n])] as const)
      : values.map((value, n) => [value, sets[n]?.values ?? []] as const);
  const table = new Map(lists.map(([name, elements], n) => [name, { elements, weights: weightsOf(weights?.[n] ?? undefined) }]));
  const read = readTextBytes(by, column);
  return (input, row) => {
    const bytes = read(input, row);
    const name = bytes === undefined ? 'null' : Buffer.from(bytes).toString('utf8');
    return (bytes === undefined ? undefined : table.get(name)) ?? { unknown: shorten(name) };
  };
}
