/**
 * Values of records as exports write them: one JSON text for one value, whatever the object it came in (law 1). Record fields stand in the order
 * of their schema, map entries in order of UTF-8 key bytes, bytes are base64, and numbers that JSON lacks (NaN, ±Infinity) are null.
 */
import { invariant } from '#kernel';
import type { FieldType, Row, Schema, Value } from '#kernel';

/** Column of the record id (NAME/GENERATION/k.i), which leads from an exported row to its proof. */
export const ID_COLUMN = '_id';

export function jsonOf(value: Value | undefined, type: FieldType): string {
  if (value === null || value === undefined) return 'null';
  if (typeof type === 'string') return scalarJson(value);
  if ('optional' in type) return jsonOf(value, type.optional);
  if ('array' in type) {
    invariant(Array.isArray(value), 'a list field holds a list');
    return `[${value.map((item: Value) => jsonOf(item, type.array)).join(',')}]`;
  }
  const members = membersOf(value);
  if ('record' in type) return recordJson(members, type.record);
  return `{${Object.keys(members)
    .sort(byBytes)
    .map((key) => `${JSON.stringify(key)}:${jsonOf(members[key], type.map)}`)
    .join(',')}}`;
}

function recordJson(row: Row, schema: Schema): string {
  return `{${schema.map(({ name, type }) => `${JSON.stringify(name)}:${jsonOf(row[name], type)}`).join(',')}}`;
}

function scalarJson(value: Value): string {
  return JSON.stringify(value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value);
}

function membersOf(value: Value): Row {
  invariant(
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array),
    'a record or map field holds an object',
  );
  return value as Row;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** True for the types that a column of a flat format can hold; the others are written as JSON text. */
export function isFlat(type: FieldType): boolean {
  return typeof type === 'string' || ('optional' in type && isFlat(type.optional));
}
