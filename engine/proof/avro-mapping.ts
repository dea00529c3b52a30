/**
 * From field types to Avro schemas: what is registered with a schema registry and written beside exported files. Names of nested
 * records follow from their path, so the same schema always gives the same text (law 1).
 */
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { FieldType, Schema } from '../contract/types.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

function checkName(name: string, what: string): string {
  if (!NAME.test(name)) {
    throw new MizuError('WORKFLOW_INVALID', `${what} '${name.slice(0, 80)}' is no Avro name`, {
      hint: 'Letters, digits and _ are allowed, not a digit first.',
    });
  }
  return name;
}

/**
 * The Avro record schema of a schema. Text is `string`, whole numbers `long`, an optional the union ["null", T] with the default null, so that it may be
 * added to a schema that is in use. A nested record is named
 * NAME_field, one inside a list NAME_field_item, one inside a map NAME_field_value. @throws WORKFLOW_INVALID for names Avro can't hold.
 */
export function toAvroSchema(schema: Schema, name: string): Json {
  return recordOf(schema, checkName(name, 'Record name'), new Set());
}

function recordOf(schema: Schema, name: string, taken: Set<string>): Json {
  // `a: {b_c}` and `a_b: {c}` would meet in one name; a number keeps them apart, counted in order of the fields.
  let own = name;
  for (let n = 2; taken.has(own); n++) own = `${name}_${n}`;
  taken.add(own);
  const fields = schema.map((field): Json => {
    const typed = { name: checkName(field.name, 'Field'), type: typeOf(field.type, `${own}_${field.name}`, taken) };
    return typeof field.type !== 'string' && 'optional' in field.type ? { ...typed, default: null } : typed;
  });
  return { type: 'record', name: own, fields };
}

function typeOf(type: FieldType, path: string, taken: Set<string>): Json {
  if (typeof type === 'string') return type;
  if ('array' in type) return { type: 'array', items: typeOf(type.array, `${path}_item`, taken) };
  if ('map' in type) return { type: 'map', values: typeOf(type.map, `${path}_value`, taken) };
  if ('record' in type) return recordOf(type.record, path, taken);
  if (typeof type.optional !== 'string' && 'optional' in type.optional) {
    throw new MizuError('WORKFLOW_INVALID', `Type at ${path}: an optional of an optional has no Avro form`);
  }
  return ['null', typeOf(type.optional, path, taken)];
}
