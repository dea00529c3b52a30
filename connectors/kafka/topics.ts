/** Topics of one network: their Kafka names, their specs, making and finding them. */
import { checkPartition, checkSameSpec, checkTopicSpec, MizuError, nearNames, type SinkTopic, type TopicSpec } from '#engine';
import type { PartitionAddress } from './api.ts';
import { alterTopic, createTopic, describeTopics } from './api-cluster.ts';
import type { Cluster } from './cluster.ts';
import { type Asked, assertAnswer, Refusal } from './failures.ts';
import { BATCH_BYTES, REPLICAS_DEFAULT, REQUEST_TIMEOUT_MS, RETRY_DEADLINE_MS, TOPIC_GRACE_MS } from './limits.ts';
import { RECORD_BESIDE_BYTES } from './record-batch.ts';
import { Pauses, retrying } from './retry.ts';
import { lookAtSink } from './sink.ts';
import { RETENTION_SETTINGS, SPEC_SETTINGS, settingsOf, specOf } from './topic-settings.ts';

const TOPIC_EXISTS = 36;
const INVALID_TOPIC = 17;
/** Begins the name of somebody else's topic, which is its own name on the cluster; no topic of a network has such a name. */
const SINK_MARK = '/';

export interface Replication {
  /** Default: `REPLICAS_DEFAULT`, or the number of brokers if that is less. */
  readonly replicas?: number | undefined;
  /** Default: one less than the replicas, at least 1. */
  readonly minInsync?: number | undefined;
}

export class Topics {
  readonly #cluster: Cluster;
  readonly #address: string;
  readonly #network: string;
  readonly #prefix: string;
  readonly #replication: Replication;
  /** Of a topic nothing but its retention ever changes, so the rest of what was read once stays true. */
  readonly #known = new Map<string, TopicSpec>();
  /** Sinks that were looked at → bytes of a batch there. */
  readonly #sinks = new Map<string, number>();

  constructor(cluster: Cluster, address: string, network: string, replication: Replication) {
    this.#cluster = cluster;
    this.#address = address;
    this.#network = network;
    this.#prefix = `${network}.`;
    this.#replication = replication;
  }

  /** Its name on the cluster: networks have no dot in their names, so no two of them meet. */
  kafkaName(topic: string): string {
    return topic.startsWith(SINK_MARK) ? topic.slice(SINK_MARK.length) : this.#prefix + topic;
  }

  /** Whether the log reads back what it writes there: a sink is read by others. */
  isOwn(kafkaTopic: string): boolean {
    return kafkaTopic.startsWith(this.#prefix);
  }

  /** Bytes of the batches that a topic takes. */
  batchBytes(topic: string): number {
    return this.#sinks.get(topic) ?? BATCH_BYTES;
  }

  /** Looks each time: somebody else's topic may change. @throws what `lookAtSink` throws. */
  async sink(topic: string): Promise<SinkTopic> {
    const { partitions, batchBytes, writable } = await lookAtSink(this.#cluster, this.#network, topic);
    const appendTo = SINK_MARK + topic;
    this.#known.set(appendTo, { name: appendTo, partitions, cleanup: 'keep' });
    this.#sinks.set(appendTo, Math.min(batchBytes, BATCH_BYTES));
    return { appendTo, partitions, entryBytes: batchBytes - RECORD_BESIDE_BYTES, writable };
  }

  /** @throws USAGE when it exists with another spec. */
  async create(spec: TopicSpec, assertWritable: () => void): Promise<void> {
    checkTopicSpec(spec);
    const known = this.#known.get(spec.name) ?? (await this.#look([spec.name]))[0];
    if (known !== undefined) return checkSameSpec(known, spec);
    assertWritable();
    await this.#make(spec);
    // Who made it first does not matter: the broker that is asked next may not have heard of it yet.
    await this.#untilUsable(spec.name);
    checkSameSpec(await this.#afterGrace(spec.name), spec);
  }

  /** @throws NOT_FOUND; USAGE when it has another spec but for the retention; LOG_REFUSED. */
  async retain(spec: TopicSpec, assertWritable: () => void): Promise<void> {
    checkSameSpec(await this.find(spec.name), spec);
    assertWritable();
    const topic = this.kafkaName(spec.name);
    const asked: Asked = { what: `change the retention of topic ${topic}`, acl: `ALTER_CONFIGS on topic ${topic}` };
    const wanted = settingsOf(spec, 1);
    const settings = RETENTION_SETTINGS.map((name) => [name, wanted[name]] as const);
    await retrying(RETRY_DEADLINE_MS, async () => {
      const { error, message } = await this.#cluster.anyBroker((link) => link.call(alterTopic, { topic, settings }));
      assertAnswer(error, asked, message);
    });
    await this.#untilRetained(spec);
  }

  /** A broker carries a change out a moment after it was agreed on. */
  async #untilRetained({ name, retention }: TopicSpec): Promise<void> {
    for (const pauses = new Pauses(RETRY_DEADLINE_MS); !pauses.over; await pauses.pause()) {
      const [now] = await this.#look([name]);
      if (now?.retention?.bytes === retention?.bytes && now?.retention?.ms === retention?.ms) return;
    }
  }

  async list(prefix: string): Promise<readonly TopicSpec[]> {
    const names = await this.#names();
    const wanted = names.filter((name) => name.startsWith(prefix));
    const missing = wanted.filter((name) => !this.#known.has(name));
    if (missing.length > 0) await this.#look(missing);
    return wanted.flatMap((name) => this.#known.get(name) ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Every partition of the network, by its name on the cluster. */
  async places(): Promise<readonly PartitionAddress[]> {
    const state = await retrying(RETRY_DEADLINE_MS, () => this.#cluster.describe(null));
    return state.topics
      .filter(({ topic, error }) => error === 0 && topic.startsWith(this.#prefix))
      .flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })));
  }

  /** @throws NOT_FOUND */
  async partition(topic: string, partition: number): Promise<TopicSpec> {
    const spec = await this.find(topic);
    checkPartition(spec, partition);
    return spec;
  }

  /** @throws NOT_FOUND */
  async find(topic: string): Promise<TopicSpec> {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    if (!topic.startsWith(SINK_MARK)) return this.#afterGrace(topic);
    throw new MizuError('NOT_FOUND', `The topic ${this.kafkaName(topic)} was not looked at as a sink`, { component: this.#address });
  }

  async #names(): Promise<string[]> {
    const { topics } = await retrying(RETRY_DEADLINE_MS, () => this.#cluster.describe(null));
    return topics
      .filter(({ topic, error }) => error === 0 && topic.startsWith(this.#prefix))
      .map(({ topic }) => topic.slice(this.#prefix.length));
  }

  /** Another broker may have made it a moment ago. */
  async #afterGrace(topic: string): Promise<TopicSpec> {
    const pauses = new Pauses(TOPIC_GRACE_MS);
    for (;;) {
      const [spec] = await this.#look([topic]);
      if (spec !== undefined) return spec;
      if (this.#cluster.brokers.length < 2 || pauses.over) break;
      await pauses.pause();
    }
    throw new MizuError('NOT_FOUND', `The log ${this.#address} has no topic '${topic.slice(0, 200)}'`, {
      component: this.#address,
      hint: nearNames(topic, await this.#names()),
    });
  }

  /** Specs of those that exist. @throws LOG_REFUSED */
  async #look(topics: readonly string[]): Promise<readonly TopicSpec[]> {
    const names = topics.map((topic) => this.kafkaName(topic));
    const asked: Asked = { what: `describe topic ${names[0]}`, acl: `DESCRIBE on topic ${names[0]}` };
    const state = await retrying(RETRY_DEADLINE_MS, () => this.#cluster.describe(names));
    const there = state.topics.filter(({ error }) => {
      if (error !== 0 && !isMissing(error, asked)) throw new Refusal(error, asked);
      return error === 0;
    });
    if (there.length === 0) return [];
    const settings = await retrying(RETRY_DEADLINE_MS, () => this.#settings(there.map(({ topic }) => topic)));
    return there.flatMap(({ topic, partitions }) => {
      const values = settings.get(topic);
      if (values === undefined) return [];
      const spec = specOf(topic.slice(this.#prefix.length), partitions.length, values);
      this.#known.set(spec.name, spec);
      return [spec];
    });
  }

  async #settings(kafkaTopics: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const answers = await this.#cluster.anyBroker((link) => link.call(describeTopics, { topics: kafkaTopics, settings: SPEC_SETTINGS }));
    const found = new Map<string, ReadonlyMap<string, string>>();
    for (const { topic, error, values } of answers) {
      const asked: Asked = { what: `read the settings of topic ${topic}`, acl: `DESCRIBE_CONFIGS on topic ${topic}` };
      // Deleted in between.
      if (error !== 0 && isMissing(error, asked)) continue;
      assertAnswer(error, asked);
      found.set(topic, values);
    }
    return found;
  }

  /** Unless somebody else did. */
  async #make(spec: TopicSpec): Promise<void> {
    const topic = this.kafkaName(spec.name);
    const asked: Asked = { what: `create topic ${topic}`, acl: `CREATE on topic ${topic}` };
    const replicas = this.#replication.replicas ?? Math.min(REPLICAS_DEFAULT, this.#cluster.brokers.length);
    const settings = settingsOf(spec, this.#replication.minInsync ?? Math.max(1, replicas - 1));
    await retrying(RETRY_DEADLINE_MS, async () => {
      const { error, message } = await this.#cluster.anyBroker((link) =>
        link.call(createTopic, { topic, partitions: spec.partitions, replicas, settings, timeoutMs: REQUEST_TIMEOUT_MS }),
      );
      if (error === TOPIC_EXISTS) return;
      if (error === INVALID_TOPIC) {
        throw new MizuError('USAGE', `Kafka refuses the topic name ${topic}: ${message ?? 'no reason given'}`, {
          hint: "Kafka takes '.' and '_' in two names for the same: use another name.",
        });
      }
      assertAnswer(error, asked, message);
    });
  }

  /** A topic is there before its partitions have leaders. */
  async #untilUsable(topic: string): Promise<void> {
    const kafkaTopic = this.kafkaName(topic);
    await retrying(RETRY_DEADLINE_MS, async () => {
      const state = await this.#cluster.refresh(kafkaTopic);
      const asked: Asked = { what: `use topic ${kafkaTopic}`, acl: `DESCRIBE on topic ${kafkaTopic}` };
      const LEADER_NOT_AVAILABLE = 5;
      assertAnswer(state?.error ?? LEADER_NOT_AVAILABLE, asked);
      for (const { leader } of state?.partitions ?? []) if (leader < 0) throw new Refusal(LEADER_NOT_AVAILABLE, asked);
    });
  }
}

function isMissing(error: number, asked: Asked): boolean {
  return new Refusal(error, asked).code === 'NOT_FOUND';
}
