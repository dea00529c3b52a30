/** Cuts the appends of a commit into batches: per partition, in order, each below the size that brokers take. */
import type { Admitted, Append } from '#engine';
import type { PartitionAddress } from './api.ts';
import type { PlannedBatch, Producer } from './producer.ts';
import { encodeBatch, RECORD_BESIDE_BYTES } from './record-batch.ts';
import type { Topics } from './topics.ts';

interface Group extends PartitionAddress {
  readonly limit: number;
  readonly appends: Append[];
  readonly indices: number[];
  bytes: number;
}

export interface PlanOptions {
  readonly topics: Pick<Topics, 'kafkaName' | 'batchBytes'>;
  readonly producer: Producer;
  readonly compress: boolean;
  readonly allocate: (bytes: number) => Buffer;
}

export function planBatches(admitted: readonly Admitted[], { topics, producer, compress, allocate }: PlanOptions): readonly PlannedBatch[] {
  const timestamp = Date.now();
  return group(admitted, topics).map(({ topic, partition, appends, indices }) => {
    const sequence = producer.takeSequence({ topic, partition }, appends.length);
    const bytes = encodeBatch(appends, { producer: producer.identity, sequence, timestamp, compress, allocate });
    return { topic, partition, appends, indices, bytes };
  });
}

function group(admitted: readonly Admitted[], topics: PlanOptions['topics']): readonly Group[] {
  const groups: Group[] = [];
  /** By topic and partition, what may still grow. */
  const open = new Map<string, Group[]>();
  let [lastTopic, ofTopic]: [string | undefined, Group[]] = [undefined, []];
  for (const [index, { append, bytes: content }] of admitted.entries()) {
    const bytes = content + RECORD_BESIDE_BYTES;
    const { topic, partition } = append;
    // Appends of one topic mostly stand together.
    if (topic !== lastTopic) {
      ofTopic = open.get(topic) ?? [];
      open.set(topic, ofTopic);
      lastTopic = topic;
    }
    let current = ofTopic[partition];
    if (current === undefined || current.bytes + bytes > current.limit) {
      current = { topic: topics.kafkaName(topic), partition, limit: topics.batchBytes(topic), appends: [], indices: [], bytes: 0 };
      groups.push(current);
      ofTopic[partition] = current;
    }
    current.appends.push(append);
    current.indices.push(index);
    current.bytes += bytes;
  }
  return groups;
}
