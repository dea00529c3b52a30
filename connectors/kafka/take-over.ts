/** After fencing: waits until all that was written before is readable or never will be (P2). */
import type { PartitionAddress } from './api.ts';
import { LATEST, listOffsets } from './api-data.ts';
import type { Cluster } from './cluster.ts';
import { type Asked, assertAnswer } from './failures.ts';
import { RETRY_DEADLINE_MS } from './limits.ts';
import { retrying } from './retry.ts';
import type { Topics } from './topics.ts';
import type { Waiters } from './waiters.ts';

export interface TakeOverContext {
  readonly cluster: Cluster;
  readonly topics: Topics;
  readonly waiters: Waiters;
}

/** Every partition of the network whose end is held back by an open transaction must get past it. */
export async function waitSettled({ cluster, topics, waiters }: TakeOverContext): Promise<void> {
  const specs = await topics.list('');
  const places = specs.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: topics.kafkaName(name), partition })),
  );
  const ends = await retrying(RETRY_DEADLINE_MS, () => endsOf(cluster, places, false));
  const stable = await retrying(RETRY_DEADLINE_MS, () => endsOf(cluster, places, true));
  await Promise.all(
    places.map(async (place) => {
      const end = ends.get(keyOf(place)) ?? 0;
      if ((stable.get(keyOf(place)) ?? 0) < end) await waiters.wait(place, end - 1);
    }),
  );
}

async function endsOf(cluster: Cluster, places: readonly PartitionAddress[], committed: boolean): Promise<ReadonlyMap<string, number>> {
  const byNode = new Map<number, PartitionAddress[]>();
  for (const place of places) {
    const node = await cluster.leader(place);
    byNode.set(node, [...(byNode.get(node) ?? []), place]);
  }
  const links = cluster.links();
  const ends = new Map<string, number>();
  try {
    for (const [node, partitions] of byNode) {
      const link = await links.to(node);
      for (const listed of await link.call(listOffsets, { committed, timestamp: LATEST, partitions })) {
        const asked: Asked = { what: `find the end of ${keyOf(listed)}`, acl: `DESCRIBE on topic ${listed.topic}` };
        if (listed.error !== 0) cluster.forget(listed.topic);
        assertAnswer(listed.error, asked);
        ends.set(keyOf(listed), listed.offset);
      }
    }
  } finally {
    cluster.dropLinks(links);
  }
  return ends;
}

const keyOf = ({ topic, partition }: PartitionAddress): string => `${topic}/${partition}`;
