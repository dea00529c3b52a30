/** A plain consumer, as the world outside has one: a public client that reads committed records. */
import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import type { Outside } from './kafka-producer.ts';

export interface ConsumedRecord {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Begins the keys of what is written to be read last; nobody's record has such a key. */
const END = 'the end of reading ';

/** Everything committed in each partition of a topic. Ends by writing one record more to every partition and reading up to it. */
export async function readCommitted(brokers: string, outside: Outside, topic: string, partitions: number): Promise<ConsumedRecord[][]> {
  const groupId = randomUUID();
  const end = `${END}${groupId}`;
  await outside.send(
    topic,
    Array.from({ length: partitions }, (_, partition) => ({ partition, key: end, value: end })),
  );
  const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({ groupId });
  const read: ConsumedRecord[][] = Array.from({ length: partitions }, () => []);
  const open = new Set(read.keys());
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      if (!restart) reject(error);
    });
    const eachMessage = async ({ partition, message: { key, value, headers = {} } }: EachMessage): Promise<void> => {
      const name = String(key);
      if (name === end) {
        open.delete(partition);
        if (open.size === 0) resolve();
      } else if (open.has(partition) && !name.startsWith(END)) {
        const texts = Object.entries(headers).map(([name, text]) => [name, String(text)] as const);
        read[partition]?.push({ key: name, value: value ?? Buffer.alloc(0), headers: Object.fromEntries(texts) });
      }
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return read;
}

interface EachMessage {
  readonly partition: number;
  readonly message: {
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
  };
}
