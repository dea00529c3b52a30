/** Requests of transactions: their coordinator, producer ids, partitions, ends, and who still has one open. */
import { type Api, byTopic, type PartitionAddress, writePartitions } from './api.ts';

export interface Coordinator {
  readonly error: number;
  readonly node: number;
  readonly host: string;
  readonly port: number;
}

const TRANSACTION = 1;

export const findCoordinator: Api<string, Coordinator> = {
  name: 'FindCoordinator',
  key: 10,
  version: 2,
  flexible: false,
  encode: (out, transactionalId) => out.string(transactionalId).int8(TRANSACTION),
  decode(answer) {
    answer.int32();
    const error = answer.int16();
    answer.nullableString();
    return { error, node: answer.int32(), host: answer.string(), port: answer.int32() };
  },
};

/** What the broker knows a producer by. Batches of an older epoch are refused: that is the fence. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
}

/** For a writer that is not known yet. */
export const NO_PRODUCER: ProducerIdentity = { id: -1n, epoch: -1 };

/**
 * Ends whatever transaction the id has open, and raises its epoch. With `current`, only if that is still the newest one, so that a
 * writer that was fenced unknowingly does not fence its successor (KIP-360).
 */
export const initProducerId: Api<
  { readonly transactionalId: string; readonly timeoutMs: number; readonly current: ProducerIdentity },
  ProducerIdentity & { readonly error: number }
> = {
  name: 'InitProducerId',
  key: 22,
  version: 4,
  flexible: true,
  encode: (out, { transactionalId, timeoutMs, current }) =>
    out.compactString(transactionalId).int32(timeoutMs).int64(current.id).int16(current.epoch).tags(),
  decode(answer) {
    answer.int32();
    return { error: answer.int16(), id: answer.bigint(), epoch: answer.int16() };
  },
};

interface TransactionQuery {
  readonly transactionalId: string;
  readonly producer: ProducerIdentity;
}

/** Begins the transaction with its first partitions. */
export const addPartitions: Api<
  TransactionQuery & { readonly partitions: readonly PartitionAddress[] },
  readonly (PartitionAddress & { readonly error: number })[]
> = {
  name: 'AddPartitionsToTxn',
  key: 24,
  version: 2,
  flexible: false,
  encode(out, { transactionalId, producer, partitions }) {
    out.string(transactionalId).int64(producer.id).int16(producer.epoch);
    out.array(byTopic(partitions), ([topic, group]) => out.string(topic).array(group, ({ partition }) => out.int32(partition)));
  },
  decode(answer) {
    answer.int32();
    const topics = answer.array(() => {
      const topic = answer.string();
      return answer.array(() => ({ topic, partition: answer.int32(), error: answer.int16() }));
    });
    return topics.flat();
  },
};

/** Commits. (To abort, writers raise their epoch, which also keeps late batches out.) Answers the error. */
export const endTransaction: Api<TransactionQuery, number> = {
  name: 'EndTxn',
  key: 26,
  version: 2,
  flexible: false,
  encode: (out, { transactionalId, producer }) => out.string(transactionalId).int64(producer.id).int16(producer.epoch).boolean(true),
  decode(answer) {
    answer.int32();
    return answer.int16();
  },
};

export interface TransactionState {
  readonly error: number;
  /** Of the newest transaction: Empty (none since the epoch was raised), Ongoing, PrepareCommit, CompleteCommit, PrepareAbort, CompleteAbort and others. */
  readonly state: string;
  /** Survives raised epochs, until they run out after some 32,000. */
  readonly producerId: bigint;
  readonly epoch: number;
}

/** What the coordinator knows of a transactional id, before its epoch is raised. */
export const describeTransaction: Api<string, TransactionState> = {
  name: 'DescribeTransactions',
  key: 65,
  version: 0,
  flexible: true,
  encode: (out, transactionalId) => out.compactArray([transactionalId], (id) => out.compactString(id)).tags(),
  decode(answer) {
    answer.int32();
    const [state] = answer.compactArray(() => {
      const error = answer.int16();
      answer.compactString();
      const name = answer.compactString();
      answer.int32();
      answer.int64();
      // The rest are its partitions.
      return { error, state: name, producerId: answer.bigint(), epoch: answer.int16() };
    });
    return state ?? { error: -1, state: '', producerId: NO_PRODUCER.id, epoch: NO_PRODUCER.epoch };
  },
};

export interface PartitionProducer {
  readonly id: bigint;
  /** It began a transaction there that is not over. */
  readonly isOpen: boolean;
}

export interface PartitionProducers extends PartitionAddress {
  readonly error: number;
  readonly producers: readonly PartitionProducer[];
}

/** Who wrote to partitions lately (a day, by the broker's default). */
export const describeProducers: Api<readonly PartitionAddress[], readonly PartitionProducers[]> = {
  name: 'DescribeProducers',
  key: 61,
  version: 0,
  flexible: true,
  encode: writePartitions,
  decode(answer) {
    answer.int32();
    const topics = answer.compactArray(() => {
      const topic = answer.compactString();
      const partitions = answer.compactArray(() => {
        const partition = answer.int32();
        const error = answer.int16();
        answer.compactNullableString();
        const producers = answer.compactArray(() => {
          const id = answer.bigint();
          answer.int32();
          answer.int32();
          answer.int64();
          answer.int32();
          const isOpen = answer.int64() >= 0;
          answer.skipTags();
          return { id, isOpen };
        });
        answer.skipTags();
        return { topic, partition, error, producers };
      });
      answer.skipTags();
      return partitions;
    });
    return topics.flat();
  },
};
