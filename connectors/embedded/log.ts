/**
 * The log of one machine, on SQLite: no server, several processes at once, and every rule of the contract
 * (engine/contract/log.ts) kept by one file. See database.ts for locks, tables.ts for rows, store.ts for opening.
 */
import { dirname } from 'node:path';
import { setImmediate as othersTurn } from 'node:timers/promises';
import {
  checkOwner,
  checkPartition,
  checkSameSpec,
  checkTopicSpec,
  type Log,
  type LogEntry,
  type LogLimits,
  type LogWriter,
  MizuError,
  nearNames,
  type Offset,
  offset,
  type ReadOptions,
  type ReadResult,
  type StorageFinding,
  type TopicSpec,
} from '#engine';
import { CommitQueue } from './commit-queue.ts';
import { entriesOf } from './entries.ts';
import { inspectStore } from './inspect.ts';
import { COMMIT_LIMIT_BYTES, ENTRY_LIMIT_BYTES, LOCK_DEADLINE_MS, READ_DEFAULT_BYTES, READ_DEFAULT_ENTRIES, SLOT_LIMIT } from './limits.ts';
import { openStore, type Store } from './store.ts';
import {
  insertTopic,
  readHead,
  readOwnerEpoch,
  readStore,
  readTopics,
  rowsFrom,
  segmentBytes,
  type EntryRow,
  type TopicRow,
  writeOwnerEpoch,
  writeStore,
} from './tables.ts';
import { SegmentReader } from './segment-reader.ts';
import { SegmentWriter } from './segments.ts';
import { Waiters } from './waiters.ts';
import { EmbeddedWriter } from './writer.ts';

export interface EmbeddedLogOptions {
  /** Made when it is not there. Holds log.db, segments/, store.json, open/; others keep keys/ and local/ in it. */
  readonly directory: string;
  /** Default: the one the store was made with; `local` for a new store. @throws USAGE if the store belongs to another. */
  readonly network?: string;
  /** Commits that would grow the log beyond this are aborted with DISK_FULL. Default: the disk's own limit. */
  readonly sizeLimitBytes?: number;
  /** Nothing is written to the store; topics and writers are refused. Works in a folder that is read-only, too. */
  readonly readOnly?: boolean;
  /** How long to wait for another process's commit before LOG_BUSY. Default `LOCK_DEADLINE_MS`. */
  readonly lockDeadlineMs?: number;
}

/**
 * Opens, or makes, the log in a folder.
 * @throws LOG_CORRUPT when the store was emptied, exchanged or damaged; NOT_FOUND (read only, nothing there); FILE_UNREADABLE,
 * FILE_UNWRITABLE, LOG_BUSY, DISK_FULL; USAGE for another network.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<Log> {
  const readOnly = options.readOnly ?? false;
  const store = await openStore({
    directory: options.directory,
    network: options.network,
    readOnly,
    lockDeadlineMs: options.lockDeadlineMs ?? LOCK_DEADLINE_MS,
  });
  return new EmbeddedLog(options.directory, store, readOnly, options.sizeLimitBytes);
}

class EmbeddedLog implements Log {
  readonly address: string;
  readonly network: string;
  readonly limits: LogLimits = { entryBytes: ENTRY_LIMIT_BYTES, commitBytes: COMMIT_LIMIT_BYTES };
  readonly #store: Store;
  readonly #readOnly: boolean;
  readonly #sizeLimitBytes: number | undefined;
  readonly #waiters: Waiters;
  readonly #segments: SegmentReader;
  readonly #values: SegmentWriter;
  readonly #queue: CommitQueue;
  /** Topics are never changed or removed, so what was read once stays true. */
  readonly #topics = new Map<string, TopicRow>();
  #closed = false;

  constructor(address: string, store: Store, readOnly: boolean, sizeLimitBytes: number | undefined) {
    this.address = address;
    this.network = store.network;
    this.#store = store;
    this.#readOnly = readOnly;
    this.#sizeLimitBytes = sizeLimitBytes;
    this.#values = new SegmentWriter(store.db, dirname(store.db.file));
    this.#segments = new SegmentReader(dirname(store.db.file), readOnly ? undefined : this.#values);
    this.#queue = new CommitQueue(store.db, this.#values, this.limits);
    this.#waiters = new Waiters(store.db, (listener) => store.presence.onRing(listener));
  }

  async createTopic(spec: TopicSpec): Promise<void> {
    checkTopicSpec(spec);
    const known = await this.#findTopic(spec.name);
    if (known !== undefined) return checkSameSpec(known, spec);
    this.#assertWritable(`create topic ${spec.name}`);
    const { db } = this.#store;
    await db.change(() => {
      const existing = readTopics(db).find(({ name }) => name === spec.name);
      if (existing !== undefined) return checkSameSpec(existing, spec);
      const store = readStore(db);
      if (store.slots + spec.partitions > SLOT_LIMIT) {
        throw new MizuError('LOG_LIMIT', `Topic ${spec.name} would bring this log to more than ${SLOT_LIMIT} partitions`, {
          hint: 'Use fewer partitions, or another log folder.',
        });
      }
      insertTopic(db, store, spec);
    });
  }

  async topics(prefix = ''): Promise<readonly TopicSpec[]> {
    const { db } = this.#store;
    const rows = await db.look(() => readTopics(db));
    return rows.filter(({ name }) => name.startsWith(prefix)).map(({ name, partitions, cleanup }) => ({ name, partitions, cleanup }));
  }

  async openWriter(owner: string): Promise<LogWriter> {
    checkOwner(owner);
    this.#assertWritable(`open a writer for ${owner}`);
    const { db, presence } = this.#store;
    const epoch = await db.change(() => {
      const store = readStore(db);
      // Reading it first finds a damaged row before it is written over.
      readOwnerEpoch(db, owner);
      writeStore(db, { ...store, epoch: store.epoch + 1 });
      writeOwnerEpoch(db, owner, store.epoch + 1);
      return store.epoch + 1;
    });
    await this.#store.raiseSidecar();
    return new EmbeddedWriter(owner, epoch, {
      db,
      queue: this.#queue,
      limits: this.limits,
      sizeLimitBytes: this.#sizeLimitBytes,
      topic: (name) => this.#topic(name),
      ring: () => presence.ring(),
    });
  }

  async read(topic: string, partition: number, from: Offset, options: ReadOptions = {}): Promise<ReadResult> {
    const row = await this.#partition(topic, partition);
    const { db } = this.#store;
    const rows = await db.look(() => {
      const head = readHead(db, row.slot + partition);
      return from >= head ? [] : take(rowsFrom(db, row, partition, from, head), from, options);
    });
    const { entries: read, free } = await entriesOf(rows, row, partition, this.#segments, db.file);
    const entries = within(read, from, options);
    const last = entries.at(-1);
    const result = { entries, next: last === undefined ? from : offset(last.offset + 1), ...(free === undefined ? {} : { free }) };
    // SQLite answers without waiting for anything: without this, a loop of reads would keep the event loop to itself.
    if (result.entries.length > 0) await othersTurn();
    return result;
  }

  async end(topic: string, partition: number): Promise<Offset> {
    const row = await this.#partition(topic, partition);
    const { db } = this.#store;
    return db.look(() => offset(readHead(db, row.slot + partition)));
  }

  async waitBeyond(topic: string, partition: number, position: Offset, signal: AbortSignal): Promise<boolean> {
    const row = await this.#partition(topic, partition);
    const { db } = this.#store;
    return this.#waiters.wait(() => readHead(db, row.slot + partition) > position, signal);
  }

  async inspect(): Promise<readonly StorageFinding[]> {
    const { db } = this.#store;
    return db.look(() => inspectStore(db, dirname(db.file)));
  }

  async size(): Promise<{ readonly bytes: number; readonly limit: number | undefined }> {
    const { db } = this.#store;
    return { bytes: await db.look(() => db.usedBytes() + segmentBytes(db)), limit: this.#sizeLimitBytes };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiters.close();
    await this.#queue.close();
    await this.#values.close();
    await this.#segments.close();
    this.#store.close();
  }

  async #partition(topic: string, partition: number): Promise<TopicRow> {
    const row = await this.#topic(topic);
    checkPartition(row, partition);
    return row;
  }

  async #topic(name: string): Promise<TopicRow> {
    const topic = await this.#findTopic(name);
    if (topic !== undefined) return topic;
    throw new MizuError('NOT_FOUND', `The log ${this.address} has no topic '${name.slice(0, 200)}'`, {
      component: this.address,
      hint: nearNames(name, [...this.#topics.keys()]),
    });
  }

  async #findTopic(name: string): Promise<TopicRow | undefined> {
    const { db } = this.#store;
    if (!this.#topics.has(name)) {
      for (const row of await db.look(() => readTopics(db))) this.#topics.set(row.name, row);
    }
    return this.#topics.get(name);
  }

  #assertWritable(what: string): void {
    if (!this.#readOnly) return;
    throw new MizuError('USAGE', `Can't ${what}: the log ${this.address} was opened for reading only`, {
      hint: 'Open it without readOnly.',
    });
  }
}

/** Rows until a bound is reached; the one that passes the byte bound is the last. */
function take(
  rows: Iterable<EntryRow>,
  from: Offset,
  { maxEntries = READ_DEFAULT_ENTRIES, maxBytes = READ_DEFAULT_BYTES }: ReadOptions,
): EntryRow[] {
  const taken: EntryRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    taken.push(row);
    bytes += rowBytes(row);
    if (row.at + row.count >= from + maxEntries || bytes >= maxBytes) break;
  }
  return taken;
}

function rowBytes({ key, value, headers }: EntryRow): number {
  return (key?.length ?? 0) + (value instanceof Uint8Array ? value.length : value.bytes) + headers.length;
}

/** Of what the rows hold, the entries from `from` on that are within the bounds; the one that passes the byte bound is the last. */
function within(
  entries: LogEntry[],
  from: Offset,
  { maxEntries = READ_DEFAULT_ENTRIES, maxBytes = READ_DEFAULT_BYTES }: ReadOptions,
): LogEntry[] {
  const before = from - (entries[0]?.offset ?? from);
  let end = before;
  for (let bytes = 0; end < entries.length && end - before < maxEntries && bytes < maxBytes; end++) {
    const entry = entries[end];
    bytes += (entry?.key?.length ?? 0) + (entry?.value.length ?? 0);
  }
  return before === 0 && end === entries.length ? entries : entries.slice(before, end);
}
