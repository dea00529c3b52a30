/**
 * An exact table from 32-byte keys to winners (k, i) in memory: open addressing with linear probing over typed arrays, no object per
 * key. Keys are SHA-256, so their own bytes serve as hash: 8–11 choose the slot (0–3 chose the partition, P10), 12–13 a tag that
 * spares a look at the key. Entries stay in the order in which they were added. Measured: 0.1–0.2 µs for a key added or looked up.
 */
import { invariant } from '../contract/errors.ts';
import type { Winner } from '../contract/storage.ts';
import { DIGEST_BYTES } from '../proof/sha256.ts';

/** A slot is 32 bits: tag, and number of the entry plus one; so many bits are for the entry. */
const ENTRY_BITS = 23;
const ENTRY_MASK = (1 << ENTRY_BITS) - 1;
/** Most keys of one table. */
const KEY_TABLE_LIMIT = 1 << (ENTRY_BITS - 1);
/** Share of slots that may be taken: with a tag in each, a search that fails looks at 6 slots at worst on average (Knuth, TAOCP 3, 6.4) and at no key. */
const MOST_TAKEN = 0.7;
/** Entries grow by this: a copy is cheap beside memory that stays empty, which counts against the limit of a process. */
const GROWTH = 1.5;
const LEAST_ENTRIES = 64;
/** Key, k as double, i as u32. */
const ENTRY_BYTES = DIGEST_BYTES + 8 + 4;
const SLOT_BYTES = 4;

export class KeyTable {
  private slots: Uint32Array;
  private keys: Uint8Array;
  private ks: Float64Array;
  private is: Uint32Array;
  private count = 0;

  constructor(capacity = LEAST_ENTRIES) {
    const entries = Math.max(capacity, LEAST_ENTRIES);
    this.slots = new Uint32Array(slotsFor(entries));
    this.keys = new Uint8Array(entries * DIGEST_BYTES);
    this.ks = new Float64Array(entries);
    this.is = new Uint32Array(entries);
  }

  /** What a table for so many keys takes in memory. */
  static bytesFor(keys: number): number {
    const entries = Math.max(keys, LEAST_ENTRIES);
    return entries * ENTRY_BYTES + slotsFor(entries) * SLOT_BYTES;
  }

  /** Keys for which a full table makes room; the same number once it is as large as can be. */
  static grownFrom(capacity: number): number {
    return Math.min(KEY_TABLE_LIMIT, Math.max(LEAST_ENTRIES, Math.ceil(capacity * GROWTH)));
  }

  get size(): number {
    return this.count;
  }

  /** Keys that it holds before it grows. */
  get capacity(): number {
    return this.is.length;
  }

  get bytes(): number {
    return KeyTable.bytesFor(this.capacity);
  }

  /** Number of the entry of the key at `at` in `bytes`; −1 if there is none. */
  find(bytes: Uint8Array, at = 0): number {
    const found = this.slots[this.slotOf(bytes, at)] ?? 0;
    return found === 0 ? -1 : (found & ENTRY_MASK) - 1;
  }

  get(key: Uint8Array): Winner | undefined {
    const entry = this.find(key);
    return entry === -1 ? undefined : this.winner(entry);
  }

  winner(entry: number): Winner {
    return { k: this.ks[entry] ?? 0, i: this.is[entry] ?? 0 };
  }

  /** A view, until the table grows. */
  key(entry: number): Uint8Array {
    return this.keys.subarray(entry * DIGEST_BYTES, (entry + 1) * DIGEST_BYTES);
  }

  /** All keys, in the order in which they were added: a view, until the table grows. */
  get packedKeys(): Uint8Array {
    return this.keys.subarray(0, this.count * DIGEST_BYTES);
  }

  /** How many entries have a k of at least this. */
  countFrom(k: number): number {
    let live = 0;
    for (let entry = 0; entry < this.count; entry++) if ((this.ks[entry] ?? 0) >= k) live++;
    return live;
  }

  /** Whether the key was new; otherwise it keeps its winner. */
  add(bytes: Uint8Array, at: number, k: number, i: number): boolean {
    if (this.count === this.capacity) this.reserve(Math.max(this.count + 1, KeyTable.grownFrom(this.capacity)));
    const slot = this.slotOf(bytes, at);
    if (this.slots[slot] !== 0) return false;
    const entry = this.count++;
    for (let n = 0; n < DIGEST_BYTES; n++) this.keys[entry * DIGEST_BYTES + n] = bytes[at + n] ?? 0;
    this.ks[entry] = k;
    this.is[entry] = i;
    this.slots[slot] = (tagOf(bytes, at) << ENTRY_BITS) | (entry + 1);
    return true;
  }

  /** Makes room for so many keys in all. */
  reserve(keys: number): void {
    invariant(keys <= KEY_TABLE_LIMIT, `a key table holds at most ${KEY_TABLE_LIMIT} keys, not ${keys}`);
    if (keys <= this.capacity) return;
    this.keys = grown(this.keys, new Uint8Array(keys * DIGEST_BYTES));
    this.ks = grown(this.ks, new Float64Array(keys));
    this.is = grown(this.is, new Uint32Array(keys));
    const slots = slotsFor(keys);
    if (slots === this.slots.length) return;
    this.slots = new Uint32Array(slots);
    const mask = this.slots.length - 1;
    for (let entry = 0; entry < this.count; entry++) {
      const at = entry * DIGEST_BYTES;
      let slot = hashOf(this.keys, at) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = (tagOf(this.keys, at) << ENTRY_BITS) | (entry + 1);
    }
  }

  clear(): void {
    this.slots.fill(0);
    this.count = 0;
  }

  /** The slot that holds the key, or the empty one where it belongs. */
  private slotOf(bytes: Uint8Array, at: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    const tag = tagOf(bytes, at);
    for (let slot = hashOf(bytes, at) & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot] ?? 0;
      if (found === 0) return slot;
      if (found >>> ENTRY_BITS === tag && this.holds((found & ENTRY_MASK) - 1, bytes, at)) return slot;
    }
  }

  private holds(entry: number, bytes: Uint8Array, at: number): boolean {
    const start = entry * DIGEST_BYTES;
    for (let n = 0; n < DIGEST_BYTES; n++) if (this.keys[start + n] !== bytes[at + n]) return false;
    return true;
  }
}

function slotsFor(entries: number): number {
  let slots = LEAST_ENTRIES;
  while (slots * MOST_TAKEN < entries) slots *= 2;
  return slots;
}

function hashOf(bytes: Uint8Array, at: number): number {
  return (bytes[at + 8] ?? 0) | ((bytes[at + 9] ?? 0) << 8) | ((bytes[at + 10] ?? 0) << 16) | ((bytes[at + 11] ?? 0) << 24);
}

function tagOf(bytes: Uint8Array, at: number): number {
  return (bytes[at + 12] ?? 0) | (((bytes[at + 13] ?? 0) & 1) << 8);
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
