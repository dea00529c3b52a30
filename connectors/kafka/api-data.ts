/** Requests of the data path: produce, fetch, offsets. Versions that brokers from 3.3 to 4.x speak. */
import { AnswerMemory } from './answer-memory.ts';
import { type Api, byTopic, type PartitionAddress } from './api.ts';
import type { WireReader } from './wire.ts';

const READ_COMMITTED = 1;

export interface ProduceQuery {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  readonly batches: readonly (PartitionAddress & { readonly batch: Buffer })[];
}

export interface Produced extends PartitionAddress {
  readonly error: number;
  readonly baseOffset: number;
}

/** Every in-sync replica has the batches when this is answered. */
export const produce: Api<ProduceQuery, readonly Produced[]> = {
  name: 'Produce',
  key: 0,
  version: 7,
  flexible: false,
  encode(out, { transactionalId, timeoutMs, batches }) {
    const ALL_IN_SYNC_REPLICAS = -1;
    out.string(transactionalId).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs);
    out.array(byTopic(batches), ([topic, group]) => {
      out.string(topic).array(group, ({ partition, batch }) => out.int32(partition).bytesByReference(batch));
    });
  },
  decode: (answer) =>
    partitions(answer, (topic) => {
      const produced = { topic, partition: answer.int32(), error: answer.int16(), baseOffset: answer.int64() };
      answer.int64();
      answer.int64();
      return produced;
    }),
};

export interface FetchQuery {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly partitions: readonly (PartitionAddress & { readonly from: number; readonly maxBytes: number })[];
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

export interface Fetched extends PartitionAddress {
  readonly error: number;
  /** Entries below are decided: committed or aborted. */
  readonly lastStable: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Whole batches, and perhaps a part of one more. */
  readonly records: Buffer;
  /** Held once for these records, if there are any: whoever takes them lets go of it. */
  readonly memory: AnswerMemory;
}

export interface FetchAnswer {
  readonly error: number;
  readonly partitions: readonly Fetched[];
}

const NOTHING = Buffer.alloc(0);

/** Without a session: every partition is in each request and each answer. */
export const fetch: Api<FetchQuery, FetchAnswer> = {
  name: 'Fetch',
  key: 1,
  version: 11,
  flexible: false,
  encode(out, query) {
    out.int32(-1).int32(query.maxWaitMs).int32(1).int32(query.maxBytes).int8(READ_COMMITTED).int32(0).int32(-1);
    out.array(byTopic(query.partitions), ([topic, group]) => {
      out.string(topic).array(group, ({ partition, from, maxBytes }) => {
        out.int32(partition).int32(-1).int64(from).int64(-1).int32(maxBytes);
      });
    });
    out.int32(0).string('');
  },
  decode(answer) {
    answer.int32();
    const error = answer.int16();
    answer.int32();
    const memory = new AnswerMemory(answer.whole);
    return { error, partitions: partitions(answer, (topic) => fetchedPartition(topic, answer, memory)) };
  },
};

function fetchedPartition(topic: string, answer: WireReader, memory: AnswerMemory): Fetched {
  const partition = answer.int32();
  const error = answer.int16();
  answer.int64();
  const lastStable = answer.int64();
  answer.int64();
  const aborted = answer.array(() => ({ producerId: answer.bigint(), firstOffset: answer.int64() }));
  answer.int32();
  const records = answer.nullableBytes() ?? NOTHING;
  if (records.length > 0) memory.hold();
  return { topic, partition, error, lastStable, aborted, records, memory };
}

/** The special timestamps that ask for the first and for the last offset. */
export const EARLIEST = -2;
export const LATEST = -1;

export interface ListOffsetsQuery {
  /** For `LATEST`: the last stable offset instead of the one after the last replicated entry. */
  readonly committed: boolean;
  readonly timestamp: typeof EARLIEST | typeof LATEST;
  readonly partitions: readonly PartitionAddress[];
}

export interface ListedOffset extends PartitionAddress {
  readonly error: number;
  readonly offset: number;
}

export const listOffsets: Api<ListOffsetsQuery, readonly ListedOffset[]> = {
  name: 'ListOffsets',
  key: 2,
  version: 2,
  flexible: false,
  encode(out, query) {
    out.int32(-1).int8(query.committed ? READ_COMMITTED : 0);
    out.array(byTopic(query.partitions), ([topic, group]) => {
      out.string(topic).array(group, ({ partition }) => out.int32(partition).int64(query.timestamp));
    });
  },
  decode(answer) {
    answer.int32();
    return partitions(answer, (topic) => {
      const partition = answer.int32();
      const error = answer.int16();
      answer.int64();
      return { topic, partition, error, offset: answer.int64() };
    });
  },
};

function partitions<T>(answer: WireReader, read: (topic: string) => T): T[] {
  return answer
    .array(() => {
      const topic = answer.string();
      return answer.array(() => read(topic));
    })
    .flat();
}
