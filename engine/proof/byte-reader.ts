/** Reads what `byte-writer.ts` writes, in that form only, unless it is told to be lenient. Values are views: nothing is copied. */
import { isUtf8 } from 'node:buffer';
import { MizuError } from '../contract/errors.ts';
import { LONG_LIMIT } from '../contract/types.ts';
import { asBuffer } from './sha256.ts';

/** Up to so many bytes of a text it is looked through whether they are ASCII, which needs no view and no check of UTF-8. */
const SHORT_TEXT = 40;
/** Of the last of seven groups of 7 bits. */
const SAFE_SCALE = 2 ** 42;

/** Reads from one buffer, which must not change meanwhile: `bytes`, `fixed` and `since` give views, not copies. */
export class ByteReader {
  private readonly buffer: Buffer;
  private readonly lenient: boolean;
  private at = 0;

  /** `lenient`: also takes valid Avro that `ByteWriter` would not write (long varints, other NaN bits). */
  constructor(bytes: Uint8Array, lenient = false) {
    this.buffer = asBuffer(bytes);
    this.lenient = lenient;
  }

  get position(): number {
    return this.at;
  }

  get remaining(): number {
    return this.buffer.length - this.at;
  }

  get done(): boolean {
    return this.at === this.buffer.length;
  }

  /** The bytes from an earlier position to here. */
  since(start: number): Uint8Array {
    return this.buffer.subarray(start, this.at);
  }

  private error(what: string): MizuError {
    return new MizuError('BYTES_INVALID', `${what}, at byte ${this.at} of ${this.buffer.length}`);
  }

  private need(bytes: number, what: string): void {
    if (this.remaining < bytes) throw this.error(`${what} needs ${bytes} bytes, ${this.remaining} are left`);
  }

  byte(): number {
    const value = this.buffer[this.at];
    if (value === undefined) throw this.error('A byte is missing');
    this.at++;
    return value;
  }

  boolean(): boolean {
    const value = this.byte();
    if (value > 1) throw this.error(`A boolean is 0 or 1, not ${value}`);
    return value === 1;
  }

  /** Zigzag varint within ±2^52. @throws BYTES_INVALID beyond it (see LONG_LIMIT). */
  long(): number {
    const value = this.anyLong();
    if (typeof value === 'bigint') throw this.error(`Whole number ${value} is beyond ±2^52`);
    return value;
  }

  /** Zigzag varint of 64 bits: a number within ±2^52, else a bigint. */
  anyLong(): number | bigint {
    const start = this.at;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) this.refuseLongForm();
        return (low >>> 1) ^ -(low & 1);
      }
    }
    return this.safeLong(start) ?? this.wideLong(start);
  }

  /** Up to 49 bits, as most times, places and counts are, which a number holds exactly; undefined for more. */
  private safeLong(start: number): number | undefined {
    this.at = start;
    let value = 0;
    for (let scale = 1; scale <= SAFE_SCALE; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0) this.refuseLongForm();
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
    }
    return undefined;
  }

  private wideLong(start: number): number | bigint {
    this.at = start;
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      if (shift === 63n && byte > 1) throw this.error('A varint is longer than 64 bits');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (byte === 0) this.refuseLongForm();
        break;
      }
    }
    const signed = (value >> 1n) ^ -(value & 1n);
    const number = Number(signed);
    return Math.abs(number) <= LONG_LIMIT && BigInt(number) === signed ? number : signed;
  }

  private refuseLongForm(): void {
    if (!this.lenient) throw this.error('A varint has more bytes than it needs');
  }

  /** Varint from 0 to 2^53. */
  uvarint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 1; ; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (count > 8 || !Number.isSafeInteger(value)) throw this.error('A varint is beyond 2^53');
      if (byte < 0x80) {
        if (byte === 0 && count > 1) this.refuseLongForm();
        return value;
      }
      scale *= 128;
    }
  }

  double(): number {
    this.need(8, 'A double');
    const value = this.buffer.readDoubleLE(this.at);
    if (Number.isNaN(value) && !this.lenient) {
      const plain = this.buffer.readUInt32LE(this.at) === 0 && this.buffer.readUInt32LE(this.at + 4) === 0x7ff80000;
      if (!plain) throw this.error('A NaN has other bits than 7ff8000000000000');
    }
    this.at += 8;
    return value;
  }

  float(): number {
    this.need(4, 'A float');
    const value = this.buffer.readFloatLE(this.at);
    if (Number.isNaN(value) && !this.lenient && this.buffer.readUInt32LE(this.at) !== 0x7fc00000) {
      throw this.error('A NaN has other bits than 7fc00000');
    }
    this.at += 4;
    return value;
  }

  /** Length, then that many bytes: a view. */
  bytes(): Uint8Array {
    const length = this.long();
    if (length < 0) throw this.error(`A length is ${length}`);
    return this.fixed(length);
  }

  /** As `bytes`, checked to be UTF-8. */
  textBytes(): Uint8Array {
    const value = this.bytes();
    if (!isUtf8(value)) throw this.error(`A text of ${value.length} bytes is not UTF-8`);
    return value;
  }

  string(): string {
    const start = this.at;
    const length = this.long();
    if (length >= 0 && length <= SHORT_TEXT && length <= this.remaining) {
      const { buffer, at } = this;
      let bits = 0;
      for (let n = at; n < at + length; n++) bits |= buffer[n] as number;
      if (bits < 0x80) {
        this.at = at + length;
        return length === 0 ? '' : buffer.toString('latin1', at, this.at);
      }
    }
    this.at = start;
    return asBuffer(this.textBytes()).toString('utf8');
  }

  /** Exactly so many bytes: a view. */
  fixed(length: number): Uint8Array {
    this.need(length, 'A value');
    const value = this.buffer.subarray(this.at, this.at + length);
    this.at += length;
    return value;
  }
}
