/** Values between records and scripts: as JSON on the way in, as the prelude's marked JSON on the way out, which is read strictly by declared types. */
import type { FieldType, Json, Row, Schema, Value } from '#kernel';
import { describeType, LONG_LIMIT } from '#kernel';
import { isRow } from '../fields.ts';
import { BYTES_MARK, TEXT_MARK } from './prelude.ts';

const HEX = /^(?:[0-9a-f]{2})*$/;

/** What does not fit, as `tags[2] is not a string`. */
export class Unfit extends Error {
  override readonly name = 'Unfit';
}

/** A record's fields as the JSON that a script parses: bytes are hexadecimal. */
export function toScript(fields: Row): string {
  return JSON.stringify(fields, hexadecimal);
}

/** A replacer that looks at the value itself: a Buffer has a form of its own in JSON. */
function hexadecimal(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const own = this[name];
  return own instanceof Uint8Array ? Buffer.from(own.buffer, own.byteOffset, own.length).toString('hex') : value;
}

/** Where bytes are in a record, as a tree that the prelude follows; null where there are none. */
export function bytesIn(schema: Schema): Json {
  const fields = schema.flatMap(({ name, type }): [string, Json][] => {
    const inner = bytesOf(type);
    return inner === null ? [] : [[name, inner]];
  });
  return fields.length === 0 ? null : { record: Object.fromEntries(fields) };
}

function bytesOf(type: FieldType): Json {
  if (typeof type === 'string') return type === 'bytes' ? 'bytes' : null;
  if ('record' in type) return bytesIn(type.record);
  const [key, inner] = 'array' in type ? ['array', type.array] : 'map' in type ? ['map', type.map] : ['optional', type.optional];
  const found = bytesOf(inner);
  return found === null ? null : { [key]: found };
}

/** @throws Unfit */
export function fromScript(value: unknown, type: FieldType, path: string): Value {
  if (typeof type === 'string') return scalarFrom(value, type, path);
  if ('optional' in type) return value === null ? null : fromScript(value, type.optional, path);
  if ('array' in type) {
    if (!Array.isArray(value)) throw unfit(path, value, type);
    return value.map((element: unknown, n) => fromScript(element, type.array, `${path}[${n}]`));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unfit(path, value, type);
  const entries = new Map<string, unknown>(Object.entries(value));
  const fields = 'map' in type ? [...entries.keys()].map((name) => ({ name, type: type.map })) : type.record;
  const row: Record<string, Value> = Object.create(null);
  for (const field of fields) {
    if (!field.name.isWellFormed()) throw new Unfit(`${path} has a name with a lone surrogate`);
    row[field.name] = fromScript(entries.get(field.name) ?? null, field.type, `${path}.${field.name}`);
    entries.delete(field.name);
  }
  const [extra] = entries.keys();
  if (extra !== undefined) throw new Unfit(`${path} has the field '${extra}', which its type does not have`);
  return row;
}

type Scalar = Extract<FieldType, string>;

function scalarFrom(value: unknown, type: Scalar, path: string): Value {
  switch (type) {
    case 'string': {
      if (typeof value !== 'string' || !value.startsWith(TEXT_MARK)) throw unfit(path, value, type);
      if (!value.isWellFormed()) throw new Unfit(`${path} holds a lone surrogate and has no UTF-8 form`);
      return value.slice(TEXT_MARK.length);
    }
    case 'bytes': {
      const hex = typeof value === 'string' && value.startsWith(BYTES_MARK) ? value.slice(BYTES_MARK.length) : undefined;
      if (hex === undefined || !HEX.test(hex)) throw unfit(path, value, type);
      return new Uint8Array(Buffer.from(hex, 'hex'));
    }
    case 'boolean':
      if (typeof value !== 'boolean') throw unfit(path, value, type);
      return value;
    case 'long':
      if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > LONG_LIMIT) throw unfit(path, value, type);
      return value === 0 ? 0 : value;
    case 'double':
      if (typeof value !== 'number' || !Number.isFinite(value)) throw unfit(path, value, type);
      return value === 0 ? 0 : value;
  }
}

function unfit(path: string, value: unknown, type: FieldType): Unfit {
  const limits = type === 'long' ? ' (whole, within ±2^52)' : '';
  return new Unfit(`${path} is ${shown(value)}, expected ${describeType(type)}${limits}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value.startsWith(BYTES_MARK) ? 'bytes' : 'a text';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** The same value, whatever the order of names. */
export function sameValue(a: Value, b: Value): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  }
  if (isList(a) || isList(b)) {
    return isList(a) && isList(b) && a.length === b.length && a.every((element, n) => sameValue(element, b[n] ?? null));
  }
  if (!isRow(a) || !isRow(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && sameValue(a[name] ?? null, b[name] ?? null))
  );
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}
