/**
 * Gives the memory of large buffers back at once, by whoever owns them and is done. Left to the garbage collector they cost more than what is done
 * with them: V8 looks through its whole heap each time that 64 MiB were allocated outside of it, however small its heap is. (Measured: 8,000
 * buffers of 300 KB beside a heap of 30 MB make it do so 34 times, freed never.)
 */

/** Smaller ones are not worth it. */
const LEAST_BYTES = 64 * 1024;
/** Of the pool that Node cuts small buffers from: larger than `Buffer.poolSize` says since Node 26, and never to be freed. */
const POOL_BYTES = Buffer.allocUnsafe(1).buffer.byteLength;

/** Whether these bytes lie on a large buffer, which is none of Node's own. */
export function isLarge(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength > Math.max(LEAST_BYTES, POOL_BYTES);
}

/** The caller owns the whole buffer behind these bytes, and nobody looks at any part of it again: every view of it is empty from now on. */
export function freeBytes(bytes: Uint8Array | undefined): void {
  if (bytes !== undefined && isLarge(bytes)) bytes.buffer.transfer(0);
}
