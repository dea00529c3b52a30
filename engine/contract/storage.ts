/**
 * Storage that ops may use. Global storage is what every node can read: lists and maps, named by digest and published
 * on the log. Local storage is private to one node, temporary, and never the only copy of anything.
 */
import type { DigestHex } from './ids.ts';
import type { FieldType, Value } from './types.ts';

/** A list, or a map (entries in order of UTF-8 key bytes). Named by the SHA-256 of its canonical JSON. */
export interface DataSet {
  readonly digest: DigestHex;
  readonly kind: 'list' | 'map';
  /** Type of each element or entry value. */
  readonly type: FieldType;
  /** Keys of a map; absent for a list. */
  readonly keys?: readonly string[];
  readonly values: readonly Value[];
}

/** Where an op finds the data sets its program names. */
export interface GlobalStorage {
  /** @throws NOT_FOUND when the program names data that was not loaded. */
  data(digest: DigestHex): DataSet;
}

/** The candidate that owns a key: (k, i). */
export interface Winner {
  readonly k: number;
  readonly i: number;
}

/**
 * An exact index from 32-byte keys to winners, in local storage. Rebuilt from the log's deltas at take-over, so it need
 * not survive a crash. Owned by one keyed step at a time.
 */
export interface KeyIndex {
  get(key: Uint8Array): Winner | undefined;
  /**
   * Adds keys; one that is there already, or twice in the batch, keeps its first winner. `keys` holds count × 32 bytes, `ks` and `is` their
   * winners. Who uses `forgetBelow` adds in ascending order of k.
   */
  addAll(keys: Uint8Array, ks: Float64Array, is: Uint32Array): void;
  /** From here on no key is there whose winner has a lower k; its place is given back sooner or later. */
  forgetBelow(k: number): void;
  /** Keys that are there. May look at every key, once some were forgotten. */
  readonly size: number;
  /** Bytes in memory and on disk. */
  bytes(): { readonly memory: number; readonly disk: number };
  close(): void;
}

export interface LocalStorage {
  openKeyIndex(name: string, expectedKeys: number): KeyIndex;
  close(): Promise<void>;
}
