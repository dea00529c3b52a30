/**
 * Somebody's topic as a source (engine/contract/source.ts): its committed records with everything that stands beside their values. Nothing is
 * written, no group is joined, no offset is committed: what was read stands in the run's own log.
 */
import {
  type ExternalLimits,
  type ExternalRead,
  type ExternalRecord,
  type ExternalTopic,
  MizuError,
  nearNames,
  type Offset,
  offset,
} from '#engine';
import { parseBrokers } from './address.ts';
import { type AnswerMemory, takeRecords } from './answer-memory.ts';
import type { PartitionAddress } from './api.ts';
import type { BrokerAddress } from './api-cluster.ts';
import { EARLIEST, type Fetched, fetch, LATEST } from './api-data.ts';
import { Cluster, type Links } from './cluster.ts';
import { type Asked, assertAnswer, isRetriable, Refusal } from './failures.ts';
import { FetchedRecords, type RawRecord, rawHeaders } from './fetched-records.ts';
import { KnownEnds, pauseFor } from './known-ends.ts';
import { FETCH_LEAST_BYTES, FETCH_MOST_BYTES, RETRY_DEADLINE_MS } from './limits.ts';
import { askOffset, askOffsets } from './reader.ts';
import { Pauses, retrying } from './retry.ts';
import { connectionSecurity, type KafkaSecurity } from './security.ts';
import { Waiters } from './waiters.ts';

const OFFSET_OUT_OF_RANGE = 1;
const UNKNOWN_TOPIC = 3;
/** About what a record has on disk beside key and value. */
const RECORD_HEAD_BYTES = 16;
/** Records differ, and a fetch begins with the whole batch in which its offset lies. */
const FETCH_ROOM = 1.1;
/** Kafka's own topics; nobody means one of them. */
const INTERNAL = '__';

export interface KafkaTopicOptions {
  /** `kafka://host:port[,host:port]`; a network after it is not looked at. */
  readonly url: string;
  readonly topic: string;
  readonly security?: KafkaSecurity | undefined;
  /** Where to connect for an address that the cluster advertises: tunnels, port forwards. Default: there. */
  readonly dial?: ((broker: BrokerAddress) => BrokerAddress) | undefined;
}

/** @throws USAGE for an address that is none, LOG_UNAVAILABLE when no broker answers, LOG_REFUSED without the right to read, NOT_FOUND with names that are near. */
export async function openKafkaTopic(options: KafkaTopicOptions): Promise<ExternalTopic> {
  const { topic, url } = options;
  const cluster = new Cluster(parseBrokers(url), {
    clientId: 'mizu-source',
    ...connectionSecurity(options.security),
    dial: options.dial ?? ((broker) => broker),
  });
  try {
    await cluster.open();
    return new KafkaTopic(topic, await partitionsOf(cluster, topic, url), cluster);
  } catch (error) {
    cluster.close();
    throw error;
  }
}

async function partitionsOf(cluster: Cluster, topic: string, url: string): Promise<number> {
  const asked: Asked = { what: `find topic ${topic}`, acl: `DESCRIBE on topic ${topic}` };
  const state = await retrying(RETRY_DEADLINE_MS, () => cluster.describe([topic]));
  const found = state.topics.find((candidate) => candidate.topic === topic);
  if (found !== undefined && found.error === 0 && found.partitions.length > 0) return found.partitions.length;
  if (found !== undefined && found.error !== 0 && found.error !== UNKNOWN_TOPIC) assertAnswer(found.error, asked);
  const all = await retrying(RETRY_DEADLINE_MS, () => cluster.describe(null));
  const names = all.topics.filter(({ topic: name, error }) => error === 0 && !name.startsWith(INTERNAL)).map(({ topic: name }) => name);
  throw new MizuError('NOT_FOUND', `There is no topic '${topic}' at ${url}`, {
    component: topic,
    hint: names.length === 0 ? 'This user sees no topics there; a missing permission (DESCRIBE) looks the same.' : nearNames(topic, names),
  });
}

/** What was fetched of a partition and not yet given. */
interface Ahead {
  /** Where the reader that it is for goes on. */
  readonly position: number;
  readonly records: FetchedRecords;
  /** Held for these records; undefined when there are none. */
  readonly memory: AnswerMemory | undefined;
  readonly lastStable: number;
  /** Taken out, and beyond what was asked for. */
  readonly held: RawRecord | undefined;
}

class KafkaTopic implements ExternalTopic {
  readonly name: string;
  readonly partitions: number;
  readonly #cluster: Cluster;
  readonly #links: Links;
  readonly #waiters: Waiters;
  readonly #known = new KnownEnds(({ partition }) => this.#offset(partition, LATEST));
  /** One for each partition, so at most one fetch of each is held (law 6). */
  readonly #ahead = new Map<number, Ahead>();
  /** What a record took on average when some were read last; undefined before. */
  #recordBytes: number | undefined;

  constructor(name: string, partitions: number, cluster: Cluster) {
    this.name = name;
    this.partitions = partitions;
    this.#cluster = cluster;
    this.#links = cluster.links();
    this.#waiters = new Waiters({
      cluster,
      end: ({ partition }) => this.#offset(partition, LATEST),
      offer: ({ partition }, from, fetched) => {
        if (fetched.records.length > 0) this.#keepAhead(partition, this.#aheadOf(partition, from, fetched));
      },
    });
  }

  start(partition: number): Promise<Offset> {
    return this.#offset(partition, EARLIEST);
  }

  async end(partition: number): Promise<Offset> {
    return offset(await this.#known.end({ topic: this.name, partition }));
  }

  ends(): Promise<readonly Offset[]> {
    return retrying(RETRY_DEADLINE_MS, async () => {
      try {
        return await this.#ends();
      } catch (error) {
        if (isRetriable(error)) this.#cluster.forget(this.name);
        throw error;
      }
    });
  }

  async read(partition: number, from: Offset, { maxBytes, until }: ExternalLimits): Promise<ExternalRead> {
    const limit = until ?? Number.POSITIVE_INFINITY;
    const pauses = new Pauses(RETRY_DEADLINE_MS);
    for (let position: number = from; position < limit; ) {
      const kept = this.#takeAhead(partition, position);
      const ahead = kept ?? (await this.#fetch(partition, position, this.#bytesFor(limit - position, maxBytes)));
      const { records, next, free } = this.#take(partition, ahead, maxBytes, limit);
      if (records.length > 0 || next >= limit) return { records, next: offset(Math.min(next, limit)), free };
      // Only markers and aborted records so far: the end is reached, or there is more behind them. What was kept knows an old end.
      const place = { topic: this.name, partition };
      if (kept === undefined && next >= ahead.lastStable && (await this.#known.isEnd(place, next, ahead.lastStable)))
        return { records, next: offset(next) };
      if (kept === undefined && next === position) await pauseFor(place, pauses);
      position = next;
    }
    return { records: [], next: from };
  }

  waitBeyond(partition: number, position: Offset, signal: AbortSignal): Promise<boolean> {
    return this.#waiters.wait({ topic: this.name, partition }, position, signal);
  }

  async close(): Promise<void> {
    this.#waiters.close();
    this.#cluster.close();
  }

  /** Records below the limit, until the bytes are passed; what is left waits for the next read. */
  #take(
    partition: number,
    ahead: Ahead,
    maxBytes: number,
    limit: number,
  ): { records: ExternalRecord[]; next: number; free: (() => void) | undefined } {
    const records: ExternalRecord[] = [];
    let bytes = 0;
    let held = ahead.held;
    while (bytes < maxBytes) {
      const record = held ?? ahead.records.take();
      held = undefined;
      if (record === undefined) break;
      if (record.offset >= limit) {
        held = record;
        break;
      }
      records.push(toExternal(record));
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    }
    if (records.length > 0) this.#recordBytes = bytes / records.length + RECORD_HEAD_BYTES;
    const next = held === undefined ? ahead.records.next : limit;
    const free = records.length > 0 ? ahead.memory?.share() : undefined;
    if (held !== undefined || ahead.records.hasMore) this.#keepAhead(partition, { ...ahead, position: next, held });
    else ahead.memory?.letGo();
    return { records, next, free };
  }

  /** Not much more than so many records take: what lies beyond a range is for other readers, and fetched again for the next one here. */
  #bytesFor(records: number, maxBytes: number): number {
    if (this.#recordBytes === undefined) return maxBytes;
    return Math.min(maxBytes, Math.ceil(records * this.#recordBytes * FETCH_ROOM) + FETCH_LEAST_BYTES / 2);
  }

  #takeAhead(partition: number, position: number): Ahead | undefined {
    const ahead = this.#ahead.get(partition);
    this.#ahead.delete(partition);
    if (ahead?.position === position) return ahead;
    ahead?.memory?.letGo();
    return undefined;
  }

  #keepAhead(partition: number, ahead: Ahead): void {
    this.#ahead.get(partition)?.memory?.letGo();
    this.#ahead.set(partition, ahead);
  }

  #aheadOf(partition: number, position: number, fetched: Fetched): Ahead {
    this.#known.note({ topic: this.name, partition }, fetched.lastStable);
    const { records, memory } = takeRecords(fetched);
    const found = new FetchedRecords(`${this.name}/${partition}`, records, fetched.aborted, position);
    return { position, records: found, memory, lastStable: fetched.lastStable, held: undefined };
  }

  async #fetch(partition: number, from: number, bytes: number): Promise<Ahead> {
    const place = { topic: this.name, partition };
    const asked: Asked = { what: `read ${this.name}/${partition}`, acl: `READ on topic ${this.name}` };
    const maxBytes = Math.min(Math.max(bytes, FETCH_LEAST_BYTES), FETCH_MOST_BYTES);
    const fetched = await this.#cluster.askLeader(place, this.#links, async (link) => {
      const { error, partitions } = await link.call(fetch, { maxWaitMs: 0, maxBytes, partitions: [{ ...place, from, maxBytes }] });
      assertAnswer(error, asked);
      const [answer] = partitions;
      if (answer === undefined) throw new Refusal(UNKNOWN_TOPIC, asked);
      if (answer.error !== OFFSET_OUT_OF_RANGE) assertAnswer(answer.error, asked);
      return answer;
    });
    if (fetched.error === 0) return this.#aheadOf(partition, from, fetched);
    // As it is now: of a topic that was made again, less than was told before.
    const [start, end] = [await this.start(partition), await this.#offset(partition, LATEST)];
    throw new MizuError(
      'SOURCE_UNAVAILABLE',
      `unavailable: topic '${this.name}', partition ${partition}, from offset ${from} on; it holds ${start} to ${end}`,
      {
        component: this.name,
        hint:
          from < start
            ? 'Its retention has taken what was not read yet. Lengthen it; a new generation (--new-generation) begins at what is there.'
            : 'It was deleted and made again. A new generation (--new-generation) begins at what is there.',
      },
    );
  }

  /** One question for each broker that leads some of them. */
  async #ends(): Promise<readonly Offset[]> {
    const byNode = new Map<number, PartitionAddress[]>();
    for (let partition = 0; partition < this.partitions; partition++) {
      const place = { topic: this.name, partition };
      const node = await this.#cluster.leader(place);
      const places = byNode.get(node);
      if (places === undefined) byNode.set(node, [place]);
      else places.push(place);
    }
    const ends = new Array<Offset>(this.partitions);
    const asking = [...byNode].map(async ([node, places]) => askOffsets(await this.#links.to(node), places, LATEST));
    for (const found of await Promise.all(asking)) for (const { partition, offset: end } of found) ends[partition] = offset(end);
    return ends;
  }

  async #offset(partition: number, timestamp: typeof EARLIEST | typeof LATEST): Promise<Offset> {
    const place = { topic: this.name, partition };
    return offset(await this.#cluster.askLeader(place, this.#links, (link) => askOffset(link, place, timestamp)));
  }
}

function toExternal(record: RawRecord): ExternalRecord {
  return {
    offset: offset(record.offset),
    key: record.key,
    value: record.value ?? undefined,
    timestampMs: record.timestamp,
    headers: rawHeaders(record),
  };
}
