/** Field types and schemas read back from JSON. */
import type { Json } from '../contract/program.ts';
import type { FieldType, Schema } from '../contract/types.ts';
import { isPlainObject } from '../proof/jcs.ts';

const SCALARS: readonly unknown[] = ['string', 'long', 'double', 'boolean', 'bytes'];

export function isFieldType(type: unknown): type is FieldType & Json {
  if (SCALARS.includes(type)) return true;
  if (!isPlainObject(type) || Object.keys(type).length !== 1) return false;
  if ('record' in type) return isSchema(type['record']);
  return isFieldType(type['array'] ?? type['map'] ?? type['optional']);
}

export function isSchema(fields: unknown): fields is Schema & Json {
  return (
    Array.isArray(fields) &&
    fields.every((field) => isPlainObject(field) && typeof field['name'] === 'string' && isFieldType(field['type']))
  );
}
