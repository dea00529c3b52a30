/**
 * Keys that memory has no room for: a temporary table on disk behind a Bloom filter. Algebra: the table is the set of all keys added, so it
 * alone decides; the filter holds at least the same set, so a key it does not know was surely never added and costs no look at the table.
 */
import { rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { invariant, type KeyTable, messageOf, MizuError, type Winner } from '#engine';
import { KeyBloom } from './key-bloom.ts';
import { translate } from './sqlite-error.ts';

/** SQLite's page cache for each table. */
const DISK_CACHE_BYTES = 16 * 1024 * 1024;
const GROWTH = 2;

/** How the look-ups went, since the index was opened. */
export interface DiskCounters {
  /** Answered by the filter alone: surely new. */
  negatives: number;
  /** Passed the filter and were looked up in the table. */
  positives: number;
  /** Of the positives, those that the table did not hold. */
  falsePositives: number;
}

export class KeyDisk {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #counters: DiskCounters;
  #bloom: KeyBloom;
  #size = 0;
  #open = true;

  /**
   * Makes an empty table in `file`, which must not exist and is gone when this returns or, where an open file can't be removed, when it is
   * closed. It has neither journal nor sync: what is lost is rebuilt from the log. @throws FILE_UNREADABLE, DISK_FULL
   */
  constructor(file: string, expectedKeys: number, counters: DiskCounters) {
    this.#file = file;
    this.#counters = counters;
    this.#bloom = new KeyBloom(expectedKeys);
    let db: DatabaseSync | undefined;
    try {
      // Defensive mode, Node's default, silently keeps `journal_mode` from becoming OFF.
      db = new DatabaseSync(file, { timeout: 0, defensive: false });
      for (const pragma of [
        'locking_mode = EXCLUSIVE',
        'journal_mode = OFF',
        'synchronous = OFF',
        `cache_size = -${DISK_CACHE_BYTES / 1024}`,
      ]) {
        db.exec(`PRAGMA ${pragma}`);
      }
      db.exec('CREATE TABLE keys (key BLOB PRIMARY KEY, k INTEGER NOT NULL, i INTEGER NOT NULL) WITHOUT ROWID');
      this.#select = db.prepare('SELECT k, i FROM keys WHERE key = ?');
      this.#insert = db.prepare('INSERT INTO keys (key, k, i) VALUES (?, ?, ?)');
      this.#db = db;
    } catch (error) {
      db?.close();
      removeQuietly(file);
      throw failed(error, file);
    }
    // An unlinked file vanishes with its process, even a killed one.
    removeQuietly(file);
  }

  get size(): number {
    return this.#size;
  }

  get(key: Uint8Array): Winner | undefined {
    if (!this.#bloom.mayHave(key)) {
      this.#counters.negatives++;
      return undefined;
    }
    this.#counters.positives++;
    const row = this.#run(() => this.#select.get(key));
    if (row === undefined) {
      this.#counters.falsePositives++;
      return undefined;
    }
    const { k, i } = row;
    invariant(typeof k === 'number' && typeof i === 'number', `row of ${this.#file} without numbers`);
    return { k, i };
  }

  /** Takes all keys of a table, none of which it has; in order of keys, so that each page of the tree is touched once. */
  takeAll(table: KeyTable): void {
    const order = Uint32Array.from({ length: table.size }, (_, entry) => entry);
    const heads = Float64Array.from(order, (entry) => headOf(table.key(entry)));
    order.sort((a, b) => (heads[a] ?? 0) - (heads[b] ?? 0));
    this.#run(() => {
      this.#db.exec('BEGIN');
      for (const entry of order) {
        const key = table.key(entry);
        const { k, i } = table.winner(entry);
        this.#insert.run(key, k, i);
        this.#bloom.add(key);
      }
      this.#db.exec('COMMIT');
    });
    this.#size += table.size;
    if (this.#size > this.#bloom.capacity && !this.#bloom.isLargest) this.#enlargeFilter();
  }

  countFrom(k: number): number {
    return Number(this.#run(() => this.#db.prepare('SELECT count(*) AS n FROM keys WHERE k >= ?').get(k))?.['n'] ?? 0);
  }

  bytes(): { readonly memory: number; readonly disk: number } {
    const pages = this.#run(() =>
      this.#db.prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size').get(),
    );
    return { memory: this.#bloom.bytes + DISK_CACHE_BYTES, disk: Number(pages?.['bytes'] ?? 0) };
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

  /** Without a journal a failed write leaves the table undefined: it is closed, its owner rebuilds the index from the log. */
  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.close();
      throw failed(error, this.#file);
    }
  }
}

function failed(error: unknown, file: string): MizuError {
  const full = translate(error, file).code === 'DISK_FULL';
  const { code, message } = full ? { code: 'DISK_FULL' as const, message: messageOf(error) } : translate(error, file);
  return new MizuError(code, `The exact index in local storage ${full ? "can't grow" : 'failed'}: ${message}`, {
    cause: error,
    component: file,
    hint: full
      ? 'Nothing is lost: it is temporary. Make room there, raise the limit of file sizes, or give keys more memory (MIZU_INDEX_MEMORY).'
      : 'It is temporary: start again and it is rebuilt from the log.',
  });
}

/** The first 6 bytes as a number: enough to put uniform keys in order. */
function headOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, 6).readUIntBE(0, 6);
}

/** Windows keeps an open file; it is removed at close, or by the next process that opens the folder. */
function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    return;
  }
}
