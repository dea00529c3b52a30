/** Somebody else's topics: made and written with a public client, as the world outside does it. */
import { CompressionTypes, Kafka, logLevel, type Producer } from 'kafkajs';

export interface Outside {
  /** Names made by `topic` are the prefix and the given one. */
  readonly prefix: string;
  topic(name: string, partitions: number, settings?: Readonly<Record<string, string>>): Promise<string>;
  /** Of keys and values as they are; `partition` −1 lets the client choose. */
  send(topic: string, records: readonly OutsideRecord[], how?: 'plain' | 'gzip' | 'commit' | 'abort'): Promise<void>;
  /** Deletes a topic, and makes an empty one of that name. */
  makeAgain(topic: string, partitions: number): Promise<void>;
  /** What retention does. */
  deleteBelow(topic: string, partition: number, offset: number): Promise<void>;
  close(): Promise<void>;
}

export interface OutsideRecord {
  readonly partition: number;
  readonly key?: string | null;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

export async function openOutside(brokers: string, prefix: string): Promise<Outside> {
  // A transaction that follows at once waits for the markers of the one before: the client tries again, and says so as an error.
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20 } });
  const admin = kafka.admin();
  await admin.connect();
  const made: string[] = [];
  const plain = kafka.producer();
  await plain.connect();
  let transactional: Producer | undefined;
  const messagesOf = (records: readonly OutsideRecord[]) =>
    records.map(({ partition, key = null, value, headers }) => ({ partition, key, value, ...(headers === undefined ? {} : { headers }) }));
  return {
    prefix,
    async topic(name, partitions, settings = {}) {
      const topic = `${prefix}${name}`;
      const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
        waitForLeaders: true,
      });
      made.push(topic);
      return topic;
    },
    async send(topic, records, how = 'plain') {
      const compression = how === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
      if (how === 'plain' || how === 'gzip') {
        await plain.send({ topic, compression, messages: messagesOf(records) });
        return;
      }
      if (transactional === undefined) {
        transactional = kafka.producer({ transactionalId: `${prefix}outside`, idempotent: true, maxInFlightRequests: 1 });
        await transactional.connect();
      }
      const transaction = await transactional.transaction();
      await transaction.send({ topic, messages: messagesOf(records) });
      await transaction[how]();
    },
    async makeAgain(topic, partitions) {
      await admin.deleteTopics({ topics: [topic] });
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }], waitForLeaders: false });
    },
    async deleteBelow(topic, partition, offset) {
      // The client looks for leaders in what it knew before: this one has just learned them.
      const fresh = kafka.admin();
      await fresh.connect();
      await fresh.fetchTopicOffsets(topic);
      await fresh.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
      await fresh.disconnect();
    },
    async close() {
      await plain.disconnect();
      await transactional?.disconnect();
      if (made.length > 0) await admin.deleteTopics({ topics: made }).catch(() => undefined);
      await admin.disconnect();
    },
  };
}
