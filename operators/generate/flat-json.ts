/**
 * The quick way from a JSON line to columns: one object of the planned fields and no others, with texts, plain decimal numbers and booleans,
 * read into the columns themselves. It takes a line only where the strict parser would take it with the same values; whatever else it
 * meets (other keys, null, nesting, \u escapes, exponents, malformed text) it leaves to that parser, which also says what is wrong.
 * 1 µs for a line of 1 KB, where the parser and a text's way through a string take 6.
 */
import { isUtf8 } from 'node:buffer';
import type { EffectSink, FieldType, ValueRoom } from '#kernel';
import { ELSEWHERE, JsonTexts, jsonVectors } from './json-text.ts';

interface PlainField {
  readonly name: string;
  /** Its key in the JSON, as bytes. */
  readonly key: Uint8Array;
  readonly type: 'string' | 'long' | 'double' | 'boolean';
}

/** The fields if every one of them can be read in the quick way. */
export function plainFields(
  fields: readonly { readonly name: string; readonly from: string; readonly type: FieldType }[],
): readonly PlainField[] | undefined {
  const plain: PlainField[] = [];
  for (const { name, from, type } of fields) {
    if (type !== 'string' && type !== 'long' && type !== 'double' && type !== 'boolean') return undefined;
    plain.push({ name, key: Buffer.from(from, 'utf8'), type });
  }
  return plain;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
/** Whole numbers of so many digits are exact, and so is their quotient with a power of ten up to 10^22 rounded once (IEEE 754, W. Clinger 1990). */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Float64Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => Number(`1e${n}`));
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

/** Reads lines into one block's columns. */
export class FlatJsonReader {
  private readonly fields: readonly PlainField[];
  private readonly out: EffectSink;
  /** By field: where its text is written, its length, or its number. Valid for the line that is read. */
  private readonly rooms: readonly (ValueRoom | undefined)[];
  private readonly values: Float64Array;
  private readonly seen: Uint8Array;
  private readonly texts: JsonTexts;

  constructor(fields: readonly PlainField[], out: EffectSink) {
    this.fields = fields;
    this.texts = new JsonTexts(jsonVectors());
    this.out = out;
    this.rooms = fields.map(({ name, type }) => (type === 'string' ? out.room(name) : undefined));
    this.values = new Float64Array(fields.length);
    this.seen = new Uint8Array(fields.length);
  }

  /** Sets the row's fields; false: nothing was set. */
  take(row: number, line: Uint8Array): boolean {
    if (!this.object(line)) return false;
    if (!this.texts.isAscii && !isUtf8(line)) return false;
    const { fields, out } = this;
    for (let f = 0; f < fields.length; f++) {
      const { name, type } = fields[f] as PlainField;
      const value = this.values[f] ?? 0;
      if (type === 'string') this.rooms[f]?.commit(row, value);
      else if (type === 'boolean') out.setBoolean(name, row, value === 1);
      else out.setNumber(name, row, value);
    }
    return true;
  }

  private object(data: Uint8Array): boolean {
    const end = data.length;
    this.seen.fill(0);
    this.texts.begin(data);
    let at = space(data, 0, end);
    if (data[at] !== OPEN) return false;
    for (let count = 0; count < this.fields.length; count++) {
      at = space(data, at + 1, end);
      const f = data[at] === QUOTE ? this.fieldAt(data, at + 1, count) : ELSEWHERE;
      if (f === ELSEWHERE) return false;
      this.seen[f] = 1;
      at = space(data, at + (this.fields[f] as PlainField).key.length + 2, end);
      if (data[at] !== COLON) return false;
      at = this.value(f, data, space(data, at + 1, end));
      if (at === ELSEWHERE) return false;
      at = space(data, at, end);
      if (data[at] !== (count === this.fields.length - 1 ? CLOSE : COMMA)) return false;
    }
    return space(data, at + 1, end) === end;
  }

  /** The field, not seen before, whose key stands here in quotes; the planned order is tried first. */
  private fieldAt(data: Uint8Array, at: number, expected: number): number {
    const { fields } = this;
    for (let n = 0; n < fields.length; n++) {
      const f = (expected + n) % fields.length;
      const { key } = fields[f] as PlainField;
      if (this.seen[f] === 0 && data[at + key.length] === QUOTE && startsWith(data, at, key)) return f;
    }
    return ELSEWHERE;
  }

  private value(f: number, data: Uint8Array, at: number): number {
    const end = data.length;
    switch ((this.fields[f] as PlainField).type) {
      case 'string':
        return this.text(f, data, at);
      case 'boolean':
        if (startsWith(data, at, TRUE)) this.values[f] = 1;
        else if (startsWith(data, at, FALSE)) this.values[f] = 0;
        else return ELSEWHERE;
        return at + (this.values[f] === 1 ? TRUE.length : FALSE.length);
      case 'long':
        return this.number(f, data, at, end, false);
      default:
        return this.number(f, data, at, end, true);
    }
  }

  private text(f: number, data: Uint8Array, at: number): number {
    const room = this.rooms[f];
    if (data[at] !== QUOTE || room === undefined) return ELSEWHERE;
    const begin = room.reserve(data.length - at);
    const behind = this.texts.read(at + 1, room.data, begin);
    this.values[f] = this.texts.length;
    return behind;
  }

  /** An integer part without leading zeros and, for a double, a fraction. Anything that must be rounded more than once is left. */
  private number(f: number, data: Uint8Array, at: number, end: number, fraction: boolean): number {
    const negative = data[at] === MINUS;
    const first = negative ? at + 1 : at;
    let whole = 0;
    let i = first;
    for (; i < end && isDigit(data[i] as number); i++) whole = whole * 10 + ((data[i] as number) - ZERO);
    let digits = i - first;
    if (digits === 0 || (digits > 1 && data[first] === ZERO)) return ELSEWHERE;
    let decimals = 0;
    if (fraction && i < end && data[i] === DOT) {
      for (i++; i < end && isDigit(data[i] as number); i++, decimals++) whole = whole * 10 + ((data[i] as number) - ZERO);
      digits += decimals;
      if (decimals === 0) return ELSEWHERE;
    }
    if (digits > EXACT_DIGITS || (negative && whole === 0)) return ELSEWHERE;
    const value = decimals === 0 ? whole : whole / (POWERS_OF_TEN[decimals] ?? 1);
    this.values[f] = negative ? -value : value;
    return i;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function startsWith(data: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let n = 0; n < text.length; n++) if (data[at + n] !== text[n]) return false;
  return true;
}

/** The place after white space (RFC 8259 section 2). */
function space(data: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (data[at] === 0x20 || data[at] === 0x0a || data[at] === 0x0d || data[at] === 0x09)) at++;
  return at;
}
