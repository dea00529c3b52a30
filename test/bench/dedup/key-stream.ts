/** Records for a dedup: keys as the engine has them (SHA-256), of which a fifth repeat an earlier one. A pure function of the count, so every process sees the same. */
import { sha256Into } from '../../../engine/proof/sha256.ts';

export const KEY_BYTES = 32;
/** Of a hundred records. */
const REPEATS = 20;
const SEED = 0x2545f491;

export interface KeyBatch {
  readonly k: number;
  /** Packed. */
  readonly keys: Buffer;
  readonly count: number;
}

/** The nth key of all: those from another range were never among the records. */
export function keyOf(n: number, out: Buffer, at: number): void {
  counter.writeDoubleLE(n, 0);
  sha256Into(out, at, counter);
}

const counter = Buffer.alloc(8);

/** Batches of `size` records until `distinct` different keys came. The keys' memory is the next batch's again. */
export function* keyStream(distinct: number, size: number): Generator<KeyBatch, void> {
  const random = xorshift32(SEED);
  const keys = Buffer.alloc(size * KEY_BYTES);
  for (let [k, fresh] = [0, 0]; fresh < distinct; k++) {
    let count = 0;
    for (; count < size && fresh < distinct; count++) {
      const isRepeat = random() % 100 < REPEATS && fresh > 0;
      keyOf(isRepeat ? random() % fresh : fresh++, keys, count * KEY_BYTES);
    }
    yield { k, keys, count };
  }
}

/** Marsaglia, Xorshift RNGs, 2003. */
function xorshift32(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
