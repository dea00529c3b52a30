/**
 * The exact index of a keyed step: a Bloom filter in memory in front of a table on disk. Algebra: the table is the set of
 * all keys added, so it alone decides; the filter holds at least the same set, so a key it does not know was surely never
 * added and costs no look at the table. Memory stays bounded while the table grows (law 6).
 */
import { rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { invariant, type KeyIndex, MizuError, type Winner } from '#engine';
import { KEY_BYTES, KeyBloom } from './key-bloom.ts';
import { translate } from './sqlite-error.ts';

/** SQLite's page cache for each index. */
const INDEX_CACHE_BYTES = 16 * 1024 * 1024;
const GROWTH = 2;

/** How the look-ups went, since the index was opened. */
export interface KeyIndexCounters {
  /** Answered by the filter alone: surely new. */
  readonly negatives: number;
  /** Passed the filter and were looked up in the table. */
  readonly positives: number;
  /** Of the positives, those that the table did not hold. */
  readonly falsePositives: number;
}

export interface CountedKeyIndex extends KeyIndex {
  counters(): KeyIndexCounters;
}

/**
 * Opens an empty index in `file`, which must not exist and is gone when this returns or, where an open file can't be
 * removed, when the index is closed. The table is temporary, so it has neither journal nor sync.
 * @throws FILE_UNREADABLE, DISK_FULL
 */
export function openKeyIndex(file: string, expectedKeys: number): CountedKeyIndex {
  return new SqliteKeyIndex(file, expectedKeys);
}

class SqliteKeyIndex implements CountedKeyIndex {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  #bloom: KeyBloom;
  #size = 0;
  #negatives = 0;
  #positives = 0;
  #falsePositives = 0;
  #open = true;

  constructor(file: string, expectedKeys: number) {
    this.#file = file;
    this.#bloom = new KeyBloom(expectedKeys);
    try {
      // Defensive mode, Node's default, silently keeps `journal_mode` from becoming OFF.
      this.#db = new DatabaseSync(file, { timeout: 0, defensive: false });
      for (const pragma of [
        'locking_mode = EXCLUSIVE',
        'journal_mode = OFF',
        'synchronous = OFF',
        `cache_size = -${INDEX_CACHE_BYTES / 1024}`,
      ]) {
        this.#db.exec(`PRAGMA ${pragma}`);
      }
      this.#db.exec('CREATE TABLE keys (key BLOB PRIMARY KEY, k INTEGER NOT NULL, i INTEGER NOT NULL) WITHOUT ROWID');
      this.#select = this.#db.prepare('SELECT k, i FROM keys WHERE key = ?');
      this.#insert = this.#db.prepare('INSERT OR IGNORE INTO keys (key, k, i) VALUES (?, ?, ?)');
    } catch (error) {
      throw translate(error, file);
    }
    // An unlinked file vanishes with its process, even a killed one.
    removeQuietly(file);
  }

  get size(): number {
    return this.#size;
  }

  get(key: Uint8Array): Winner | undefined {
    invariant(this.#open, `the key index ${this.#file} was used after it was closed`);
    if (!this.#bloom.mayHave(key)) {
      this.#negatives++;
      return undefined;
    }
    this.#positives++;
    const row = this.#run(() => this.#select.get(key));
    if (row === undefined) {
      this.#falsePositives++;
      return undefined;
    }
    const { k, i } = row;
    invariant(typeof k === 'number' && typeof i === 'number', `row of ${this.#file} without numbers`);
    return { k, i };
  }

  /** A key that is already there, or twice in the batch, keeps its first winner. */
  addAll(keys: Uint8Array, ks: Float64Array, is: Uint32Array): void {
    invariant(this.#open, `the key index ${this.#file} was used after it was closed`);
    const count = ks.length;
    invariant(
      keys.length === count * KEY_BYTES && is.length === count,
      `addAll was given ${keys.length} key bytes for ${count} and ${is.length} winners`,
    );
    this.#run(() => {
      this.#db.exec('BEGIN');
      for (let n = 0; n < count; n++) {
        const key = keys.subarray(n * KEY_BYTES, (n + 1) * KEY_BYTES);
        const { changes } = this.#insert.run(key, ks[n] ?? 0, is[n] ?? 0);
        if (Number(changes) === 0) continue;
        this.#bloom.add(key);
        this.#size++;
      }
      this.#db.exec('COMMIT');
    });
    if (this.#size > this.#bloom.capacity && !this.#bloom.isLargest) this.#enlargeFilter();
  }

  bytes(): { readonly memory: number; readonly disk: number } {
    const pages = this.#run(() =>
      this.#db.prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size').get(),
    );
    return { memory: this.#bloom.bytes + INDEX_CACHE_BYTES, disk: Number(pages?.['bytes'] ?? 0) };
  }

  counters(): KeyIndexCounters {
    return { negatives: this.#negatives, positives: this.#positives, falsePositives: this.#falsePositives };
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#db.close();
    removeQuietly(this.#file);
  }

  /** More keys came than were expected: a larger filter keeps the promised rate. Doubling makes it cheap per key. */
  #enlargeFilter(): void {
    const larger = new KeyBloom(Math.max(this.#size, this.#bloom.capacity) * GROWTH);
    this.#run(() => {
      for (const { key } of this.#db.prepare('SELECT key FROM keys').iterate()) {
        if (key instanceof Uint8Array) larger.add(key);
      }
    });
    this.#bloom = larger;
  }

  /** Without a journal a failed write leaves the table undefined: the index is closed, its owner rebuilds it from the log. */
  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.close();
      const { code, message, hint } = translate(error, this.#file);
      throw new MizuError(code, `The exact index in local storage failed: ${message}`, {
        cause: error,
        component: this.#file,
        hint: code === 'DISK_FULL' ? (hint ?? '') : 'It is temporary: start again and it is rebuilt from the log.',
      });
    }
  }
}

/** Windows keeps an open file; it is removed at close, or by the next process that opens the folder. */
function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    return;
  }
}
