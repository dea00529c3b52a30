/** Bytes that a network holds on the disks of its brokers: one copy of each partition, the largest where replicas differ. */
import { describeLogDirs } from './api-cluster.ts';
import type { Cluster } from './cluster.ts';
import { assertAnswer } from './failures.ts';
import { RETRY_DEADLINE_MS } from './limits.ts';
import { retrying } from './retry.ts';
import type { Topics } from './topics.ts';

export async function logSize(cluster: Cluster, topics: Topics): Promise<number> {
  const places = await topics.places();
  return retrying(RETRY_DEADLINE_MS, async () => {
    const largest = new Map<string, number>();
    const links = cluster.links();
    try {
      for (const node of cluster.brokers) {
        const { error, sizes } = await (await links.to(node)).call(describeLogDirs, places);
        assertAnswer(error, { what: 'tell the size of the log', acl: 'DESCRIBE on the cluster' });
        for (const { topic, partition, bytes } of sizes) {
          const key = `${topic}/${partition}`;
          largest.set(key, Math.max(largest.get(key) ?? 0, bytes));
        }
      }
    } finally {
      cluster.dropLinks(links);
    }
    return [...largest.values()].reduce((sum, bytes) => sum + bytes, 0);
  });
}
