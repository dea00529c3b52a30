/**
 * Canonical JSON (RFC 8785) over a strict subset: no duplicate keys, no lone surrogates, no NaN, whole numbers within 2^53.
 * Programs, parameters and statements are digested in this form (law 1), so what has no exact form is refused, never repaired.
 */
import { MizuError } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import { digestHex } from '../contract/ids.ts';
import type { Json } from '../contract/program.ts';
import { sha256, toHex } from './sha256.ts';

/** Deepest nesting of arrays and objects that is written or read. */
export const JSON_DEPTH_LIMIT = 128;

export interface CanonicalOptions {
  /** Also writes whole numbers beyond 2^53, as RFC 8785 section 3.2.2.3 does for every double. Default false. */
  readonly wideNumbers?: boolean;
}

/**
 * The canonical text. Keys are ordered by UTF-16 units, whatever the order of insertion; −0 is written as 0.
 * @throws BYTES_INVALID, naming the place, for anything outside the subset (undefined, functions, bigint, class instances, …).
 */
export function canonicalJson(value: Json, options: CanonicalOptions = {}): string {
  return write(value, '', 0, options.wideNumbers === true);
}

/** UTF-8 bytes of the canonical text. */
export function canonicalBytes(value: Json): Uint8Array {
  return Buffer.from(canonicalJson(value), 'utf8');
}

/** SHA-256 of the canonical bytes, lower-case hexadecimal: the name of a program, an op or a data set. */
export function digestOf(value: Json): DigestHex {
  return digestHex(toHex(sha256(canonicalBytes(value))));
}

/** True for an object that holds nothing but its own entries. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function refuse(path: string, what: string): MizuError {
  return new MizuError('BYTES_INVALID', `${path === '' ? 'Value' : `Value at ${path}`} has no canonical JSON: ${what}`);
}

function write(value: unknown, path: string, depth: number, wide: boolean): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
      return writeText(value, path);
    case 'number':
      return writeNumber(value, path, wide);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      throw refuse(path, `it is ${typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`}`);
  }
  if (depth >= JSON_DEPTH_LIMIT) throw refuse(path, `it is nested deeper than ${JSON_DEPTH_LIMIT}`);
  if (Array.isArray(value)) return writeArray(value, path, depth, wide);
  if (!isPlainObject(value)) throw refuse(path, 'it is an object of a class');
  const parts: string[] = [];
  // The default order of sort() is by UTF-16 units: RFC 8785 section 3.2.3.
  for (const key of Object.keys(value).sort()) {
    const inner = path === '' ? key : `${path}.${key}`;
    parts.push(`${writeText(key, inner)}:${write(value[key], inner, depth + 1, wide)}`);
  }
  return `{${parts.join(',')}}`;
}

function writeArray(value: readonly unknown[], path: string, depth: number, wide: boolean): string {
  const parts: string[] = [];
  for (let n = 0; n < value.length; n++) parts.push(write(value[n], `${path}[${n}]`, depth + 1, wide));
  return `[${parts.join(',')}]`;
}

function writeText(text: string, path: string): string {
  if (!text.isWellFormed()) throw refuse(path, 'its text holds a lone surrogate');
  // JSON.stringify escapes exactly what RFC 8785 section 3.2.2.2 asks for, once surrogates are paired.
  return JSON.stringify(text);
}

function writeNumber(value: number, path: string, wide: boolean): string {
  if (!Number.isFinite(value)) throw refuse(path, `it is ${value}`);
  if (!wide && Number.isInteger(value) && !Number.isSafeInteger(value)) throw refuse(path, `${value} is a whole number beyond 2^53`);
  // ECMAScript's own text of a double is the one of RFC 8785 section 3.2.2.3; String(-0) is '0'.
  return String(value);
}
