/** Reads committed entries of partitions, and says where they end. What a fetch brought beyond a read waits for the next one. */
import { setImmediate as othersTurn } from 'node:timers/promises';
import { type LogEntry, type Offset, offset, type ReadOptions, type ReadResult } from '#engine';
import { type AnswerMemory, takeRecords } from './answer-memory.ts';
import type { PartitionAddress } from './api.ts';
import { EARLIEST, type Fetched, fetch, LATEST, listOffsets } from './api-data.ts';
import type { Cluster, Links } from './cluster.ts';
import { type Asked, assertAnswer, Refusal } from './failures.ts';
import { FetchedRecords, toEntry } from './fetched-records.ts';
import {
  FETCH_LEAST_BYTES,
  FETCH_MOST_BYTES,
  READ_AHEAD_BYTES,
  READ_DEFAULT_BYTES,
  READ_DEFAULT_ENTRIES,
  RETRY_DEADLINE_MS,
} from './limits.ts';
import { KnownEnds, pauseFor } from './known-ends.ts';
import type { Link } from './link.ts';
import { Pauses } from './retry.ts';

const OFFSET_OUT_OF_RANGE = 1;
const UNKNOWN_TOPIC = 3;

interface Chunk {
  readonly records: FetchedRecords;
  /** Held for the chunk; undefined when nothing was fetched. */
  readonly memory: AnswerMemory | undefined;
  /** Where everything committed ended when this was fetched. */
  readonly lastStable: number;
}

export class Reader {
  readonly #cluster: Cluster;
  readonly #links: Links;
  readonly #ends = new KnownEnds((place) => this.#offset(place, LATEST));
  /** By partition and next offset, oldest first. */
  readonly #ahead = new Map<string, Chunk>();
  #aheadBytes = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#links = cluster.links();
  }

  async read(place: PartitionAddress, from: Offset, options: ReadOptions): Promise<ReadResult> {
    const { maxEntries = READ_DEFAULT_ENTRIES, maxBytes = READ_DEFAULT_BYTES } = options;
    const pauses = new Pauses(RETRY_DEADLINE_MS);
    let position: number = from;
    for (;;) {
      const ahead = await this.#takeAhead(place, position);
      const chunk = ahead ?? (await this.#fetch(place, position, maxBytes));
      if (chunk === undefined) {
        if (await this.#ends.isEnd(place, position, 0)) return { entries: [], next: offset(position) };
        await pauseFor(place, pauses);
        continue;
      }
      const entries = takeEntries(chunk.records, maxEntries, maxBytes);
      chunk.records.passMarkers();
      const next = chunk.records.next;
      if (entries.length > 0) {
        const free = chunk.memory?.share();
        this.#keepAhead(place, chunk);
        return { entries, next: offset(next), free };
      }
      chunk.memory?.letGo();
      // Only markers and aborted entries so far: the end is reached, or there is more behind them. Where the end was when
      // something was fetched earlier does not say where it is now.
      if (ahead === undefined && next >= chunk.lastStable && (await this.#ends.isEnd(place, next, chunk.lastStable)))
        return { entries, next: offset(next) };
      if (ahead === undefined && next === position) await pauseFor(place, pauses);
      position = next;
    }
  }

  /** The last stable offset: everything below is committed or aborted. */
  end(place: PartitionAddress): Promise<number> {
    return this.#ends.end(place);
  }

  /** What its leader says now, which may for a moment be less than was told before. */
  endNow(place: PartitionAddress): Promise<number> {
    return this.#offset(place, LATEST);
  }

  /** What a waiting fetch brought along. */
  offer(place: PartitionAddress, from: number, fetched: Fetched): void {
    this.#ends.note(place, fetched.lastStable);
    if (fetched.records.length === 0) return;
    const chunk = chunkOf(place, fetched, from);
    // A writer that waited for its commit brings nothing but the marker, and nobody reads from there.
    chunk.records.passMarkers();
    this.#keepAhead(place, chunk);
  }

  async #fetch(place: PartitionAddress, from: number, bytes: number): Promise<Chunk | undefined> {
    const asked: Asked = { what: `read ${name(place)}`, acl: `READ on topic ${place.topic}` };
    const maxBytes = Math.min(Math.max(bytes, FETCH_LEAST_BYTES), FETCH_MOST_BYTES);
    let position = from;
    for (;;) {
      const query = { maxWaitMs: 0, maxBytes, partitions: [{ ...place, from: position, maxBytes }] };
      const fetched = await this.#cluster.askLeader(place, this.#links, async (link) => {
        const { error, partitions } = await link.call(fetch, query);
        assertAnswer(error, asked);
        const [partition] = partitions;
        if (partition === undefined) throw new Refusal(UNKNOWN_TOPIC, asked);
        if (partition.error !== OFFSET_OUT_OF_RANGE) assertAnswer(partition.error, asked);
        return partition;
      });
      if (fetched.error === 0) {
        this.#ends.note(place, fetched.lastStable);
        return chunkOf(place, fetched, position);
      }
      // Beyond the end there is nothing yet; before the beginning, retention took what was there.
      const earliest = await this.#offset(place, EARLIEST);
      if (position >= earliest) return undefined;
      position = earliest;
    }
  }

  /** The first offset that the broker still holds. */
  begin(place: PartitionAddress): Promise<number> {
    return this.#offset(place, EARLIEST);
  }

  #offset(place: PartitionAddress, timestamp: typeof EARLIEST | typeof LATEST): Promise<number> {
    return this.#cluster.askLeader(place, this.#links, (link) => askOffset(link, place, timestamp));
  }

  async #takeAhead(place: PartitionAddress, from: number): Promise<Chunk | undefined> {
    const key = aheadKey(place, from);
    const chunk = this.#ahead.get(key);
    if (chunk === undefined) return undefined;
    this.#removeAhead(key, chunk);
    // Nothing is waited for here: without this, a loop of reads would keep the event loop to itself.
    await othersTurn();
    return chunk;
  }

  #keepAhead(place: PartitionAddress, chunk: Chunk): void {
    if (!chunk.records.hasMore) return chunk.memory?.letGo();
    const key = aheadKey(place, chunk.records.next);
    const replaced = this.#ahead.get(key);
    if (replaced !== undefined) this.#dropAhead(key, replaced);
    this.#ahead.set(key, chunk);
    this.#aheadBytes += chunk.records.heldBytes;
    for (const [oldest, old] of this.#ahead) {
      if (this.#aheadBytes <= READ_AHEAD_BYTES) break;
      this.#dropAhead(oldest, old);
    }
  }

  #dropAhead(key: string, chunk: Chunk): void {
    this.#removeAhead(key, chunk);
    chunk.memory?.letGo();
  }

  #removeAhead(key: string, chunk: Chunk): void {
    this.#ahead.delete(key);
    this.#aheadBytes -= chunk.records.heldBytes;
  }
}

/** @throws Refusal */
export async function askOffset(link: Link, place: PartitionAddress, timestamp: typeof EARLIEST | typeof LATEST): Promise<number> {
  const [found] = await askOffsets(link, [place], timestamp);
  return found?.offset ?? 0;
}

/** Of partitions that one broker leads. @throws Refusal */
export async function askOffsets(
  link: Link,
  places: readonly PartitionAddress[],
  timestamp: typeof EARLIEST | typeof LATEST,
): Promise<readonly (PartitionAddress & { readonly offset: number })[]> {
  const listed = await link.call(listOffsets, { committed: true, timestamp, partitions: places });
  return places.map((place) => {
    const found = listed.find(({ topic, partition }) => topic === place.topic && partition === place.partition);
    const asked: Asked = { what: `find the offsets of ${name(place)}`, acl: `DESCRIBE on topic ${place.topic}` };
    assertAnswer(found?.error ?? UNKNOWN_TOPIC, asked);
    return { ...place, offset: found?.offset ?? 0 };
  });
}

function chunkOf(place: PartitionAddress, fetched: Fetched, from: number): Chunk {
  const { records, memory } = takeRecords(fetched);
  return { records: new FetchedRecords(name(place), records, fetched.aborted, from), memory, lastStable: fetched.lastStable };
}

/** Entries until a bound is reached; the one that passes the byte bound is the last. */
function takeEntries(records: FetchedRecords, maxEntries: number, maxBytes: number): LogEntry[] {
  const entries: LogEntry[] = [];
  let bytes = 0;
  while (entries.length < maxEntries && (entries.length === 0 || bytes < maxBytes)) {
    const record = records.take();
    if (record === undefined) break;
    const entry = toEntry(record);
    entries.push(entry);
    bytes += entryBytes(entry);
  }
  return entries;
}

function entryBytes({ key, value, headers }: LogEntry): number {
  let bytes = (key?.length ?? 0) + value.length;
  for (const header in headers) bytes += Buffer.byteLength(header) + Buffer.byteLength(headers[header] ?? '');
  return bytes;
}

function name({ topic, partition }: PartitionAddress): string {
  return `${topic}/${partition}`;
}

const aheadKey = (place: PartitionAddress, from: number): string => `${name(place)}@${from}`;
