/** Values of records in one line: JSON, with bytes in hexadecimal. */
import type { Json, Row, Value } from '#kernel';
import { toHex } from '#kernel';
import { oneLine, shortened } from './format.ts';

/** Longest value that a line shows, characters. */
const VALUE_LIMIT = 100;

export function showValue(value: Value, limit = VALUE_LIMIT): string {
  return shortened(oneLine(JSON.stringify(plain(value))), limit);
}

/** A row as plain JSON: bytes become hexadecimal text, numbers that JSON lacks become texts. */
export function plainRow(row: Row): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));
}

export function plain(value: Value): Json {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: Value) => plain(item));
  return plainRow(value as Row);
}

/** `field: value` lines, names aligned. */
export function rowLines(row: Row, indent: string, limit = VALUE_LIMIT): string[] {
  const width = Math.max(0, ...Object.keys(row).map((name) => name.length));
  return Object.entries(row).map(([name, value]) => `${indent}${name.padEnd(width)}  ${showValue(value, limit)}`);
}
