/**
 * One connection to `log.db`, with the only two ways to use it: `look` for reads and `change` for transactions. Nothing
 * is awaited inside a transaction, so a lock is held for one synchronous run of code and handles of one process never
 * meet inside it. Waiting for another process is ours, not SQLite's: its own blocks the event loop and starves writers.
 */
import { statSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { MizuError } from '#engine';
import { CACHE_BYTES, LOCK_RETRY_MS, PAGE_BYTES, WAL_KEPT_BYTES } from './limits.ts';
import type { Presence } from './presence.ts';
import { corrupt, isBusy, translate } from './sqlite-error.ts';

export type Row = Record<string, SQLOutputValue>;

export interface DatabaseOptions {
  readonly file: string;
  readonly presence: Presence;
  readonly lockDeadlineMs: number;
  readonly access: 'write' | 'read' | 'frozen';
}

export class Database {
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #presence: Presence;
  readonly #lockDeadlineMs: number;
  readonly #statements = new Map<string, StatementSync>();
  #identity: string | undefined;
  #open = true;

  private constructor(options: DatabaseOptions, db: DatabaseSync) {
    this.file = options.file;
    this.#db = db;
    this.#presence = options.presence;
    this.#lockDeadlineMs = options.lockDeadlineMs;
  }

  /** @throws what `translate` makes of SQLite's error; LOG_BUSY past the deadline. */
  static async open(options: DatabaseOptions): Promise<Database> {
    const connection = connect(options);
    try {
      const database = new Database(options, connection);
      await database.#whenFree(() => configure(connection, options.access));
      return database;
    } catch (error) {
      connection.close();
      throw translate(error, options.file);
    }
  }

  /**
   * Runs a synchronous read on one state of the file, whatever other processes commit between its statements; again if another process was
   * just recovering or closing the file.
   */
  async look<T>(read: () => T): Promise<T> {
    this.#assertOpen();
    try {
      return await this.#whenFree(() => {
        this.#db.exec('BEGIN');
        try {
          return read();
        } finally {
          this.#rollBack();
        }
      });
    } catch (error) {
      throw translate(error, this.file);
    }
  }

  /** Puts everything that the write-ahead file holds into the file itself, and empties it. */
  async checkpoint(): Promise<void> {
    this.#assertOpen();
    try {
      await this.#whenFree(() => this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
    } catch (error) {
      throw translate(error, this.file);
    }
  }

  /**
   * Runs `work` inside one write transaction, durable when the promise resolves. Whatever is thrown, nothing of it is kept,
   * except for LOG_UNKNOWN_OUTCOME: then the disk failed while committing, and only reading back can tell.
   */
  async change<T>(work: () => T): Promise<T> {
    this.#assertOpen();
    try {
      // BEGIN IMMEDIATE is the only statement that may wait for others; once it is through, all that follows is ours.
      return await this.#whenFree(() => {
        this.#db.exec('BEGIN IMMEDIATE');
        return this.#finish(work);
      });
    } catch (error) {
      throw translate(error, this.file);
    }
  }

  #finish<T>(work: () => T): T {
    try {
      this.#assertSameFile();
      const result = work();
      this.#commit();
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #commit(): void {
    try {
      this.#db.exec('COMMIT');
    } catch (error) {
      const translated = translate(error, this.file);
      if (isBusy(error) || translated.code === 'DISK_FULL') throw error;
      throw new MizuError('LOG_UNKNOWN_OUTCOME', `Whether the last commit to ${this.file} is on disk is not known: ${translated.message}`, {
        cause: error,
        component: this.file,
        hint: 'Look at the system log for disk errors, then start again: what was committed is read back first.',
      });
    }
  }

  /** The error that led here is the one to report, not what a failing disk says to the rollback. */
  #rollBack(): void {
    try {
      // SQLite may have rolled back by itself, on a full disk for example.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    } catch {
      this.close();
    }
  }

  async #whenFree<T>(attempt: () => T): Promise<T> {
    const deadline = performance.now() + this.#lockDeadlineMs;
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw error;
        if (performance.now() >= deadline) throw this.#busy(error);
        const [least, most] = LOCK_RETRY_MS;
        await pause(least + Math.random() * (most - least));
        this.#assertOpen();
      }
    }
  }

  #busy(cause: unknown): MizuError {
    return new MizuError(
      'LOG_BUSY',
      `The log ${this.file} was locked for ${this.#lockDeadlineMs} ms; ${this.#presence.holders()} may hold the lock`,
      { cause, component: this.file, hint: 'Let that process go on (`kill -CONT PID`) or end it, then try again. Nothing was lost.' },
    );
  }

  /** From now on the file is expected to stay the one that is there now. */
  pinFile(): void {
    this.#identity = identityOf(this.file);
  }

  /** An exchanged file would split the log in two without anybody noticing. */
  #assertSameFile(): void {
    if (this.#identity !== undefined && identityOf(this.file) !== this.#identity) {
      throw corrupt(this.file, 'it was removed, emptied or exchanged while this process had it open');
    }
  }

  #assertOpen(): void {
    if (!this.#open) throw new MizuError('LOG_UNAVAILABLE', `The log ${this.file} was closed in this process`, { component: this.file });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values);
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values);
  }

  run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepared(sql).run(...values);
  }

  /** The consumer runs to its end or breaks before anything is awaited: an open iterator holds the write-ahead file up. */
  iterate(sql: string, ...values: SQLInputValue[]): Iterable<Row> {
    return this.#prepared(sql).iterate(...values);
  }

  /** Changes whenever another connection, of whatever process, has committed (sqlite.org/pragma.html#pragma_data_version). */
  dataVersion(): number {
    return this.#pragma('data_version');
  }

  /** Bytes of the pages in use. The write-ahead file beside it is bounded by `WAL_KEPT_BYTES` or by one commit. */
  usedBytes(): number {
    return this.wholeBytes() - this.#pragma('freelist_count') * this.#pragma('page_size');
  }

  /** Bytes of all pages, also those that are still in the write-ahead file. */
  wholeBytes(): number {
    return this.#pragma('page_count') * this.#pragma('page_size');
  }

  #pragma(name: 'page_count' | 'page_size' | 'freelist_count' | 'data_version'): number {
    return numberIn(this.get(`PRAGMA ${name}`), name, this.file);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#statements.clear();
    this.#db.close();
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function connect(options: DatabaseOptions): DatabaseSync {
  try {
    if (options.access === 'write') return new DatabaseSync(options.file, { timeout: 0 });
    if (options.access === 'read') return new DatabaseSync(options.file, { timeout: 0, readOnly: true });
    // `immutable`: no lock, no side file (sqlite.org/uri.html#uriimmutable). Only where nobody can write.
    const frozen = new URL('file:');
    frozen.pathname = options.file;
    frozen.searchParams.set('immutable', '1');
    return new DatabaseSync(frozen, { timeout: 0, readOnly: true });
  } catch (error) {
    throw translate(error, options.file);
  }
}

function configure(db: DatabaseSync, access: DatabaseOptions['access']): void {
  db.exec(`PRAGMA cache_size = -${CACHE_BYTES / 1024}`);
  // A memory-mapped file that is cut short kills the process with SIGBUS.
  db.exec('PRAGMA mmap_size = 0');
  if (access !== 'write') return;
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('PRAGMA synchronous = FULL');
  db.exec(`PRAGMA journal_size_limit = ${WAL_KEPT_BYTES}`);
}

/** Device and inode. A file of 0 bytes counts as another one: it had content when it was pinned. */
function identityOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return 'missing';
  if (stat.size === 0) return 'empty';
  return `${stat.dev}:${stat.ino}`;
}

export function numberIn(row: Row | undefined, column: string, file: string): number {
  const value = row?.[column];
  if (typeof value !== 'number') throw corrupt(file, `column '${column}' holds ${describe(value)} instead of a number`);
  return value;
}

export function textIn(row: Row | undefined, column: string, file: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw corrupt(file, `column '${column}' holds ${describe(value)} instead of text`);
  return value;
}

export function bytesIn(row: Row | undefined, column: string, file: string): Uint8Array {
  const value = row?.[column];
  if (!(value instanceof Uint8Array)) throw corrupt(file, `column '${column}' holds ${describe(value)} instead of bytes`);
  return value;
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  return `a ${typeof value}`;
}
