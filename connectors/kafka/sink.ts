/**
 * Somebody's topic as a sink (engine/contract/log.ts): it lies on the log's own cluster, so that one transaction writes to both. Looked at before
 * anything is written, and by everybody who is about to write to it.
 */
import { MizuError, nearNames } from '#engine';
import { describeTopics } from './api-cluster.ts';
import type { Cluster } from './cluster.ts';
import { type Asked, assertAnswer } from './failures.ts';
import { RETRY_DEADLINE_MS } from './limits.ts';
import { HEADER_BYTES } from './record-batch.ts';
import { retrying } from './retry.ts';

const UNKNOWN_TOPIC = 3;
/** Kafka's number of the operation WRITE. */
const WRITE_BIT = 1 << 4;
const SETTINGS = ['cleanup.policy', 'max.message.bytes'] as const;
/** Kafka's own topics. */
const INTERNAL = '__';

export interface SinkFacts {
  readonly partitions: number;
  /** What fits into one batch there, without its header. */
  readonly batchBytes: number;
  readonly writable: boolean;
}

/** @throws NOT_FOUND; USAGE for a topic of Kafka, of a network, or one that is compacted; LOG_REFUSED without the rights to look. */
export async function lookAtSink(cluster: Cluster, network: string, topic: string): Promise<SinkFacts> {
  if (topic.startsWith(INTERNAL)) throw unfit(topic, "it is one of Kafka's own", 'Name a topic that was made for these records.');
  const asked: Asked = { what: `look at topic ${topic}`, acl: `DESCRIBE on topic ${topic}` };
  const state = await retrying(RETRY_DEADLINE_MS, () => cluster.describe([topic], { operations: true }));
  const found = state.topics.find((candidate) => candidate.topic === topic);
  if (found !== undefined && found.error !== UNKNOWN_TOPIC) assertAnswer(found.error, asked);
  const all = await retrying(RETRY_DEADLINE_MS, () => cluster.describe(null));
  const names = all.topics.filter(({ error }) => error === 0).map(({ topic: name }) => name);
  if (topic.startsWith(`${network}.`) || lieInNetwork(topic, names)) {
    throw unfit(
      topic,
      `names that begin with ${topic.split('.')[0]}. belong to a network of Mizu`,
      'Give it a name that begins otherwise.',
    );
  }
  if (found === undefined || found.error !== 0) {
    const others = names.filter((name) => !name.startsWith(`${network}.`) && !name.startsWith(INTERNAL));
    throw new MizuError('NOT_FOUND', `There is no topic '${topic}' on the cluster of the log to publish into`, {
      component: topic,
      hint: `A topic that others own is not made by a run: make it first. ${others.length === 0 ? '' : nearNames(topic, others)}`.trimEnd(),
    });
  }
  const settings = await settingsOf(cluster, topic);
  if (settings.get('cleanup.policy')?.includes('compact')) {
    const why = 'it is compacted: of two networks whose runs have one name, the records of one would be taken';
    throw unfit(topic, why, 'Set its cleanup.policy to delete, or name another topic.');
  }
  const batchBytes = Number(settings.get('max.message.bytes')) - HEADER_BYTES;
  return { partitions: found.partitions.length, batchBytes, writable: (found.operations & WRITE_BIT) !== 0 };
}

/** Whether a run of some network stands under the name up to its first dot. */
function lieInNetwork(topic: string, names: readonly string[]): boolean {
  const prefix = topic.slice(0, topic.indexOf('.') + 1);
  return prefix !== '' && names.some((name) => name.startsWith(prefix) && /\.\d+\.control$/.test(name));
}

async function settingsOf(cluster: Cluster, topic: string): Promise<ReadonlyMap<string, string>> {
  const asked: Asked = { what: `read the settings of topic ${topic}`, acl: `DESCRIBE_CONFIGS on topic ${topic}` };
  return retrying(RETRY_DEADLINE_MS, async () => {
    const query = { topics: [topic], settings: SETTINGS };
    const [answer] = await cluster.anyBroker((link) => link.call(describeTopics, query));
    assertAnswer(answer?.error ?? UNKNOWN_TOPIC, asked);
    return answer?.values ?? new Map<string, string>();
  });
}

function unfit(topic: string, why: string, hint: string): MizuError {
  return new MizuError('USAGE', `The topic '${topic}' can't take verified records: ${why}`, { component: topic, hint });
}
