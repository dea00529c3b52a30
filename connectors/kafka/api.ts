/** One request of the Kafka protocol in one version: how it is written and how its answer is read. */
import type { WireReader, WireWriter } from './wire.ts';

export interface Api<Q, A> {
  readonly name: string;
  readonly key: number;
  readonly version: number;
  /** Flexible versions have tagged fields in both headers. */
  readonly flexible: boolean;
  readonly encode: (out: WireWriter, query: Q) => void;
  readonly decode: (answer: WireReader) => A;
}

export interface PartitionAddress {
  readonly topic: string;
  readonly partition: number;
}

/** The protocol lists partitions topic by topic. */
export function byTopic<T extends PartitionAddress>(places: readonly T[]): readonly (readonly [string, readonly T[]])[] {
  const topics = new Map<string, T[]>();
  for (const place of places) {
    const group = topics.get(place.topic);
    if (group === undefined) topics.set(place.topic, [place]);
    else group.push(place);
  }
  return [...topics];
}

/** Partitions as flexible requests name them, whatever they ask of them: the end of the request. */
export function writePartitions(out: WireWriter, places: readonly PartitionAddress[]): void {
  out.compactArray(byTopic(places), ([topic, group]) => {
    out.compactString(topic).compactArray(group, ({ partition }) => out.int32(partition));
    out.tags();
  });
  out.tags();
}
