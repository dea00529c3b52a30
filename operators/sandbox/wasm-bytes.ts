/** Reads and writes the binary format of WebAssembly (Core 2.0, 5.2): bytes and LEB128 numbers. */
import { MizuError } from '#kernel';

export class ByteCursor {
  private readonly data: Uint8Array;
  private at = 0;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  get left(): number {
    return this.data.length - this.at;
  }

  get place(): number {
    return this.at;
  }

  byte(): number {
    const byte = this.data[this.at++];
    if (byte === undefined) throw new MizuError('BYTES_INVALID', 'A WebAssembly module is cut short');
    return byte;
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw new MizuError('BYTES_INVALID', 'A WebAssembly module is cut short');
    this.at += length;
    return this.data.subarray(this.at - length, this.at);
  }

  rest(): Uint8Array {
    return this.take(this.left);
  }

  /** What was read since a place. */
  since(place: number): Uint8Array {
    return this.data.subarray(place, this.at);
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value = (value | ((byte & 0x7f) << shift)) >>> 0;
      if (byte < 0x80) return value;
    }
  }

  /** A signed or unsigned number whose value does not matter. */
  skipNumber(): void {
    while (this.byte() >= 0x80);
  }
}

export class ByteList {
  private data = new Uint8Array(1024);
  length = 0;

  byte(value: number): void {
    this.room(1);
    this.data[this.length++] = value;
  }

  bytes(values: Uint8Array): void {
    this.room(values.length);
    this.data.set(values, this.length);
    this.length += values.length;
  }

  u32(value: number): void {
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) this.byte((left % 0x80) | 0x80);
    this.byte(left);
  }

  view(): Uint8Array {
    return this.data.subarray(0, this.length);
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.length);
  }

  private room(more: number): void {
    if (this.length + more <= this.data.length) return;
    const larger = new Uint8Array(Math.max(this.length + more, this.data.length * 2));
    larger.set(this.data.subarray(0, this.length));
    this.data = larger;
  }
}
