/**
 * The rows of the log and their check sums. Entries of all partitions share one table, clustered by
 * id = slot × 2^32 + offset, where a slot is one partition of one topic; a row holds one entry, or several from that offset on (packed.ts). Offsets are dense:
 * anything missing below a partition's head is damage, and so is anything at or above it. A value stands in its row or, with the row saying where, in a segment.
 */
import type { TopicSpec } from '#engine';
import { entryChecksum, packedChecksum, rowChecksum } from './checksum.ts';
import { bytesIn, type Database, numberIn, type Row, textIn } from './database.ts';
import { ENTRY_LIMIT_BYTES, PARTITION_LIMIT_ENTRIES } from './limits.ts';
import type { NewRow } from './new-rows.ts';
import type { Placement } from './segments.ts';
import { corrupt } from './sqlite-error.ts';

export const SCHEMA = `
  CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, network TEXT NOT NULL, epoch INTEGER NOT NULL,
    topics INTEGER NOT NULL, slots INTEGER NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, cleanup TEXT NOT NULL, slot INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE heads (slot INTEGER PRIMARY KEY, head INTEGER NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE owners (owner TEXT PRIMARY KEY, epoch INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE entries (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, crc INTEGER NOT NULL, headers TEXT NOT NULL, key BLOB, value BLOB,
    segment INTEGER, position INTEGER, length INTEGER);
  CREATE TABLE segments (segment INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, crc INTEGER NOT NULL);
`;

export interface StoreRow {
  readonly id: string;
  readonly network: string;
  readonly epoch: number;
  /** How many topics and slots there are, so that a vanished row shows. */
  readonly topics: number;
  readonly slots: number;
}

/** A topic and the slot of its partition 0. */
export interface TopicRow extends TopicSpec {
  readonly slot: number;
}

const storeCrc = (row: StoreRow): number => rowChecksum('store', row.id, row.network, row.epoch, row.topics, row.slots);
const topicCrc = (row: TopicRow): number => rowChecksum('topic', row.name, row.partitions, row.cleanup, row.slot);
const headCrc = (slot: number, head: number): number => rowChecksum('head', slot, head);
const ownerCrc = (owner: string, epoch: number): number => rowChecksum('owner', owner, epoch);

export function hasSchema(db: Database): boolean {
  return numberIn(db.get(`SELECT count(*) AS n FROM sqlite_schema WHERE name = 'store'`), 'n', db.file) > 0;
}

export function readStore(db: Database): StoreRow {
  const row = db.get('SELECT id, network, epoch, topics, slots, crc FROM store WHERE one = 1');
  if (row === undefined) throw corrupt(db.file, 'its store row is missing');
  const store: StoreRow = {
    id: textIn(row, 'id', db.file),
    network: textIn(row, 'network', db.file),
    epoch: numberIn(row, 'epoch', db.file),
    topics: numberIn(row, 'topics', db.file),
    slots: numberIn(row, 'slots', db.file),
  };
  checkSum(db, row, storeCrc(store), 'the store row');
  return store;
}

export function writeStore(db: Database, store: StoreRow): void {
  db.run(
    'INSERT OR REPLACE INTO store (one, id, network, epoch, topics, slots, crc) VALUES (1, ?, ?, ?, ?, ?, ?)',
    store.id,
    store.network,
    store.epoch,
    store.topics,
    store.slots,
    storeCrc(store),
  );
}

export function readTopics(db: Database): readonly TopicRow[] {
  const rows = db.all('SELECT name, partitions, cleanup, slot, crc FROM topics ORDER BY name');
  const expected = readStore(db).topics;
  if (rows.length !== expected) throw corrupt(db.file, `it names ${rows.length} topics where there were ${expected}`);
  const topics = rows.map((row) => topicOf(db, row));
  // In a damaged page one row may stand in the place of another one, each with its own sum.
  if (new Set(topics.map(({ name }) => name)).size < expected) throw corrupt(db.file, 'it names a topic twice');
  return topics;
}

function topicOf(db: Database, row: Row): TopicRow {
  const topic: TopicRow = {
    name: textIn(row, 'name', db.file),
    partitions: numberIn(row, 'partitions', db.file),
    cleanup: textIn(row, 'cleanup', db.file) === 'compact' ? 'compact' : 'keep',
    slot: numberIn(row, 'slot', db.file),
  };
  checkSum(db, row, topicCrc(topic), `the row of topic ${topic.name}`);
  return topic;
}

/** Adds the topic with empty partitions in the next free slots. */
export function insertTopic(db: Database, store: StoreRow, spec: TopicSpec): void {
  const topic: TopicRow = { name: spec.name, partitions: spec.partitions, cleanup: spec.cleanup, slot: store.slots };
  db.run(
    'INSERT INTO topics (name, partitions, cleanup, slot, crc) VALUES (?, ?, ?, ?, ?)',
    topic.name,
    topic.partitions,
    topic.cleanup,
    topic.slot,
    topicCrc(topic),
  );
  for (let slot = topic.slot; slot < topic.slot + topic.partitions; slot++) writeHead(db, slot, 0);
  writeStore(db, { ...store, topics: store.topics + 1, slots: store.slots + topic.partitions });
}

/** The offset after the last entry of a slot. */
export function readHead(db: Database, slot: number): number {
  const row = db.get('SELECT head, crc FROM heads WHERE slot = ?', slot);
  if (row === undefined) throw corrupt(db.file, `the head of partition slot ${slot} is missing`);
  const head = numberIn(row, 'head', db.file);
  checkSum(db, row, headCrc(slot, head), `the head of partition slot ${slot}`);
  return head;
}

export function writeHead(db: Database, slot: number, head: number): void {
  db.run('INSERT OR REPLACE INTO heads (slot, head, crc) VALUES (?, ?, ?)', slot, head, headCrc(slot, head));
}

/** The epoch of the owner's newest writer; 0 if it never had one. */
export function readOwnerEpoch(db: Database, owner: string): number {
  const row = db.get('SELECT epoch, crc FROM owners WHERE owner = ?', owner);
  if (row === undefined) return 0;
  const epoch = numberIn(row, 'epoch', db.file);
  checkSum(db, row, ownerCrc(owner, epoch), `the row of owner ${owner}`);
  return epoch;
}

export function writeOwnerEpoch(db: Database, owner: string, epoch: number): void {
  db.run('INSERT OR REPLACE INTO owners (owner, epoch, crc) VALUES (?, ?, ?)', owner, epoch, ownerCrc(owner, epoch));
}

/** @param at the offset of its first entry. @param place where its value stands, unless in the row. */
export function insertRow(
  db: Database,
  { topic, partition, members, key, value, headers }: NewRow,
  at: number,
  place: Placement | undefined,
): void {
  const count = members.length;
  db.run(
    'INSERT INTO entries (id, count, crc, headers, key, value, segment, position, length) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    entryId(topic.slot + partition, at),
    count,
    count === 1 ? entryChecksum(topic.name, partition, at, key, value, headers) : packedChecksum(topic.name, partition, at, count, value),
    headers,
    key ?? null,
    place === undefined ? value : null,
    place?.segment ?? null,
    place?.position ?? null,
    place?.bytes ?? null,
  );
}

/** One entry, or several, as the row has it; a value in a segment is still to be read. */
export interface EntryRow {
  /** Offset of its first entry. */
  readonly at: number;
  readonly count: number;
  readonly crc: number;
  readonly headers: string;
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array | Placement;
}

/**
 * Rows of the entries [from, head) in order until the consumer stops; none may be missing. The first may begin before `from`. Synchronous: see
 * `Database.iterate`.
 */
export function* rowsFrom(db: Database, topic: TopicRow, partition: number, from: number, head: number): Generator<EntryRow> {
  const slot = topic.slot + partition;
  const begin = entryId(slot, from);
  const rows = db.iterate(
    `SELECT id, count, crc, headers, key, value, segment, position, length FROM entries
      WHERE id >= coalesce((SELECT max(id) FROM entries WHERE id <= ? AND id >= ?), ?) AND id < ? ORDER BY id`,
    begin,
    entryId(slot, 0),
    begin,
    entryId(slot, head),
  );
  let next = from;
  for (const row of rows) {
    const at = numberIn(row, 'id', db.file) - entryId(slot, 0);
    const count = numberIn(row, 'count', db.file);
    const isNext = next === from ? at <= next && at + count > next : at === next;
    if (!isNext) throw corrupt(db.file, `${placeOf(topic, partition, next)} is missing`);
    if (count < 1 || at + count > head)
      throw corrupt(db.file, `${placeOf(topic, partition, at)} is one of ${count}, and ${head} were committed`);
    yield {
      at,
      count,
      crc: numberIn(row, 'crc', db.file),
      headers: textIn(row, 'headers', db.file),
      key: row['key'] === null ? undefined : bytesIn(row, 'key', db.file),
      value: row['value'] === null ? placementIn(db, row) : bytesIn(row, 'value', db.file),
    };
    next = at + count;
  }
  if (next < head) throw corrupt(db.file, `${placeOf(topic, partition, next)} is missing, although ${head} entries were committed`);
}

export const placeOf = (topic: TopicRow, partition: number, at: number): string => `entry ${at} of ${topic.name}/${partition}`;

/** No segment is near so long; beyond it lie numbers that the system does not take for a place in a file. */
const PLACE_LIMIT = 2 ** 48;

function placementIn(db: Database, row: Row): Placement {
  const placement = {
    segment: numberIn(row, 'segment', db.file),
    position: numberIn(row, 'position', db.file),
    bytes: numberIn(row, 'length', db.file),
  };
  const { position, bytes } = placement;
  // Nothing is set apart for a value that can't be one.
  if (position < 0 || position > PLACE_LIMIT || bytes < 0 || bytes > ENTRY_LIMIT_BYTES)
    throw corrupt(db.file, `a row names a value of ${bytes} bytes at ${position}`);
  return placement;
}

export interface SegmentRow {
  readonly segment: number;
  /** So many bytes of it may be named by rows. */
  readonly bytes: number;
}

const segmentCrc = ({ segment, bytes }: SegmentRow): number => rowChecksum('segment', segment, bytes);

/** A new one, without bytes. @returns its number. */
export function addSegment(db: Database): number {
  const segment = numberIn(db.get('SELECT coalesce(max(segment), 0) AS n FROM segments'), 'n', db.file) + 1;
  writeSegment(db, { segment, bytes: 0 });
  return segment;
}

/** Counts the values of a commit among what rows may name. */
export function extendSegment(db: Database, { segment, position, bytes }: Placement): void {
  const row = db.get('SELECT segment, bytes, crc FROM segments WHERE segment = ?', segment);
  if (row === undefined) throw corrupt(db.file, `the row of segment ${segment} is missing`);
  writeSegment(db, { segment, bytes: Math.max(segmentOf(db, row).bytes, position + bytes) });
}

export function readSegments(db: Database): SegmentRow[] {
  return db.all('SELECT segment, bytes, crc FROM segments ORDER BY segment').map((row) => segmentOf(db, row));
}

/** Of all of them together. */
export function segmentBytes(db: Database): number {
  return numberIn(db.get('SELECT coalesce(sum(bytes), 0) AS n FROM segments'), 'n', db.file);
}

function writeSegment(db: Database, row: SegmentRow): void {
  db.run('INSERT OR REPLACE INTO segments (segment, bytes, crc) VALUES (?, ?, ?)', row.segment, row.bytes, segmentCrc(row));
}

function segmentOf(db: Database, row: Row): SegmentRow {
  const segment = { segment: numberIn(row, 'segment', db.file), bytes: numberIn(row, 'bytes', db.file) };
  checkSum(db, row, segmentCrc(segment), `the row of segment ${segment.segment}`);
  return segment;
}

function entryId(slot: number, at: number): number {
  return slot * PARTITION_LIMIT_ENTRIES + at;
}

function checkSum(db: Database, row: Row, expected: number, what: string): void {
  if (numberIn(row, 'crc', db.file) !== expected) throw corrupt(db.file, `${what} does not match its check sum`);
}
