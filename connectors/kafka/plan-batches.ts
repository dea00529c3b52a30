/** Cuts the appends of a commit into batches: per partition, in order, each below the size that brokers take. */
import type { Admitted, Append } from '#engine';
import type { PartitionAddress } from './api.ts';
import { BATCH_BYTES } from './limits.ts';
import type { PlannedBatch, Producer } from './producer.ts';
import { encodeBatch } from './record-batch.ts';

interface Group extends PartitionAddress {
  readonly appends: Append[];
  readonly indices: number[];
  bytes: number;
}

export interface PlanOptions {
  readonly kafkaName: (topic: string) => string;
  readonly producer: Producer;
  readonly compress: boolean;
  readonly allocate: (bytes: number) => Buffer;
}

export function planBatches(
  admitted: readonly Admitted[],
  { kafkaName, producer, compress, allocate }: PlanOptions,
): readonly PlannedBatch[] {
  const timestamp = Date.now();
  return group(admitted, kafkaName).map(({ topic, partition, appends, indices }) => {
    const sequence = producer.takeSequence({ topic, partition }, appends.length);
    const bytes = encodeBatch(appends, { producer: producer.identity, sequence, timestamp, compress, allocate });
    return { topic, partition, appends, indices, bytes };
  });
}

function group(admitted: readonly Admitted[], kafkaName: (topic: string) => string): readonly Group[] {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  for (const [index, { append, bytes }] of admitted.entries()) {
    const key = `${append.topic}/${append.partition}`;
    let current = open.get(key);
    if (current === undefined || current.bytes + bytes > BATCH_BYTES) {
      current = { topic: kafkaName(append.topic), partition: append.partition, appends: [], indices: [], bytes: 0 };
      groups.push(current);
      open.set(key, current);
    }
    current.appends.push(append);
    current.indices.push(index);
    current.bytes += bytes;
  }
  return groups;
}
