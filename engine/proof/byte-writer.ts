/** Writes bytes in Avro's primitive forms (Apache Avro 1.12, "Binary Encoding"): one form for each value (law 1), and no allocation per value. */
import { MizuError } from '../contract/errors.ts';
import { freeBytes } from './free-bytes.ts';

const INITIAL_BYTES = 256;
/** From this size on, `take` hands a well filled buffer over instead of copying it. */
const HAND_OVER_BYTES = 16 * 1024;
/** Up to so many bytes a loop is quicker than `set` of a view. */
const LOOP_BYTES = 40;
/** Up to so many characters a text is written one by one; its length takes one byte. */
const SHORT_TEXT = 40;
const DIGIT_ZERO = 0x30;
const MIN_LONG = -(2n ** 63n);
const MAX_LONG = 2n ** 63n - 1n;

/** A growable buffer. Owned by one caller; may be used again after `take` or `clear`. */
export class ByteWriter {
  private buffer: Buffer;
  private at = 0;

  /** How many bytes to begin with, or a buffer to begin in, which is then the writer's own. */
  constructor(initial: number | Buffer = INITIAL_BYTES) {
    this.buffer = typeof initial === 'number' ? Buffer.allocUnsafeSlow(Math.max(initial, 16)) : initial;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.at;
  }

  private ensure(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.at));
    this.buffer = grown;
  }

  byte(value: number): void {
    this.ensure(1);
    this.buffer[this.at++] = value;
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** Zigzag varint of a whole number within ±2^53. @throws BYTES_INVALID for any other number. */
  long(value: number): void {
    if (!Number.isSafeInteger(value)) throw new MizuError('BYTES_INVALID', `${value} is not a whole number within 2^53`);
    if (value >= -0x40000000 && value < 0x40000000) {
      this.ensure(5);
      let rest = ((value << 1) ^ (value >> 31)) >>> 0;
      while (rest > 0x7f) {
        this.buffer[this.at++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      this.buffer[this.at++] = rest;
    } else if (value >= -(2 ** 51) && value < 2 ** 51) this.uvarint(value < 0 ? -2 * value - 1 : 2 * value);
    else this.bigLong(BigInt(value));
  }

  /** Zigzag varint of any 64-bit whole number. @throws BYTES_INVALID beyond 64 bits. */
  bigLong(value: bigint): void {
    if (value < MIN_LONG || value > MAX_LONG) throw new MizuError('BYTES_INVALID', `${value} does not fit into 64 bits`);
    this.ensure(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 0x7fn) {
      this.buffer[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.at++] = Number(rest);
  }

  /** Varint of a whole number from 0 to 2^53. */
  uvarint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new MizuError('BYTES_INVALID', `${value} is not a whole number from 0 to 2^53`);
    this.ensure(8);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.buffer[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.at++] = rest;
  }

  /** 8 bytes little-endian; every NaN is written as 7ff8000000000000. */
  double(value: number): void {
    this.ensure(8);
    if (Number.isNaN(value)) {
      this.buffer.writeUInt32LE(0, this.at);
      this.at = this.buffer.writeUInt32LE(0x7ff80000, this.at + 4);
    } else this.at = this.buffer.writeDoubleLE(value, this.at);
  }

  /** 4 bytes little-endian, rounded to single precision; every NaN is written as 7fc00000. */
  float(value: number): void {
    this.ensure(4);
    this.at = Number.isNaN(value) ? this.buffer.writeUInt32LE(0x7fc00000, this.at) : this.buffer.writeFloatLE(value, this.at);
  }

  /** Length as zigzag varint, then the bytes. */
  bytes(value: Uint8Array): void {
    this.long(value.length);
    this.raw(value);
  }

  /** Length in bytes as zigzag varint, then UTF-8. @throws BYTES_INVALID for a lone surrogate. */
  string(text: string): void {
    if (text.length <= SHORT_TEXT && this.shortText(text)) return;
    if (!text.isWellFormed()) throw new MizuError('BYTES_INVALID', 'Text holds a lone surrogate, which is not Unicode text');
    const length = Buffer.byteLength(text, 'utf8');
    this.long(length);
    this.ensure(length);
    this.at += this.buffer.write(text, this.at, 'utf8');
  }

  /** Ids, names of rules and the like, character by character: what Node does for any text takes longer than they do. False for other than ASCII. */
  private shortText(text: string): boolean {
    const { length } = text;
    this.ensure(1 + length);
    const { buffer, at } = this;
    for (let n = 0; n < length; n++) {
      const code = text.charCodeAt(n);
      if (code > 0x7f) return false;
      buffer[at + 1 + n] = code;
    }
    buffer[at] = length << 1;
    this.at = at + 1 + length;
    return true;
  }

  /** UTF-8 alone, without a length. Of well-formed text. */
  text(text: string): void {
    const length = Buffer.byteLength(text, 'utf8');
    this.ensure(length);
    this.at += this.buffer.write(text, this.at, 'utf8');
  }

  /** A whole number from 0 to 2^31 in decimal digits, as a text without a length. */
  digits(value: number): void {
    let length = 1;
    for (let rest = value; rest > 9; rest = Math.floor(rest / 10)) length++;
    this.ensure(length);
    let rest = value;
    for (let at = this.at + length - 1; at >= this.at; at--) {
      this.buffer[at] = DIGIT_ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.at += length;
  }

  /** The bytes alone: `fixed`, digests, bytes that are encoded already. */
  raw(value: Uint8Array): void {
    this.ensure(value.length);
    this.buffer.set(value, this.at);
    this.at += value.length;
  }

  /** As `raw` of data[start … end): a few bytes are copied one by one, which takes less than a view on them. */
  range(data: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > LOOP_BYTES) {
      this.raw(data.subarray(start, end));
      return;
    }
    this.ensure(length);
    const { buffer } = this;
    let at = this.at;
    for (let i = start; i < end; i++) buffer[at++] = data[i] as number;
    this.at = at;
  }

  /** A view on what was written; valid until the next write. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.at);
  }

  /** What was written, as bytes of the caller's own. The writer is empty afterwards. */
  take(): Uint8Array {
    const written = this.buffer.subarray(0, this.at);
    this.at = 0;
    if (written.length >= HAND_OVER_BYTES && written.length * 4 >= this.buffer.length * 3) {
      this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
      return written;
    }
    const copy = Buffer.allocUnsafe(written.length);
    copy.set(written);
    return copy;
  }

  clear(): void {
    this.at = 0;
  }

  /** Gives its memory back, and with it what `view` showed: nobody needs it any more. The writer is not used again. */
  free(): void {
    this.at = 0;
    freeBytes(this.buffer);
  }
}
