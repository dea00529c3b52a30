/**
 * Parquet values as JSON: text decoded strictly, dates and times as ISO 8601 in UTC with the digits that were stored, bytes as base64.
 * What JSON can't hold exactly is refused, not bent.
 */
import type { Json } from '#kernel';

/** Why a value can't be taken over; the reader adds file, row and column. */
export class ValueProblem extends Error {
  override readonly name = 'ValueProblem';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

const DAY_MS = 86_400_000;
/** Of a JavaScript Date, ECMA-262 section 21.4.1.1. */
const DATE_LIMIT_MS = 8.64e15;
// PARTS: a TextDecoder drops a leading U+FEFF unless told not to.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parsers for hyparquet, in place of its own, which decode loosely and cut times to milliseconds. */
export const PARQUET_PARSERS = {
  timestampFromMilliseconds: (value: bigint): string => isoTime(value, 1_000n, 3),
  timestampFromMicroseconds: (value: bigint): string => isoTime(value, 1_000_000n, 6),
  timestampFromNanoseconds: (value: bigint): string => isoTime(value, 1_000_000_000n, 9),
  dateFromDays: (days: number): string => isoDate(days * DAY_MS),
  stringFromBytes: strictText,
  jsonFromBytes: (bytes: Uint8Array | undefined): unknown => (bytes === undefined ? undefined : parsedJson(strictText(bytes) ?? '')),
};

function strictText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new ValueProblem('a text is not valid UTF-8', 'Store the column as binary, or mend the text.');
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ValueProblem('a JSON value does not parse', 'Store the column as plain text.');
  }
}

function isoTime(value: bigint, perSecond: bigint, digits: number): string {
  const fraction = ((value % perSecond) + perSecond) % perSecond;
  const seconds = (value - fraction) / perSecond;
  const whole = isoInstant(Number(seconds) * 1_000).slice(0, -'.000Z'.length);
  return `${whole}.${fraction.toString().padStart(digits, '0')}Z`;
}

const isoDate = (ms: number): string => isoInstant(ms).slice(0, -'T00:00:00.000Z'.length);

function isoInstant(ms: number): string {
  if (!(Math.abs(ms) <= DATE_LIMIT_MS)) throw new ValueProblem('a date lies beyond the year 275760', 'Store the column as a number.');
  return new Date(ms).toISOString();
}

/** The value as strict JSON, which `canonicalJson` of the engine then writes. @throws ValueProblem. */
export function jsonValue(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return wholeNumber(value);
  if (typeof value === 'number') return finiteNumber(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(jsonValue);
  if (isTypedArray(value)) return Array.from(value, jsonValue);
  if (typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, jsonValue(member)]));
  throw new ValueProblem(`a value of type ${typeof value} has no JSON form`, 'Leave the column out.');
}

function isTypedArray(value: unknown): value is ArrayLike<unknown> {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function wholeNumber(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  if (value > limit || value < -limit) {
    throw new ValueProblem(`${value} is beyond ±(2^53 − 1), the whole numbers that JSON keeps exactly`, 'Store the column as text.');
  }
  return Number(value);
}

/** NaN is the usual "missing" of data frames: it becomes null. */
function finiteNumber(value: number): number | null {
  if (Number.isNaN(value)) return null;
  if (!Number.isFinite(value)) throw new ValueProblem(`${value} has no JSON form`, 'Store null or a finite number.');
  return value;
}
