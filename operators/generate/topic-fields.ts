/** Field types from the schemas of a registry: what a program takes when its author names no fields, and what named ones are held against. */
import type { FieldType, Json, Schema } from '#kernel';
import { MizuError, parseAvroSchema, parseStrictJson, utf8 } from '#kernel';
import { isObject } from './convert.ts';

type AvroSchema = ReturnType<typeof parseAvroSchema>;

/** The fields of a registered schema, or why they have no field types. @throws BYTES_INVALID for a text that is no schema. */
export function fieldsOfSchema(format: 'avro' | 'json-schema', text: string): Schema | string {
  const json = schemaJson(text);
  const type = format === 'avro' ? ofAvro(parseAvroSchema(json), []) : ofJsonSchema(json, 0);
  if (typeof type === 'string' && type.startsWith(NO_TYPE)) return type.slice(NO_TYPE.length);
  if (typeof type === 'object' && 'record' in type) return type.record;
  return format === 'avro' ? 'the schema is no record' : 'the schema is no object with properties';
}

/** A registered Avro schema may be the bare name of a type, which is no JSON. */
export function schemaJson(text: string): Json {
  try {
    return parseStrictJson(utf8(text));
  } catch (error) {
    if (/^[a-z]+$/.test(text.trim())) return text.trim();
    throw new MizuError('BYTES_INVALID', `The registered schema is not JSON: ${text.slice(0, 80)}`, { cause: error });
  }
}

/** Whether every value of a schema's type can be a value of the type that the author wants. */
export function fitsType(found: FieldType, wanted: FieldType): boolean {
  if (typeof wanted === 'object' && 'optional' in wanted) {
    return fitsType(typeof found === 'object' && 'optional' in found ? found.optional : found, wanted.optional);
  }
  if (typeof found === 'string' || typeof wanted === 'string') return found === wanted || (found === 'long' && wanted === 'double');
  if ('array' in found) return 'array' in wanted && fitsType(found.array, wanted.array);
  if ('map' in found) return 'map' in wanted && fitsType(found.map, wanted.map);
  if (!('record' in found) || !('record' in wanted)) return false;
  const names = new Set(wanted.record.map((field) => field.name));
  return (
    found.record.every((field) => names.has(field.name)) &&
    wanted.record.every(({ name, type }) => {
      const field = found.record.find((candidate) => candidate.name === name);
      return field === undefined ? typeof type === 'object' && 'optional' in type : fitsType(field.type, type);
    })
  );
}

/** Marks a reason in place of a type: no type begins so. */
const NO_TYPE = '!';
type Found = FieldType | `!${string}`;

function isReason(found: Found): found is `!${string}` {
  return typeof found === 'string' && found.startsWith(NO_TYPE);
}

function ofAvro(schema: AvroSchema, within: readonly AvroSchema[]): Found {
  switch (schema.kind) {
    case 'boolean':
    case 'string':
    case 'bytes':
    case 'long':
    case 'double':
      return schema.kind;
    case 'int':
      return 'long';
    case 'float':
      return 'double';
    case 'enum':
      return 'string';
    case 'fixed':
      return 'bytes';
    case 'null':
      return '!a field that is always null has no type';
    case 'array':
      return wrapped(ofAvro(schema.items, within), (array) => ({ array }));
    case 'map':
      return wrapped(ofAvro(schema.values, within), (map) => ({ map }));
    case 'union': {
      const [first, second, more] = schema.branches;
      const value = first?.kind === 'null' ? second : second?.kind === 'null' ? first : undefined;
      if (value === undefined || more !== undefined) return '!a union of several types has no field type';
      return wrapped(ofAvro(value, within), (optional) => ({ optional }));
    }
    case 'record':
      if (within.includes(schema)) return `!the record ${schema.name} holds itself`;
      return recordOf(schema.fields.map(({ name, type }) => ({ name, type: ofAvro(type, [...within, schema]) })));
  }
}

/** Nesting of JSON Schemas that is followed. */
const DEPTH_LIMIT = 32;

function ofJsonSchema(schema: Json, depth: number): Found {
  if (!isObject(schema) || depth > DEPTH_LIMIT) return '!a schema that is no object has no field type';
  const { type } = schema;
  if (Array.isArray(type)) {
    const others = (type as readonly Json[]).filter((name) => name !== 'null');
    if (others.length !== 1 || others.length === type.length) return '!a choice of several types has no field type';
    return wrapped(ofJsonSchema({ ...schema, type: others[0] ?? null }, depth + 1), (optional) => ({ optional }));
  }
  switch (type) {
    case 'string':
    case 'boolean':
      return type;
    case 'integer':
      return 'long';
    case 'number':
      return 'double';
    case 'array':
      return wrapped(ofJsonSchema(schema['items'] ?? null, depth + 1), (array) => ({ array }));
    case 'object': {
      const { properties, required, additionalProperties } = schema;
      if (properties === undefined && isObject(additionalProperties ?? null))
        return wrapped(ofJsonSchema(additionalProperties ?? null, depth + 1), (map) => ({ map }));
      if (properties === undefined || !isObject(properties)) return '!an object without properties has no field type';
      const needed: readonly Json[] = Array.isArray(required) ? required : [];
      return recordOf(
        Object.entries(properties).map(([name, property]) => {
          const found = ofJsonSchema(property, depth + 1);
          const optional = typeof found === 'object' && 'optional' in found;
          return { name, type: needed.includes(name) || optional ? found : wrapped(found, (inner) => ({ optional: inner })) };
        }),
      );
    }
    default:
      return '!a schema without a plain type has no field type';
  }
}

function wrapped(found: Found, wrap: (type: FieldType) => FieldType): Found {
  return isReason(found) ? found : wrap(found);
}

function recordOf(fields: readonly { readonly name: string; readonly type: Found }[]): Found {
  const record: { name: string; type: FieldType }[] = [];
  for (const { name, type } of fields) {
    if (isReason(type)) return `!field '${name}': ${type.slice(NO_TYPE.length)}`;
    record.push({ name, type });
  }
  return { record };
}
