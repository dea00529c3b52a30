/** Values between records and CEL: `long` is `int` (BigInt), `double` is `double`, a record is a map, `optional` is `dyn`. */
import type { FieldType, Value } from '#kernel';
import { LONG_LIMIT } from '#kernel';
import { isRow } from './fields.ts';

/** Name of the CEL type that a field has in an expression. */
export function celType(type: FieldType): string {
  switch (type) {
    case 'string':
    case 'double':
    case 'bytes':
      return type;
    case 'long':
      return 'int';
    case 'boolean':
      return 'bool';
    default:
  }
  if ('array' in type) return `list<${celType(type.array)}>`;
  if ('map' in type) return `map<string, ${celType(type.map)}>`;
  if ('record' in type) return 'map<string, dyn>';
  return 'dyn';
}

/** Field type of a CEL type name; undefined where CEL leaves it open. */
export function fieldTypeOf(cel: string): FieldType | undefined {
  switch (cel) {
    case 'string':
    case 'double':
    case 'bytes':
      return cel;
    case 'int':
      return 'long';
    case 'bool':
      return 'boolean';
    default:
  }
  const inner = /^list<(.+)>$/.exec(cel)?.[1];
  const element = inner === undefined ? undefined : fieldTypeOf(inner);
  return element === undefined ? undefined : { array: element };
}

/** A record's value as CEL sees it. */
export function toCel(value: Value, type: FieldType): unknown {
  if (value === null) return null;
  if (typeof type === 'string') return type === 'long' && typeof value === 'number' ? BigInt(value) : value;
  if ('optional' in type) return toCel(value, type.optional);
  if ('array' in type) return Array.isArray(value) ? value.map((element: Value) => toCel(element, type.array)) : value;
  if (!isRow(value)) return value;
  if ('map' in type) {
    return new Map(Object.entries(value).map(([key, entry]) => [key, toCel(entry, type.map)]));
  }
  return new Map(type.record.map((field) => [field.name, toCel(value[field.name] ?? null, field.type)]));
}

/** A CEL result as a field's value; undefined when it does not fit. Whole numbers fit a double field. */
export function fromCel(value: unknown, type: FieldType): Value | undefined {
  if (typeof type === 'string') return scalarFromCel(value, type);
  if ('optional' in type) return value === null ? null : fromCel(value, type.optional);
  if ('array' in type) {
    if (!Array.isArray(value)) return undefined;
    const elements = value.map((element: unknown) => fromCel(element, type.array));
    return elements.every((element) => element !== undefined) ? elements : undefined;
  }
  const entries = entriesOf(value);
  if (entries === undefined) return undefined;
  const row: Record<string, Value> = Object.create(null);
  const fields = 'map' in type ? [...entries.keys()].map((name) => ({ name, type: type.map })) : type.record;
  if (entries.size !== fields.length) return undefined;
  for (const field of fields) {
    const inner = fromCel(entries.get(field.name), field.type);
    if (inner === undefined) return undefined;
    row[field.name] = inner;
  }
  return row;
}

function scalarFromCel(value: unknown, type: 'string' | 'long' | 'double' | 'boolean' | 'bytes'): Value | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' && value.isWellFormed() ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'bytes':
      return value instanceof Uint8Array ? value : undefined;
    case 'long': {
      if (typeof value !== 'bigint' || value > LONG_LIMIT || value < -LONG_LIMIT) return undefined;
      return Number(value);
    }
    case 'double': {
      const number = typeof value === 'bigint' ? Number(value) : value;
      return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
    }
  }
}

function entriesOf(value: unknown): Map<string, unknown> | undefined {
  if (value instanceof Map) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) return undefined;
  return new Map(Object.entries(value));
}
