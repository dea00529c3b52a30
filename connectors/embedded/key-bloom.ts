/**
 * A Bloom filter over 32-byte keys that are already uniform (SHA-256), so its indices are taken from bytes 8–31 of the
 * key itself (P10; bytes 0–3 chose the partition) instead of being hashed again, which costs 7 µs in the library.
 *
 * With m bits, k indices and n keys a key that was never added is taken for known with the probability
 * (1 − e^(−kn/m))^k (Bloom, CACM 13(7), 1970; Broder and Mitzenmacher, Network Applications of Bloom Filters, 2004, section 2.1).
 * For a rate p, m/n = −ln p / (ln 2)² and k = (m/n)·ln 2.
 */
import { invariant } from '#engine';
import { createRequire } from 'node:module';
import type * as BloomFilters from 'bloom-filters';

export const KEY_BYTES = 32;

/** 9.6 bits and 7 indices per key: one look into the exact table in a hundred is in vain. */
export const BLOOM_TARGET_RATE = 0.01;
/** A filter never grows beyond this (law 6): 56 million keys at the target rate, above which it only gets less sharp. */
export const BLOOM_LIMIT_BYTES = 64 * 1024 * 1024;
/** Below this a filter costs nothing worth saving. */
const BLOOM_LEAST_KEYS = 1_024;

interface Loaded {
  readonly BloomFilter: typeof BloomFilters.BloomFilter;
  readonly KeyIndices: new () => BloomFilters.Hashing;
}

let loaded: Loaded | undefined;

/** The library brings 170 modules; it is loaded when keys first go to disk, which few runs come to. */
function load(): Loaded {
  if (loaded !== undefined) return loaded;
  const { BloomFilter, Hashing }: typeof BloomFilters = createRequire(import.meta.url)('bloom-filters');
  /**
   * g_i = a + i·b mod m, with a and b of 48 bits each, loses nothing against k independent functions
   * (Kirsch and Mitzenmacher, Less Hashing, Same Performance, 2006). Bytes 20–31 stay unused.
   */
  class KeyIndices extends Hashing {
    /** Reused by every call: the library reads the indices before it asks again. */
    readonly #indices: number[] = [];

    override getIndexes(element: string | ArrayBuffer | Uint8Array, size: number, hashCount: number): number[] {
      invariant(
        element instanceof Uint8Array && element.length === KEY_BYTES,
        `a Bloom filter over ${KEY_BYTES}-byte keys was given something else`,
      );
      const a = uint48(element, 8) % size;
      const b = uint48(element, 14) % size;
      for (let i = 0; i < hashCount; i++) this.#indices[i] = (a + i * b) % size;
      return this.#indices;
    }
  }
  loaded = { BloomFilter, KeyIndices };
  return loaded;
}

function uint48(bytes: Uint8Array, at: number): number {
  const low = (byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16)) >>> 0;
  const high = (byte(bytes, at + 3) | (byte(bytes, at + 4) << 8) | (byte(bytes, at + 5) << 16)) >>> 0;
  return high * 0x1000000 + low;
}

const byte = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;

export class KeyBloom {
  /** Keys it was sized for; beyond them the rate rises. */
  readonly capacity: number;
  readonly #filter: BloomFilters.BloomFilter;

  constructor(expectedKeys: number) {
    const most = Math.floor((BLOOM_LIMIT_BYTES * 8) / bitsPerKey(BLOOM_TARGET_RATE));
    this.capacity = Math.min(Math.max(expectedKeys, BLOOM_LEAST_KEYS), most);
    const { BloomFilter, KeyIndices } = load();
    this.#filter = BloomFilter.create(this.capacity, BLOOM_TARGET_RATE);
    this.#filter._hashing = new KeyIndices();
  }

  get isLargest(): boolean {
    return this.bytes >= BLOOM_LIMIT_BYTES * 0.99;
  }

  get bytes(): number {
    return Math.ceil(this.#filter.size / 8);
  }

  add(key: Uint8Array): void {
    this.#filter.add(asBuffer(key));
  }

  /** False: surely never added. */
  mayHave(key: Uint8Array): boolean {
    return this.#filter.has(asBuffer(key));
  }
}

function bitsPerKey(rate: number): number {
  return -Math.log(rate) / Math.LN2 ** 2;
}

/** The library's type for bytes; the same memory. */
function asBuffer(key: Uint8Array): Buffer {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}
