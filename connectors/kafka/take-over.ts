/**
 * After fencing: waits until all that earlier writers of the owner committed is readable (P2). Their own transactions are over once
 * the epoch was raised, but a partition's readers may still be held up by somebody else's open one. Only partitions which
 * the owner wrote to matter: to wait for all would let one dead process hold up the recovery of every other.
 */
import type { PartitionAddress } from './api.ts';
import { LATEST, listOffsets } from './api-data.ts';
import { describeProducers } from './api-transactions.ts';
import type { Cluster } from './cluster.ts';
import { type Asked, assertAnswer } from './failures.ts';
import { TAKEOVER_DEADLINE_MS } from './limits.ts';
import type { Link } from './link.ts';
import { retrying } from './retry.ts';
import type { Topics } from './topics.ts';
import type { Waiters } from './waiters.ts';

export interface TakeOverContext {
  readonly cluster: Cluster;
  readonly topics: Topics;
  readonly waiters: Waiters;
}

/** @param producerIds under which the owner wrote: the one of before, and the present one */
export async function waitSettled({ cluster, topics, waiters }: TakeOverContext, producerIds: readonly bigint[]): Promise<void> {
  const places = await topics.places();
  const ends = await retrying(TAKEOVER_DEADLINE_MS, () => endsOf(cluster, places, false));
  const stable = await retrying(TAKEOVER_DEADLINE_MS, () => endsOf(cluster, places, true));
  const heldUp = places.filter((place) => (stable.get(keyOf(place)) ?? 0) < (ends.get(keyOf(place)) ?? 0));
  if (heldUp.length === 0) return;
  const written = await retrying(TAKEOVER_DEADLINE_MS, () => writtenBy(producerIds, cluster, heldUp));
  await Promise.all(written.map((place) => waiters.passed(place, (ends.get(keyOf(place)) ?? 0) - 1)));
}

/** The offsets after the last replicated entries, or after the last decided ones. */
async function endsOf(cluster: Cluster, places: readonly PartitionAddress[], committed: boolean): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>();
  await atLeaders(cluster, places, async (link, partitions) => {
    for (const listed of await link.call(listOffsets, { committed, timestamp: LATEST, partitions })) {
      const asked: Asked = { what: `find the end of ${keyOf(listed)}`, acl: `DESCRIBE on topic ${listed.topic}` };
      if (listed.error !== 0) cluster.forget(listed.topic);
      assertAnswer(listed.error, asked);
      ends.set(keyOf(listed), listed.offset);
    }
  });
  return ends;
}

/** Where the broker does not say, the owner may have written. */
async function writtenBy(
  producerIds: readonly bigint[],
  cluster: Cluster,
  places: readonly PartitionAddress[],
): Promise<PartitionAddress[]> {
  const others = new Set<string>();
  await atLeaders(cluster, places, async (link, partitions) => {
    for (const found of await link.call(describeProducers, partitions)) {
      if (found.error === 0 && !found.producerIds.some((id) => producerIds.includes(id))) others.add(keyOf(found));
    }
  });
  return places.filter((place) => !others.has(keyOf(place)));
}

async function atLeaders(
  cluster: Cluster,
  places: readonly PartitionAddress[],
  ask: (link: Link, partitions: readonly PartitionAddress[]) => Promise<void>,
): Promise<void> {
  const byNode = new Map<number, PartitionAddress[]>();
  for (const place of places) {
    const node = await cluster.leader(place);
    const group = byNode.get(node);
    if (group === undefined) byNode.set(node, [place]);
    else group.push(place);
  }
  const links = cluster.links();
  try {
    for (const [node, partitions] of byNode) await ask(await links.to(node), partitions);
  } finally {
    cluster.dropLinks(links);
  }
}

const keyOf = ({ topic, partition }: PartitionAddress): string => `${topic}/${partition}`;
