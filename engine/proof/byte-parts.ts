/**
 * Many values that are made one after the other and live equally long, in one buffer. A buffer for each, or Node's pool of 8 KB, costs the garbage
 * collector more than the values cost to write: memory outside its heap makes it look through all of the heap.
 */
import { ByteWriter } from './byte-writer.ts';

export class ByteParts {
  private readonly writer: ByteWriter;
  private readonly ends: number[] = [];

  /** About as many bytes as will be written, or a buffer of about that size, which they then lie in. */
  constructor(room: number | Buffer) {
    this.writer = new ByteWriter(room);
  }

  /** What `write` writes is the next part. */
  add(write: (writer: ByteWriter) => void): void {
    write(this.writer);
    this.ends.push(this.writer.length);
  }

  /** The parts, as views on one buffer. */
  take(): Uint8Array[] {
    const bytes = this.writer.take();
    let start = 0;
    return this.ends.splice(0).map((end) => {
      const part = bytes.subarray(start, end);
      start = end;
      return part;
    });
  }
}
