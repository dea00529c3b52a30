/**
 * Field types of records, and schemas. A type is small canonical JSON and maps one to one to an Avro type
 * (Apache Avro 1.12): text is `string`, whole numbers are `long` limited to ±2^52 (LONG_LIMIT), the rest as named.
 */

export type FieldType =
  | 'string'
  | 'long'
  | 'double'
  | 'boolean'
  | 'bytes'
  | { readonly array: FieldType }
  | { readonly map: FieldType }
  | { readonly record: Schema }
  | { readonly optional: FieldType };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

/** Ordered: the order is the order of fields in the Avro bytes. */
export type Schema = readonly Field[];

/** Longs beyond ±2^52 are refused: common Avro codecs for JavaScript write some of them wrongly without an error. */
export const LONG_LIMIT = 2 ** 52;

/** The value of a field as plain JavaScript: string, number, boolean, Uint8Array, array, record or map, null. */
export type Value = string | number | boolean | Uint8Array | null | readonly Value[] | { readonly [key: string]: Value };

/** A record as plain JavaScript, made on demand; never kept for longer than one call. */
export type Row = Readonly<Record<string, Value>>;

export function fieldOf(schema: Schema, name: string): Field | undefined {
  return schema.find((field) => field.name === name);
}

/** `string`, `list of long`, `{voice: string}`: a type as a person reads it. */
export function describeType(type: FieldType): string {
  if (typeof type === 'string') return type;
  if ('array' in type) return `list of ${describeType(type.array)}`;
  if ('map' in type) return `map of ${describeType(type.map)}`;
  if ('optional' in type) return `${describeType(type.optional)} or null`;
  return `{${type.record.map((f) => `${f.name}: ${describeType(f.type)}`).join(', ')}}`;
}

/** How a type is laid out in a column: text and bytes with offsets, numbers, booleans, or Avro bytes with offsets. */
export type Layout = 'bytes' | 'numbers' | 'booleans' | 'encoded';

export function layoutOf(type: FieldType): Layout {
  if (type === 'string' || type === 'bytes') return 'bytes';
  if (type === 'long' || type === 'double') return 'numbers';
  if (type === 'boolean') return 'booleans';
  return 'encoded';
}

export function sameType(a: FieldType, b: FieldType): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
