/**
 * Large buffers that are used again. Each commit needs some megabytes for a few milliseconds; made anew each time they cost as much CPU in
 * garbage collection and fresh pages as the rest of a commit (measured: half of the CPU of writing frames).
 */
import { POOL_BYTES } from './limits.ts';

/** Smaller ones are cheap to make. */
const SMALLEST_BYTES = 64 * 1024;

export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  #bytes = 0;

  /** Exactly so many bytes, with whatever was in them. */
  take(bytes: number): Buffer {
    if (bytes < SMALLEST_BYTES) return Buffer.allocUnsafe(bytes);
    const size = sizeFor(bytes);
    const free = this.#free.get(size)?.pop();
    if (free === undefined) return Buffer.allocUnsafeSlow(size).subarray(0, bytes);
    this.#bytes -= size;
    return free.subarray(0, bytes);
  }

  /** Whoever gives one back uses it no more, nor lets anybody read it. */
  give(buffer: Buffer): void {
    const size = buffer.buffer.byteLength;
    if (buffer.length < SMALLEST_BYTES || size !== sizeFor(buffer.length) || this.#bytes + size > POOL_BYTES) return;
    const whole = Buffer.from(buffer.buffer, 0, size);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [whole]);
    else free.push(whole);
    this.#bytes += size;
  }
}

/** Powers of two: few kinds, so that most requests find one. */
function sizeFor(bytes: number): number {
  return 2 ** (32 - Math.clz32(bytes - 1));
}
