/**
 * Numbers from a seed: SHA-256(seed ‖ counter) read as 32-bit words. Doubles come from integers by one division, so every
 * platform sees the same bits (law 1).
 */
import { createHash } from 'node:crypto';

const WORDS_PER_DIGEST = 8;
const WORD_RANGE = 2 ** 32;

export class SeedStream {
  readonly #seed: Uint8Array;
  #block: Buffer = Buffer.alloc(0);
  #counter = 0;
  #word = WORDS_PER_DIGEST;

  /** `seed`: any bytes; an engine hands over the 32 drawn for its candidate. */
  constructor(seed: Uint8Array) {
    this.#seed = seed;
  }

  /** Next whole number, 0 … 2^32−1. */
  next(): number {
    if (this.#word === WORDS_PER_DIGEST) {
      const counter = Buffer.alloc(4);
      counter.writeUInt32BE(this.#counter);
      this.#counter += 1;
      this.#block = createHash('sha256').update(this.#seed).update(counter).digest();
      this.#word = 0;
    }
    const value = this.#block.readUInt32BE(this.#word * 4);
    this.#word += 1;
    return value;
  }

  /** Uniform in [−limit, limit), a multiple of limit / 2^31. */
  symmetric(limit: number): number {
    return ((this.next() * 2 - WORD_RANGE) / WORD_RANGE) * limit;
  }
}
