/**
 * The exact index of a keyed step, in generations. A generation holds its keys in memory while its process has room for them, and what comes
 * after that in a small table in memory which is emptied to disk whenever it is full. Algebra: a key is in the index if some
 * generation holds it with a k that is not forgotten. A new generation begins once the first keys of the newest are forgotten, and one
 * whose keys are all forgotten goes as a whole, filter and file: two at most live at a time, whatever the window (law 6).
 */
import { invariant, type KeyIndex, KeyTable, type Winner } from '#engine';
import { KEY_BYTES } from './key-bloom.ts';
import { type DiskCounters, KeyDisk } from './key-disk.ts';

/** Keys in memory of all indexes of one process together, unless it is given another limit: about 5 million at some 50 bytes. Beyond it they go to disk. */
export const INDEX_MEMORY_BYTES = 256 * 1024 * 1024;
/** Keys that are put on disk at once: in order and in one transaction they cost a third of single ones. 3.5 MB for each index. */
const BUFFER_KEYS = 65_536;
const BUFFER_KEYS_LEAST = 256;

/** Keys that are put on disk at once in a process with so much memory for them: a small one has no room for full buffers either. */
export function bufferKeysFor(limitBytes: number): number {
  const share = Math.floor((BUFFER_KEYS * limitBytes) / INDEX_MEMORY_BYTES);
  return Math.min(BUFFER_KEYS, Math.max(BUFFER_KEYS_LEAST, share));
}

/** What the indexes of one process share. Owned by their local storage. */
export interface IndexMemory {
  readonly limitBytes: number;
  readonly bufferKeys: number;
  usedBytes: number;
}

export interface CountedKeyIndex extends KeyIndex {
  /** Look-ups that came to a table on disk. */
  counters(): Readonly<DiskCounters>;
}

/**
 * Opens an empty index. Files begin with `file`, and are gone as soon as they are open or, where an open file can't be removed, when the index
 * is closed. @throws FILE_UNREADABLE, DISK_FULL, then or later.
 */
export function openKeyIndex(file: string, expectedKeys: number, memory: IndexMemory): CountedKeyIndex {
  return new GenerationIndex(file, expectedKeys, memory);
}

interface Parts {
  readonly file: string;
  readonly expectedKeys: number;
  readonly memory: IndexMemory;
  readonly counters: DiskCounters;
}

class Generation {
  readonly #parts: Parts;
  /** Grows as long as there is room for it. */
  #resident: KeyTable | undefined;
  /** Once there was no room, so that the tables behind it are asked, too. */
  #buffer: KeyTable | undefined;
  #disk: KeyDisk | undefined;
  minK = Number.POSITIVE_INFINITY;
  maxK = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** All keys are in the one table whose `add` tells of a key that is there. */
  get isResident(): boolean {
    return this.#buffer === undefined;
  }

  get size(): number {
    return (this.#resident?.size ?? 0) + (this.#buffer?.size ?? 0) + (this.#disk?.size ?? 0);
  }

  get(key: Uint8Array): Winner | undefined {
    return this.#resident?.get(key) ?? this.#buffer?.get(key) ?? this.#disk?.get(key);
  }

  /** Whether it was new, as far as memory tells; a caller asks `get` first unless `isResident`. */
  add(bytes: Uint8Array, at: number, k: number, i: number): void {
    const table = this.#roomFor();
    if (!table.add(bytes, at, k, i)) return;
    if (k < this.minK) this.minK = k;
    if (k > this.maxK) this.maxK = k;
  }

  countFrom(k: number): number {
    if (this.minK >= k) return this.size;
    return (this.#resident?.countFrom(k) ?? 0) + (this.#buffer?.countFrom(k) ?? 0) + (this.#disk?.countFrom(k) ?? 0);
  }

  bytes(): { readonly memory: number; readonly disk: number } {
    const disk = this.#disk?.bytes() ?? { memory: 0, disk: 0 };
    return { memory: (this.#resident?.bytes ?? 0) + (this.#buffer?.bytes ?? 0) + disk.memory, disk: disk.disk };
  }

  close(): void {
    this.#parts.memory.usedBytes -= this.#resident?.bytes ?? 0;
    this.#disk?.close();
  }

  #roomFor(): KeyTable {
    const { memory, file, expectedKeys, counters } = this.#parts;
    if (this.#buffer === undefined) {
      const resident = this.#roomInMemory();
      if (resident !== undefined) return resident;
      this.#buffer = new KeyTable(memory.bufferKeys);
    }
    if (this.#buffer.size >= memory.bufferKeys) {
      this.#disk ??= new KeyDisk(file, expectedKeys, counters);
      this.#disk.takeAll(this.#buffer);
      this.#buffer.clear();
    }
    return this.#buffer;
  }

  #roomInMemory(): KeyTable | undefined {
    const { memory } = this.#parts;
    const resident = this.#resident;
    if (resident !== undefined && resident.size < resident.capacity) return resident;
    const keys = KeyTable.grownFrom(resident?.capacity ?? 0);
    const more = KeyTable.bytesFor(keys) - (resident?.bytes ?? 0);
    if (keys === resident?.capacity || memory.usedBytes + more > memory.limitBytes) return undefined;
    memory.usedBytes += more;
    this.#resident = resident ?? new KeyTable();
    this.#resident.reserve(keys);
    return this.#resident;
  }
}

class GenerationIndex implements CountedKeyIndex {
  readonly #file: string;
  readonly #expectedKeys: number;
  readonly #memory: IndexMemory;
  readonly #counters: DiskCounters = { negatives: 0, positives: 0, falsePositives: 0 };
  /** Oldest first; the last one takes new keys. */
  #generations: Generation[] = [];
  #made = 0;
  #low = Number.NEGATIVE_INFINITY;
  #open = true;

  constructor(file: string, expectedKeys: number, memory: IndexMemory) {
    this.#file = file;
    this.#expectedKeys = expectedKeys;
    this.#memory = memory;
  }

  get size(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.countFrom(this.#low), 0);
  }

  get(key: Uint8Array): Winner | undefined {
    this.#checkOpen();
    for (let n = this.#generations.length - 1; n >= 0; n--) {
      const winner = this.#generations[n]?.get(key);
      if (winner !== undefined && winner.k >= this.#low) return winner;
    }
    return undefined;
  }

  addAll(keys: Uint8Array, ks: Float64Array, is: Uint32Array): void {
    this.#checkOpen();
    const count = ks.length;
    invariant(
      keys.length === count * KEY_BYTES && is.length === count,
      `addAll was given ${keys.length} key bytes for ${count} and ${is.length} winners`,
    );
    const newest = this.#newest();
    for (let n = 0; n < count; n++) {
      const at = n * KEY_BYTES;
      const alone = this.#generations.length === 1 && newest.isResident;
      if (!alone && this.get(keys.subarray(at, at + KEY_BYTES)) !== undefined) continue;
      newest.add(keys, at, ks[n] ?? 0, is[n] ?? 0);
    }
  }

  forgetBelow(k: number): void {
    this.#checkOpen();
    if (k <= this.#low) return;
    this.#low = k;
    const kept = this.#generations.filter((generation) => generation.maxK >= k);
    for (const generation of this.#generations) if (!kept.includes(generation)) generation.close();
    this.#generations = kept;
  }

  bytes(): { readonly memory: number; readonly disk: number } {
    const all = this.#generations.map((generation) => generation.bytes());
    return { memory: all.reduce((sum, one) => sum + one.memory, 0), disk: all.reduce((sum, one) => sum + one.disk, 0) };
  }

  counters(): Readonly<DiskCounters> {
    return { ...this.#counters };
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const generation of this.#generations.splice(0)) generation.close();
  }

  /** The generation that takes new keys: it holds no key that is forgotten, so none stands in it twice. */
  #newest(): Generation {
    const last = this.#generations.at(-1);
    if (last !== undefined && last.minK >= this.#low) return last;
    const next = new Generation({
      file: this.#made === 0 ? this.#file : `${this.#file}-${this.#made}`,
      expectedKeys: this.#expectedKeys,
      memory: this.#memory,
      counters: this.#counters,
    });
    this.#made++;
    this.#generations.push(next);
    return next;
  }

  #checkOpen(): void {
    invariant(this.#open, `the key index ${this.#file} was used after it was closed`);
  }
}
