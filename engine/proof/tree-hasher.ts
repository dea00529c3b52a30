/**
 * Hashes for Merkle trees (RFC 6962 section 2.1), many at once: in lanes of WebAssembly where the machine has vectors, else one by one. Both
 * give the same bytes. Neither keeps anything between two calls, so all trees of a thread share one.
 */
import { WASM_PAGE_BYTES } from '../wasm/assembler.ts';
import { DIGEST_BYTES, sha256Into } from './sha256.ts';
import { BLOCK_BYTES, FREE_FROM, instantiateKernel, LANES } from './sha256-kernel.ts';

/** A message ends with a byte 80, zeros, and its length in bits as 8 bytes (FIPS 180-4 section 5.1.1). */
const PADDING_BYTES = 9;
/** Longer messages are hashed one by one: seldom are two of equal length, and native code takes 45 ns for a block more, a lane 100. */
const LANE_BLOCKS = 2;
export const LANE_MESSAGE_BYTES = LANE_BLOCKS * BLOCK_BYTES - PADDING_BYTES;
/** Messages of one call. */
export const LANE_MESSAGES = 32;
export const LANE_BYTES = LANE_MESSAGES * LANE_BLOCKS * BLOCK_BYTES;
/** Leaves of a subtree that is hashed in one go: a power of two, so that it is one of the whole tree (section 2.1 splits at them). */
const SUBTREE_LEAVES = 1024;

/** Bytes of a message of this length with its padding. */
export function paddedBytes(length: number): number {
  return Math.ceil((length + PADDING_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
}

export interface TreeHasher {
  /**
   * Writes digests of `count` messages (1 to LANE_MESSAGES), each of `length` bytes (at most LANE_MESSAGE_BYTES). They lie one after the
   * other, padded; `out` takes them from its digest `first` on.
   */
  hash(messages: Buffer, length: number, count: number, out: Buffer, first: number): void;
  /** The root over `count` leaf hashes, 1 or more; they are overwritten. The caller's own. */
  root(hashes: Buffer, count: number): Uint8Array;
}

const node = Buffer.allocUnsafeSlow(1 + 2 * DIGEST_BYTES);
node[0] = 1;

/** Of the pair of digests at `from`. */
function nodeInto(hashes: Buffer, to: number, from: number): void {
  hashes.copy(node, 1, from, from + 2 * DIGEST_BYTES);
  sha256Into(hashes, to, node);
}

/**
 * A level is hashed where it stands by `nodes`; an odd last hash moves up as it is, which pairs as RFC 6962 splits. The root of `count` hashes
 * at `start` is then the first of them.
 */
function hashLevels(hashes: Buffer, start: number, count: number, nodes: (pairs: number) => void): void {
  for (let n = count; n > 1; n = (n + 1) >> 1) {
    const pairs = n >> 1;
    if (pairs === 1) nodeInto(hashes, start, start);
    else nodes(pairs);
    const last = start + (n - 1) * DIGEST_BYTES;
    if (n % 2 === 1) hashes.copyWithin(start + pairs * DIGEST_BYTES, last, last + DIGEST_BYTES);
  }
}

/** One by one. */
export const PLAIN_HASHER: TreeHasher = {
  hash(messages, length, count, out, first) {
    const stride = paddedBytes(length);
    for (let n = 0; n < count; n++) {
      sha256Into(out, (first + n) * DIGEST_BYTES, messages.subarray(n * stride, n * stride + length));
    }
  },
  root(hashes, count) {
    hashLevels(hashes, 0, count, (pairs) => {
      for (let pair = 0; pair < pairs; pair++) nodeInto(hashes, pair * DIGEST_BYTES, 2 * pair * DIGEST_BYTES);
    });
    return Buffer.from(hashes.subarray(0, DIGEST_BYTES));
  },
};

/** What the kernel reads beyond the last pair or message is there. */
const IDLE_BYTES = (LANES - 1) * LANE_BLOCKS * BLOCK_BYTES;
const MESSAGES = FREE_FROM;
const DIGESTS = MESSAGES + LANE_BYTES + IDLE_BYTES;
const MEMORY_BYTES = DIGESTS + SUBTREE_LEAVES * DIGEST_BYTES + IDLE_BYTES;

/** Four at a time, in a memory of 64 KiB. */
export class LaneHasher implements TreeHasher {
  private readonly memory: Buffer;
  private readonly kernelHash: (...args: number[]) => number;
  private readonly kernelNodes: (...args: number[]) => number;

  /** @throws WebAssembly.CompileError on a machine without vectors. */
  constructor() {
    const kernel = instantiateKernel(Math.ceil(MEMORY_BYTES / WASM_PAGE_BYTES));
    this.memory = Buffer.from(kernel.memory.buffer);
    this.kernelHash = kernel.function('hash');
    this.kernelNodes = kernel.function('nodes');
  }

  hash(messages: Buffer, length: number, count: number, out: Buffer, first: number): void {
    // Three idle lanes take longer than native code.
    if (count === 1) {
      PLAIN_HASHER.hash(messages, length, count, out, first);
      return;
    }
    const { memory } = this;
    const stride = paddedBytes(length);
    memory.set(messages.subarray(0, count * stride), MESSAGES);
    this.kernelHash(MESSAGES, stride / BLOCK_BYTES, count, DIGESTS);
    out.set(memory.subarray(DIGESTS, DIGESTS + count * DIGEST_BYTES), first * DIGEST_BYTES);
  }

  root(hashes: Buffer, count: number): Uint8Array {
    let left = count;
    do {
      let roots = 0;
      for (let from = 0; from < left; from += SUBTREE_LEAVES) this.subtree(hashes, from, Math.min(left - from, SUBTREE_LEAVES), roots++);
      left = roots;
    } while (left > 1);
    return Buffer.from(hashes.subarray(0, DIGEST_BYTES));
  }

  /** Puts the root over `count` hashes from the one at `from` on to the place `to`, which is not behind them. */
  private subtree(hashes: Buffer, from: number, count: number, to: number): void {
    const { memory } = this;
    memory.set(hashes.subarray(from * DIGEST_BYTES, (from + count) * DIGEST_BYTES), DIGESTS);
    hashLevels(memory, DIGESTS, count, (pairs) => this.kernelNodes(DIGESTS, pairs, DIGESTS));
    memory.copy(hashes, to * DIGEST_BYTES, DIGESTS, DIGESTS + DIGEST_BYTES);
  }
}

let shared: TreeHasher | undefined;

/** The hasher of this thread: compiled when it is first asked for. */
export function treeHasher(): TreeHasher {
  shared ??= lanesElsePlain(() => new LaneHasher());
  return shared;
}

/** What `lanes` makes, unless this machine can't. */
export function lanesElsePlain(lanes: () => TreeHasher): TreeHasher {
  try {
    return lanes();
  } catch {
    return PLAIN_HASHER;
  }
}
