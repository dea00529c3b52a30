/**
 * After fencing: waits until all that earlier writers of the owner committed is readable (P2). Their own transactions are over once
 * the epoch was raised, but a partition's readers may still be held up by somebody else's open one. Only partitions which
 * the owner wrote to matter: to wait for all would let one dead process hold up the recovery of every other.
 */
import type { PartitionAddress } from './api.ts';
import { LATEST, listOffsets } from './api-data.ts';
import { describeProducers, type ProducerIdentity, type TransactionState } from './api-transactions.ts';
import type { Cluster } from './cluster.ts';
import { type Asked, assertAnswer } from './failures.ts';
import { TAKEOVER_DEADLINE_MS } from './limits.ts';
import type { Link } from './link.ts';
import type { Producer } from './producer.ts';
import { retrying } from './retry.ts';
import type { Topics } from './topics.ts';
import type { Waiters } from './waiters.ts';

export interface TakeOverContext {
  readonly cluster: Cluster;
  readonly topics: Topics;
  readonly waiters: Waiters;
}

/** @param before of the owner's transactions, before `producer` raised the epoch; undefined when nobody wrote. */
export async function waitSettled(context: TakeOverContext, producer: Producer, before: TransactionState | undefined): Promise<void> {
  const { cluster, topics, waiters } = context;
  const { id } = producer.identity;
  const places = await topics.places();
  const ends = await retrying(TAKEOVER_DEADLINE_MS, () => endsOf(cluster, places, false));
  const stable = await retrying(TAKEOVER_DEADLINE_MS, () => endsOf(cluster, places, true));
  const heldUp = places.filter((place) => (stable.get(keyOf(place)) ?? 0) < (ends.get(keyOf(place)) ?? 0));
  if (heldUp.length === 0) return;
  const outcome = before === undefined ? undefined : outcomeOf(before, producer.identity);
  if (outcome !== undefined) await endMissing(cluster, producer, heldUp, outcome);
  const written = await retrying(TAKEOVER_DEADLINE_MS, () => writtenBy([before?.producerId ?? id, id], cluster, heldUp));
  await Promise.all(written.map((place) => waiters.passed(place, (ends.get(keyOf(place)) ?? 0) - 1)));
}

/**
 * How the newest transaction of the earlier writers ended, from its state before their epoch was raised and from the epoch after it. Writers end a transaction
 * without raising the epoch only by committing, and taking over raises it by one more; undefined where its state was lost to a take-over since.
 */
export function outcomeOf(before: TransactionState, now: ProducerIdentity): 'committed' | 'aborted' | undefined {
  if (before.producerId !== now.id) return undefined;
  switch (before.state) {
    case 'PrepareCommit':
    case 'CompleteCommit':
    case 'Ongoing':
      return now.epoch === before.epoch + 1 ? 'committed' : 'aborted';
    case 'PrepareAbort':
    case 'CompleteAbort':
    case 'PrepareEpochFence':
      return 'aborted';
    default:
      return undefined;
  }
}

/**
 * A coordinator that finds a partition without a leader takes it for deleted, and counts its transaction as ended without saying so there (Apache Kafka 4.4,
 * TransactionMarkerChannelManager; seen when a broker was killed and came back): what it wrote would hide everything behind it for ever. Ends it there, too.
 */
export async function endMissing(
  cluster: Cluster,
  producer: Producer,
  places: readonly PartitionAddress[],
  outcome: 'committed' | 'aborted',
): Promise<void> {
  const { id } = producer.identity;
  const open: PartitionAddress[] = [];
  await retrying(TAKEOVER_DEADLINE_MS, async () => {
    open.length = 0;
    await atLeaders(cluster, places, async (link, partitions) => {
      for (const { topic, partition, producers } of await link.call(describeProducers, partitions))
        if (producers.some((one) => one.id === id && one.isOpen)) open.push({ topic, partition });
    });
  });
  if (open.length > 0) await producer.endAgain(open, outcome);
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
      if (found.error === 0 && !found.producers.some(({ id }) => producerIds.includes(id))) others.add(keyOf(found));
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
