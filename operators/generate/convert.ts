/** From parsed JSON and CSV cells to field values, exactly: nothing is rounded, cut or guessed. */
import type { FieldType, Json, Value } from '#kernel';
import { describeType, LONG_LIMIT, tryBase64 } from '#kernel';

/** Why a value does not fit, with the place inside the record. */
export class Misfit extends Error {
  override readonly name = 'Misfit';
}

/** @throws Misfit */
export function fromJson(value: Json | undefined, type: FieldType, place: string): Value {
  if (typeof type === 'object' && 'optional' in type)
    return value === null || value === undefined ? null : fromJson(value, type.optional, place);
  if (value === undefined) throw new Misfit(`'${place}' is missing`);
  if (typeof type === 'string') return scalarFromJson(value, type, place);
  if ('array' in type) {
    if (!isList(value)) throw misfit(value, type, place);
    return value.map((element, index) => fromJson(element, type.array, `${place}[${index}]`));
  }
  if (!isObject(value)) throw misfit(value, type, place);
  if ('map' in type) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromJson(inner, type.map, `${place}.${key}`)]));
  }
  const known = new Set(type.record.map((field) => field.name));
  const extra = Object.keys(value).find((name) => !known.has(name));
  if (extra !== undefined) throw new Misfit(`'${place}' has a field '${extra}' that is not planned`);
  return Object.fromEntries(
    type.record.map((field) => [field.name, fromJson(ownValue(value, field.name), field.type, `${place}.${field.name}`)]),
  );
}

export function ownValue(object: { readonly [key: string]: Json }, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !isList(value);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function scalarFromJson(value: Json, type: 'string' | 'long' | 'double' | 'boolean' | 'bytes', place: string): Value {
  if (type === 'bytes') {
    const bytes = typeof value === 'string' ? tryBase64(value) : undefined;
    if (bytes === undefined) throw misfit(value, 'bytes', place, ' in base64 (RFC 4648) text');
    return bytes;
  }
  if (type === 'string' || type === 'boolean') {
    if (typeof value !== type || (typeof value !== 'string' && typeof value !== 'boolean')) throw misfit(value, type, place);
    return value;
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) throw misfit(value, type, place);
  if (type === 'long' && !(Number.isInteger(value) && Math.abs(value) <= LONG_LIMIT))
    throw misfit(value, type, place, ' (a whole number within ±2^52)');
  return value;
}

/** A CSV cell under a planned type; numbers in plain decimal form. @throws Misfit */
export function fromCell(cell: string, type: FieldType, place: string): Value {
  if (typeof type === 'object' && 'optional' in type) return cell === '' ? null : fromCell(cell, type.optional, place);
  switch (type) {
    case 'string':
      return cell;
    case 'boolean':
      if (cell !== 'true' && cell !== 'false') throw misfit(cell, type, place, ' (true or false)');
      return cell === 'true';
    case 'long': {
      const value = /^-?\d{1,16}$/.test(cell) ? Number(cell) : Number.NaN;
      if (!(Math.abs(value) <= LONG_LIMIT)) throw misfit(cell, type, place, ' (a whole number within ±2^52)');
      return value === 0 ? 0 : value;
    }
    case 'double': {
      const value = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/.test(cell) ? Number(cell) : Number.NaN;
      if (!Number.isFinite(value) || !isExactEnough(cell, value))
        throw misfit(cell, type, place, ' (a decimal number; whole ones within 2^53)');
      return value;
    }
    default:
      throw misfit(cell, type, place);
  }
}

/** A whole number beyond 2^53 would be rounded. */
function isExactEnough(cell: string, value: number): boolean {
  return !/^-?\d+$/.test(cell) || Number.isSafeInteger(value);
}

function misfit(value: Json, type: FieldType, place: string, more = ''): Misfit {
  return new Misfit(`'${place}' is ${JSON.stringify(value).slice(0, 60)}, expected ${describeType(type)}${more}`);
}
