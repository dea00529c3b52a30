/** Plain consumers of the verified topic: one through the log, one, on Kafka, with the public client. They know nothing of runs, and read while faults happen. */
import { Kafka, logLevel } from 'kafkajs';
import type { Log } from '#engine';
import { offset } from '#engine';
import { text } from '../../support/log-tools.ts';
import { sha256Hex } from '../../support/run-support.ts';

/** After an error, a consumer asks again after so long. */
const RETRY_MS = 200;

/** Partition → what stood there, as id and digest, in the order in which it came. */
export type Seen = readonly (readonly string[])[];

export interface Consumer {
  /** What it saw so far. */
  readonly seen: Seen;
  /** What no consumer may see: offsets that go back. */
  readonly troubles: readonly string[];
  /** Reads on until it has seen so many records of each partition, or the limit has passed; then ends. */
  finish(counts: readonly number[], limitMs: number): Promise<void>;
}

const line = (key: Uint8Array | undefined, value: Uint8Array): string => `${text(key)} ${sha256Hex(value)}`;

/** Everything that stands there now. */
export async function readSeen(log: Log, topic: string, partitions: number): Promise<Seen> {
  const reader = readThrough(log, topic, partitions);
  const ends = await Promise.all(Array.from({ length: partitions }, (_, partition) => log.end(topic, partition)));
  await reader.catchUp(ends);
  return reader.seen;
}

export function consumeLog(log: Log, topic: string, partitions: number): Consumer {
  const reader = readThrough(log, topic, partitions);
  const stop = new AbortController();
  const work = Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      while (!stop.signal.aborted) {
        try {
          await reader.turn(partition);
          await log.waitBeyond(topic, partition, offset(reader.positions[partition] ?? 0), stop.signal);
        } catch {
          // The broker is away, or slow: what was read stays read, and it goes on from there.
          await sleep(RETRY_MS);
        }
      }
    }),
  );
  return {
    seen: reader.seen,
    troubles: reader.troubles,
    async finish(counts, limitMs) {
      await until(() => counts.every((count, partition) => (reader.seen[partition]?.length ?? 0) >= count), limitMs);
      stop.abort();
      await work;
    },
  };
}

function readThrough(log: Log, topic: string, partitions: number) {
  const seen: string[][] = Array.from({ length: partitions }, () => []);
  const positions: number[] = Array.from({ length: partitions }, () => 0);
  const troubles: string[] = [];
  /** Reads what is there. */
  const turn = async (partition: number): Promise<void> => {
    for (;;) {
      const from = positions[partition] ?? 0;
      const { entries, next } = await log.read(topic, partition, offset(from));
      if (entries.length === 0) return;
      let last = from - 1;
      for (const entry of entries) {
        if (entry.offset <= last) troubles.push(`${topic}/${partition}: offset ${entry.offset} after ${last}`);
        last = entry.offset;
        seen[partition]?.push(line(entry.key, entry.value));
      }
      positions[partition] = next;
    }
  };
  const catchUp = async (ends: readonly number[]): Promise<void> => {
    for (const partition of ends.keys()) await turn(partition);
  };
  return { seen, positions, troubles, turn, catchUp };
}

/** A consumer group of one, from the begin, read_committed as is its default. What a group hands out again after an error has the same offset. */
export async function consumeKafka(brokers: string, topic: string, partitions: number): Promise<Consumer> {
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, retry: { retries: 1_000, maxRetryTime: 1_000 } });
  const consumer = kafka.consumer({ groupId: `faults-${topic}`, sessionTimeout: 10_000 });
  const seen: string[][] = Array.from({ length: partitions }, () => []);
  const next: number[] = Array.from({ length: partitions }, () => 0);
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const at = Number(message.offset);
      if (at < (next[partition] ?? 0)) return;
      next[partition] = at + 1;
      seen[partition]?.push(line(message.key ?? undefined, message.value ?? Buffer.alloc(0)));
    },
  });
  return {
    seen,
    troubles: [],
    async finish(counts, limitMs) {
      await until(() => counts.every((count, partition) => (seen[partition]?.length ?? 0) >= count), limitMs);
      await consumer.disconnect();
    },
  };
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether the condition came to hold within the limit. */
export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  const limit = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > limit) return false;
    await sleep(20);
  }
  return true;
}
