/** Kafka's primitive types, to and from bytes (protocol guide, "Protocol Primitive Types"): big-endian, lengths before contents. */
import { MizuError } from '#engine';

const START_BYTES = 512;

/** Requests are short; record batches are put in by reference and not copied. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(START_BYTES);
  #from = 0;
  #at = 0;
  readonly #done: Buffer[] = [];
  #doneBytes = 0;

  get length(): number {
    return this.#doneBytes + this.#at - this.#from;
  }

  chunks(): readonly Buffer[] {
    this.#cut();
    return this.#done;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int8(value: number): this {
    this.#room(1);
    this.#at = this.#buffer.writeInt8(value, this.#at);
    return this;
  }

  int16(value: number): this {
    this.#room(2);
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#room(4);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
    return this;
  }

  int64(value: number | bigint): this {
    this.#room(8);
    this.#at = this.#buffer.writeBigInt64BE(BigInt(value), this.#at);
    return this;
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = Buffer.from(value, 'utf8');
    return this.int16(bytes.length).#copy(bytes);
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** Length and contents; the contents must not change until the request was answered. */
  bytesByReference(bytes: Buffer): this {
    this.int32(bytes.length);
    this.#cut();
    this.#done.push(bytes);
    this.#doneBytes += bytes.length;
    return this;
  }

  /** The types of flexible versions: lengths are varints of length + 1. */
  compactString(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.uvarint(bytes.length + 1).#copy(bytes);
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.uvarint(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  uvarint(value: number): this {
    let rest = value;
    while (rest > 127) {
      this.int8((((rest & 127) | 128) << 24) >> 24);
      rest >>>= 7;
    }
    return this.int8(rest);
  }

  /** No tagged fields. */
  tags(): this {
    return this.int8(0);
  }

  #copy(bytes: Buffer): this {
    this.#room(bytes.length);
    bytes.copy(this.#buffer, this.#at);
    this.#at += bytes.length;
    return this;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    this.#cut();
    this.#buffer = Buffer.allocUnsafe(Math.max(START_BYTES * 8, bytes));
    this.#from = 0;
    this.#at = 0;
  }

  #cut(): void {
    if (this.#at === this.#from) return;
    this.#done.push(this.#buffer.subarray(this.#from, this.#at));
    this.#doneBytes += this.#at - this.#from;
    this.#from = this.#at;
  }
}

export class WireReader {
  readonly #buffer: Buffer;
  #at: number;

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer;
    this.#at = at;
  }

  /** All of it: what views lie on. */
  get whole(): Buffer {
    return this.#buffer;
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int8(): number {
    return this.#buffer.readInt8(this.#advance(1));
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4));
  }

  /** Producer ids: any 64 bits. */
  bigint(): bigint {
    return this.#buffer.readBigInt64BE(this.#advance(8));
  }

  /** Offsets and sizes, exact up to 2^53. */
  int64(): number {
    return readInt64(this.#buffer, this.#advance(8));
  }

  string(): string {
    return this.nullableString() ?? '';
  }

  nullableString(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#text(length);
  }

  /** A view. */
  nullableBytes(): Buffer | null {
    const length = this.int32();
    if (length < 0) return null;
    const at = this.#advance(length);
    return this.#buffer.subarray(at, at + length);
  }

  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read);
  }

  compactString(): string {
    return this.#text(this.uvarint() - 1);
  }

  compactNullableString(): string | null {
    const length = this.uvarint() - 1;
    return length < 0 ? null : this.#text(length);
  }

  compactArray<T>(read: () => T): T[] {
    return this.#items(this.uvarint() - 1, read);
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#buffer.readUInt8(this.#advance(1));
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new MizuError('BYTES_INVALID', 'A varint of a Kafka answer has more than 5 bytes');
  }

  skipTags(): void {
    for (let n = this.uvarint(); n > 0; n--) {
      this.uvarint();
      this.#advance(this.uvarint());
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    const items: T[] = [];
    for (let n = 0; n < count; n++) items.push(read());
    return items;
  }

  #text(length: number): string {
    if (length <= 0) return '';
    const at = this.#advance(length);
    return this.#buffer.toString('utf8', at, at + length);
  }

  #advance(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#buffer.length)
      throw new MizuError('BYTES_INVALID', `A Kafka answer ends ${at + bytes - this.#buffer.length} bytes too early`);
    this.#at = at + bytes;
    return at;
  }
}

/** A signed 64-bit number; callers know that it is within 2^53. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}
