/**
 * Bytes that cross threads. A small Buffer is a view of Node's 8 KB pool, and of a record that was read from the log its whole entry: a
 * structured clone copies all of that for each message. Packed, the parts share one buffer of their exact size, which is moved, not copied.
 * Measured: the result of a task of 50 (22 parts, 21 KB) arrives as 21 KB instead of 64, in 124 µs instead of 140; 50 records of an entry of
 * 512 KB are sent in 24 µs instead of 178.
 */
import { isLarge } from '../proof/free-bytes.ts';

export interface PackedBytes {
  /** Put it on the transfer list of the message. */
  readonly buffer: ArrayBuffer;
  /** Where the first part begins. */
  readonly start: number;
  readonly lengths: Uint32Array;
}

/** Copies the parts one after the other, into the spare buffer where they fit into it and fill it at least half. */
export function packBytes(parts: readonly Uint8Array[], spare?: ArrayBuffer): PackedBytes {
  const lengths = Uint32Array.from(parts, (part) => part.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const fits = spare !== undefined && total <= spare.byteLength && total * 2 >= spare.byteLength;
  const bytes = new Uint8Array(fits ? spare : new ArrayBuffer(total));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { buffer: bytes.buffer, start: 0, lengths };
}

/** As `packBytes`, of parts that have their buffer for themselves: where they lie on it one after the other, it is moved as it is. */
export function moveBytes(parts: readonly Uint8Array[]): PackedBytes {
  const [first] = parts;
  if (first === undefined || !isLarge(first)) return packBytes(parts);
  const { buffer, byteOffset: start } = first;
  let at = start;
  for (const part of parts) {
    if (part.buffer !== buffer || part.byteOffset !== at) return packBytes(parts);
    at += part.length;
  }
  return { buffer, start, lengths: Uint32Array.from(parts, (part) => part.length) };
}

/** The parts as views on the packed buffer. */
export function unpackBytes(packed: PackedBytes): Uint8Array[] {
  let at = packed.start;
  return Array.from(packed.lengths, (length) => {
    const part = new Uint8Array(packed.buffer, at, length);
    at += length;
    return part;
  });
}

/** The same bytes in a buffer of their own, for a message that copies. */
export function exactBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
