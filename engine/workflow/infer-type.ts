/**
 * The field type of some plain values, and the values brought into its one form. Fields of records stand in order of name
 * (UTF-16 units), so that the order in which an author wrote keys changes nothing (law 1).
 */
import type { FieldType, Value } from '../contract/types.ts';
import { describeType, LONG_LIMIT, sameType } from '../contract/types.ts';

/** Avro 1.12, section Names. */
const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export type Inference = { readonly type: FieldType } | { readonly conflict: string; readonly index: number };

/**
 * - text → string; whole numbers within ±2^52 → long; other numbers → double; true, false → boolean
 * - lists → array of what all their elements are; maps → record, with keys that some lack as optional; maps with keys that are
 *   no field names → map
 * - null among values → optional
 * Values of different kinds are a conflict at the index of the first that differs.
 */
export function inferType(values: readonly Value[]): Inference {
  const known = values.flatMap((value, index) => (value === null ? [] : [{ value, index }]));
  const inner = inferKnown(known);
  if ('conflict' in inner) return inner;
  return known.length === values.length ? inner : { type: { optional: inner.type } };
}

interface Numbered {
  readonly value: Exclude<Value, null>;
  readonly index: number;
}

function inferKnown(known: readonly Numbered[]): Inference {
  const first = known[0];
  if (first === undefined) return { type: 'string' };
  const kind = kindName(first.value);
  const other = known.find(({ value }) => kindName(value) !== kind);
  if (other !== undefined) return { conflict: `${kind} and ${kindName(other.value)}`, index: other.index };
  if (kind === 'text') return { type: 'string' };
  if (kind === 'true or false') return { type: 'boolean' };
  if (kind === 'bytes') return { type: 'bytes' };
  if (kind === 'number') return { type: known.every(({ value }) => isLong(value)) ? 'long' : 'double' };
  return kind === 'list' ? inferList(known) : inferMap(known);
}

function inferList(known: readonly Numbered[]): Inference {
  const elements = known.flatMap(({ value, index }) => (Array.isArray(value) ? value.map((element: Value) => ({ element, index })) : []));
  const inner = inferType(elements.map(({ element }) => element));
  return 'conflict' in inner ? { conflict: inner.conflict, index: elements[inner.index]?.index ?? 0 } : { type: { array: inner.type } };
}

function inferMap(known: readonly Numbered[]): Inference {
  const maps = known.map(({ value, index }) => ({ map: asMap(value), index }));
  const keys = [...new Set(maps.flatMap(({ map }) => Object.keys(map)))].sort();
  if (keys.length === 0 || !keys.every((key) => FIELD_NAME.test(key))) {
    const entries = maps.flatMap(({ map, index }) => Object.values(map).map((value) => ({ value, index })));
    const inner = inferType(entries.map(({ value }) => value));
    return 'conflict' in inner ? { conflict: inner.conflict, index: entries[inner.index]?.index ?? 0 } : { type: { map: inner.type } };
  }
  const fields: { name: string; type: FieldType }[] = [];
  for (const name of keys) {
    const inner = inferType(maps.map(({ map }) => (Object.hasOwn(map, name) ? (map[name] ?? null) : null)));
    if ('conflict' in inner) return { conflict: `${inner.conflict} under '${name}'`, index: maps[inner.index]?.index ?? 0 };
    fields.push({ name, type: inner.type });
  }
  return { type: { record: fields } };
}

function kindName(value: Exclude<Value, null>): string {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'true or false';
  if (value instanceof Uint8Array) return 'bytes';
  return Array.isArray(value) ? 'list' : 'map';
}

function isLong(value: Value): boolean {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= LONG_LIMIT;
}

function asMap(value: Value): { readonly [key: string]: Value } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
    ? (value as { readonly [key: string]: Value })
    : {};
}

/** The value in the form that its inferred type gives it: missing keys are null, −0 is 0. */
export function conform(type: FieldType, value: Value): Value {
  if (typeof type === 'object' && 'optional' in type) return value === null ? null : conform(type.optional, value);
  if (typeof value === 'number') return value === 0 ? 0 : value;
  if (typeof type === 'string') return value;
  if ('array' in type) return Array.isArray(value) ? value.map((element: Value) => conform(type.array, element)) : value;
  const map = asMap(value);
  if ('map' in type) return Object.fromEntries(Object.entries(map).map(([key, entry]) => [key, conform(type.map, entry)]));
  return Object.fromEntries(
    type.record.map((field) => [field.name, conform(field.type, Object.hasOwn(map, field.name) ? (map[field.name] ?? null) : null)]),
  );
}

/** Whether a value fits a type exactly as `conform` leaves it. */
export function fitsType(type: FieldType, value: Value): boolean {
  if (typeof type === 'object' && 'optional' in type) return value === null || fitsType(type.optional, value);
  if (value === null) return false;
  const inferred = inferKnown([{ value, index: 0 }]);
  if (typeof type === 'string')
    return 'type' in inferred && (sameType(inferred.type, type) || (type === 'double' && inferred.type === 'long'));
  if ('array' in type) return Array.isArray(value) && value.every((element: Value) => fitsType(type.array, element));
  if (kindName(value) !== 'map') return false;
  const map = asMap(value);
  if ('map' in type) return Object.values(map).every((entry) => fitsType(type.map, entry));
  const keys = Object.keys(map);
  return (
    keys.length === type.record.length &&
    type.record.every((field) => Object.hasOwn(map, field.name) && fitsType(field.type, map[field.name] ?? null))
  );
}

/** For messages. */
export function describeInference(inference: Inference): string {
  return 'conflict' in inference ? inference.conflict : describeType(inference.type);
}
