/**
 * Field types inferred from a source's first records. What is inferred is pinned into the program: a later record that does not
 * fit fails, nothing is bent. Whole numbers only: long; any decimal: double; a null or missing value: optional.
 */
import type { FieldType, Json, PlanContext } from '#kernel';
import { LONG_LIMIT } from '#kernel';
import { FIELD_NAME } from '../fields.ts';

export interface InferredField {
  readonly name: string;
  readonly type: FieldType;
}

/** What was seen of one value: the types, and whether it was ever null or missing. */
interface Seen {
  null: boolean;
  count: number;
  kinds: Set<string>;
  /** Element of lists. */
  element: Seen | undefined;
  /** Fields of objects. */
  fields: Map<string, Seen>;
}

const unseen = (): Seen => ({ null: false, count: 0, kinds: new Set(), element: undefined, fields: new Map() });

/** Fields in order of first appearance; undefined after reported problems. */
export function inferFields(samples: readonly Json[], context: PlanContext): readonly InferredField[] | undefined {
  const all = unseen();
  for (const sample of samples) look(all, sample);
  let good = true;
  const fields: InferredField[] = [];
  for (const [name, seen] of all.fields) {
    if (seen.count < all.count) seen.null = true;
    const type = FIELD_NAME.test(name) ? typeOf(seen) : undefined;
    if (type !== undefined) {
      fields.push({ name, type });
      continue;
    }
    good = false;
    const why = FIELD_NAME.test(name)
      ? `the sample has ${[...seen.kinds].join(' and ') || 'nothing but null'} in it`
      : 'its name is no field name';
    context.problem('fields', `Field '${name}' of the source can't be taken over: ${why}`, {
      expected: 'one type, and a name of letters, digits and _',
      hint: `say what to read: fields: { ${FIELD_NAME.test(name) ? `${name}: string` : `my_name: { from: ${JSON.stringify(name)}, type: string }`} }`,
    });
  }
  return good ? fields : undefined;
}

function look(seen: Seen, value: Json): void {
  seen.count++;
  if (value === null) seen.null = true;
  else if (typeof value === 'number') seen.kinds.add(Number.isInteger(value) && Math.abs(value) <= LONG_LIMIT ? 'long' : 'double');
  else if (typeof value !== 'object') seen.kinds.add(typeof value);
  else if (isList(value)) {
    seen.kinds.add('list');
    seen.element ??= unseen();
    for (const element of value) look(seen.element, element);
  } else {
    seen.kinds.add('record');
    for (const [name, inner] of Object.entries(value)) {
      const field = seen.fields.get(name) ?? unseen();
      seen.fields.set(name, field);
      look(field, inner);
    }
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function typeOf(seen: Seen): FieldType | undefined {
  const plain = plainTypeOf(seen);
  return plain === undefined || !seen.null ? plain : { optional: plain };
}

function plainTypeOf(seen: Seen): FieldType | undefined {
  const kinds = [...seen.kinds];
  if (kinds.every((kind) => kind === 'long' || kind === 'double') && kinds.length > 0) return kinds.includes('double') ? 'double' : 'long';
  if (kinds.length !== 1) return undefined;
  switch (kinds[0]) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'boolean';
    case 'list': {
      const element = seen.element === undefined || seen.element.count === 0 ? 'string' : typeOf(seen.element);
      return element === undefined ? undefined : { array: element };
    }
    default:
      return recordTypeOf(seen);
  }
}

function recordTypeOf(seen: Seen): FieldType | undefined {
  const record: InferredField[] = [];
  const objects = Math.max(0, ...[...seen.fields.values()].map((field) => field.count), 0);
  for (const [name, field] of seen.fields) {
    if (field.count < objects || field.count < seen.count) field.null = true;
    const type = FIELD_NAME.test(name) ? typeOf(field) : undefined;
    if (type === undefined) return undefined;
    record.push({ name, type });
  }
  return record.length === 0 ? undefined : { record };
}

/** What a CSV cell looks like: as JSON would say it. An empty cell is null unless the column is text. */
export function cellKind(cell: string): 'empty' | 'long' | 'double' | 'boolean' | 'string' {
  if (cell === '') return 'empty';
  if (/^-?(?:0|[1-9]\d{0,15})$/.test(cell)) return Math.abs(Number(cell)) <= LONG_LIMIT ? 'long' : 'string';
  if (/^-?(?:0|[1-9]\d*)\.\d+(?:[eE][+-]?\d+)?$/.test(cell)) return 'double';
  return cell === 'true' || cell === 'false' ? 'boolean' : 'string';
}

/** Type of a CSV column from its sampled cells. */
export function inferColumn(cells: readonly string[]): FieldType {
  const kinds = new Set(cells.map(cellKind));
  const empty = kinds.delete('empty');
  if (kinds.size === 2 && kinds.has('long') && kinds.has('double')) kinds.delete('long');
  const [only] = kinds;
  if (kinds.size !== 1 || only === undefined || only === 'string' || only === 'empty') return 'string';
  return empty ? { optional: only } : only;
}
