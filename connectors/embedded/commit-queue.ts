/**
 * Commits of all writers of one handle. What waits while one transaction is on its way goes into the next one together: its large values are put on disk at
 * once, and the rows of all of them are one commit of SQLite, which waits for the disk once. Each writer's commit stays its own: one that may not be is left
 * out, and where rows can't be written, each is tried by itself.
 */
import { type Admitted, freeBytes, type LogLimits, MizuError, type Offset, offset } from '#engine';
import type { Database } from './database.ts';
import { PARTITION_LIMIT_ENTRIES, SEGMENT_COMMIT_BYTES, SEGMENT_VALUE_BYTES } from './limits.ts';
import { type NewRow, rowsOf } from './new-rows.ts';
import type { Placement, SegmentWriter } from './segments.ts';
import { extendSegment, insertRow, readHead, type TopicRow, writeHead } from './tables.ts';

export interface CommitRequest {
  readonly admitted: readonly Admitted[];
  readonly topics: ReadonlyMap<string, TopicRow>;
  /** Throws what refuses it; reads the database. */
  readonly assertAllowed: () => void;
}

interface Waiting extends CommitRequest {
  readonly bytes: number;
  readonly rows: readonly NewRow[];
  readonly large: readonly Uint8Array[];
  readonly resolve: (offsets: readonly Offset[]) => void;
  readonly reject: (error: unknown) => void;
}

/** One that waits, and where its large values stand, if not in the rows. */
interface Placed {
  readonly waiting: Waiting;
  readonly place: Placement | undefined;
}

export class CommitQueue {
  readonly #db: Database;
  readonly #values: SegmentWriter;
  readonly #limits: LogLimits;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(db: Database, values: SegmentWriter, limits: LogLimits) {
    this.#db = db;
    this.#values = values;
    this.#limits = limits;
  }

  /** Resolves when it is on disk. @throws what refuses it, and what the store throws. */
  async commit(request: CommitRequest): Promise<readonly Offset[]> {
    if (this.#closed)
      throw new MizuError('LOG_UNAVAILABLE', `The log ${this.#db.file} was closed in this process`, { component: this.#db.file });
    const bytes = request.admitted.reduce((sum, one) => sum + one.bytes, 0);
    const rows = rowsOf(request.admitted, request.topics);
    const large = rows.map(({ value }) => value).filter(isLarge);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.push({ ...request, bytes, rows, large, resolve, reject });
        this.#running ??= this.#drain();
      });
    } finally {
      for (const { members, value } of rows) if (members.length > 1) freeBytes(value);
    }
  }

  /** Ends what is on its way, and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#commitAll(group);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && bytes + waiting.bytes > this.#limits.commitBytes) break;
      bytes += waiting.bytes;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #commitAll(group: readonly Waiting[]): Promise<void> {
    const allowed = await this.#allowed(group);
    if (allowed.length === 0) return;
    const place = await this.#placeLarge(allowed);
    const placed = placedEach(allowed, place);
    const kept = await this.#insertAll(placed)
      .catch((error: unknown) => {
        if (placed.length === 1 || isOfAll(error)) throw error;
        return this.#insertEach(placed);
      })
      .catch(async (error: unknown) => {
        if (place !== undefined && !isUnknown(error)) await this.#values.release(place);
        throw error;
      });
    if (!kept && place !== undefined) await this.#values.release(place);
  }

  /** Those that are not refused already: their large values are not worth writing. */
  async #allowed(group: readonly Waiting[]): Promise<readonly Waiting[]> {
    if (!group.some(({ large }) => large.length > 0)) return group;
    return this.#db.look(() => group.filter((waiting) => !refuses(waiting)));
  }

  async #placeLarge(group: readonly Waiting[]): Promise<Placement | undefined> {
    const large = group.flatMap((waiting) => waiting.large);
    if (large.reduce((sum, value) => sum + value.length, 0) < SEGMENT_COMMIT_BYTES) return undefined;
    return this.#values.append(large);
  }

  /** In one transaction. @returns whether one of them was committed. */
  async #insertAll(group: readonly Placed[]): Promise<boolean> {
    const committed = await this.#db.change(() =>
      group.flatMap(({ waiting, place }) => (refuses(waiting) ? [] : [{ waiting, offsets: insert(this.#db, waiting, place) }])),
    );
    for (const { waiting, offsets } of committed) waiting.resolve(offsets);
    return committed.length > 0;
  }

  /** One transaction for each: something is wrong with at least one of them. */
  async #insertEach(group: readonly Placed[]): Promise<boolean> {
    let kept = false;
    for (const placed of group) {
      try {
        kept = (await this.#insertAll([placed])) || kept;
      } catch (error) {
        // What may be on disk keeps its values.
        kept ||= isUnknown(error);
        placed.waiting.reject(error);
      }
    }
    return kept;
  }
}

const isLarge = (value: Uint8Array): boolean => value.length >= SEGMENT_VALUE_BYTES;

/** Whether what was being committed may be there. */
const isUnknown = (error: unknown): boolean => error instanceof MizuError && error.code === 'LOG_UNKNOWN_OUTCOME';

/** Whether each by itself would end the same. */
const isOfAll = (error: unknown): boolean =>
  error instanceof MizuError && ['LOG_UNKNOWN_OUTCOME', 'LOG_BUSY', 'LOG_UNAVAILABLE'].includes(error.code);

/** Rejects one that may not be. */
function refuses({ assertAllowed, reject }: Waiting): boolean {
  try {
    assertAllowed();
    return false;
  } catch (error) {
    reject(error);
    return true;
  }
}

/** Each one's part of what all of them placed. */
function placedEach(group: readonly Waiting[], all: Placement | undefined): Placed[] {
  let position = all?.position ?? 0;
  return group.map((waiting) => {
    if (all === undefined) return { waiting, place: undefined };
    const bytes = waiting.large.reduce((sum, value) => sum + value.length, 0);
    const place = { segment: all.segment, position, bytes };
    position += bytes;
    return { waiting, place };
  });
}

/** Inside the transaction: rows in the order of each partition, whose head is moved once. @returns the offset of each entry of the commit. */
function insert(db: Database, { admitted, rows }: Waiting, large: Placement | undefined): Offset[] {
  const heads = new Map<number, number>();
  let position = large?.position ?? 0;
  const placed = (value: Uint8Array): Placement | undefined => {
    if (large === undefined || !isLarge(value)) return undefined;
    const place = { segment: large.segment, position, bytes: value.length };
    position += value.length;
    return place;
  };
  const offsets = new Array<Offset>(admitted.length);
  for (const row of rows) {
    const { topic, partition, members, value } = row;
    const slot = topic.slot + partition;
    const at = heads.get(slot) ?? readHead(db, slot);
    if (at + members.length > PARTITION_LIMIT_ENTRIES) {
      throw new MizuError('LOG_LIMIT', `${topic.name}/${partition} is full: it holds ${at} of at most ${PARTITION_LIMIT_ENTRIES} entries`, {
        hint: 'Go on in a new generation, or use more partitions.',
      });
    }
    insertRow(db, row, at, placed(value));
    for (const [n, member] of members.entries()) offsets[member] = offset(at + n);
    heads.set(slot, at + members.length);
  }
  for (const [slot, head] of heads) writeHead(db, slot, head);
  if (large !== undefined && large.bytes > 0) extendSegment(db, large);
  return offsets;
}
