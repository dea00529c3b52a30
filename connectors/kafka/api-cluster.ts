/** Requests about the cluster itself: brokers, topics, their settings and sizes. */
import { type Api, type PartitionAddress, writePartitions } from './api.ts';

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface PartitionState {
  readonly partition: number;
  readonly error: number;
  /** −1 while none is elected. */
  readonly leader: number;
}

export interface TopicState {
  readonly topic: string;
  readonly error: number;
  readonly partitions: readonly PartitionState[];
  /** What this user may do with it, by the numbers of Kafka's operations; all bits but few where the cluster asks nobody. Only where it was asked for. */
  readonly operations: number;
}

export interface ClusterState {
  readonly brokers: readonly (BrokerAddress & { readonly node: number })[];
  readonly topics: readonly TopicState[];
}

export interface MetadataQuery {
  /** `null` asks for every topic, an empty list for none. */
  readonly topics: readonly string[] | null;
  /** Whether to say what this user may do with them. */
  readonly operations: boolean;
}

/** Never makes a topic. */
export const metadata: Api<MetadataQuery, ClusterState> = {
  name: 'Metadata',
  key: 3,
  version: 8,
  flexible: false,
  encode(out, { topics, operations }) {
    if (topics === null) out.int32(-1);
    else out.array(topics, (topic) => out.string(topic));
    out.boolean(false).boolean(false).boolean(operations);
  },
  decode(answer) {
    answer.int32();
    const brokers = answer.array(() => {
      const broker = { node: answer.int32(), host: answer.string(), port: answer.int32() };
      answer.nullableString();
      return broker;
    });
    answer.nullableString();
    answer.int32();
    const topics = answer.array(() => {
      const error = answer.int16();
      const topic = answer.string();
      answer.boolean();
      const partitions = answer.array(() => {
        const state = { error: answer.int16(), partition: answer.int32(), leader: answer.int32() };
        answer.int32();
        for (let list = 0; list < 3; list++) answer.array(() => answer.int32());
        return state;
      });
      return { topic, error, partitions, operations: answer.int32() };
    });
    return { brokers, topics };
  },
};

export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export const createTopic: Api<NewTopic, { readonly error: number; readonly message: string | null }> = {
  name: 'CreateTopics',
  key: 19,
  version: 4,
  flexible: false,
  encode(out, { topic, partitions, replicas, settings, timeoutMs }) {
    out.int32(1).string(topic).int32(partitions).int16(replicas).int32(0);
    out.array(Object.entries(settings), ([name, value]) => out.string(name).string(value));
    out.int32(timeoutMs).boolean(false);
  },
  decode(answer) {
    answer.int32();
    const [result] = answer.array(() => {
      answer.string();
      return { error: answer.int16(), message: answer.nullableString() };
    });
    return result ?? { error: -1, message: 'the answer names no topic' };
  },
};

const TOPIC_RESOURCE = 2;

export interface TopicSettings {
  readonly topic: string;
  readonly error: number;
  readonly values: ReadonlyMap<string, string>;
}

export const describeTopics: Api<{ readonly topics: readonly string[]; readonly settings: readonly string[] }, readonly TopicSettings[]> = {
  name: 'DescribeConfigs',
  key: 32,
  version: 2,
  flexible: false,
  encode(out, { topics, settings }) {
    out.array(topics, (topic) =>
      out
        .int8(TOPIC_RESOURCE)
        .string(topic)
        .array(settings, (name) => out.string(name)),
    );
    out.boolean(false);
  },
  decode(answer) {
    answer.int32();
    return answer.array(() => {
      const error = answer.int16();
      answer.nullableString();
      answer.int8();
      const topic = answer.string();
      const values = answer.array(() => {
        const setting = [answer.string(), answer.nullableString() ?? ''] as const;
        answer.boolean();
        answer.int8();
        answer.boolean();
        answer.array(() => [answer.string(), answer.nullableString(), answer.int8()]);
        return setting;
      });
      return { topic, error, values: new Map(values) };
    });
  },
};

const SET = 0;
const DELETE = 1;

export interface SettingChanges {
  readonly topic: string;
  /** Undefined: the cluster's default again. */
  readonly settings: readonly (readonly [name: string, value: string | undefined])[];
}

/** Other settings of the topic stay as they are. */
export const alterTopic: Api<SettingChanges, { readonly error: number; readonly message: string | null }> = {
  name: 'IncrementalAlterConfigs',
  key: 44,
  version: 0,
  flexible: false,
  encode(out, { topic, settings }) {
    out.int32(1).int8(TOPIC_RESOURCE).string(topic);
    out.array(settings, ([name, value]) =>
      out
        .string(name)
        .int8(value === undefined ? DELETE : SET)
        .string(value ?? null),
    );
    out.boolean(false);
  },
  decode(answer) {
    answer.int32();
    const [result] = answer.array(() => {
      const told = { error: answer.int16(), message: answer.nullableString() };
      answer.int8();
      answer.string();
      return told;
    });
    return result ?? { error: -1, message: 'the answer names no topic' };
  },
};

export interface ReplicaSize extends PartitionAddress {
  readonly bytes: number;
}

export const describeLogDirs: Api<readonly PartitionAddress[], { readonly error: number; readonly sizes: readonly ReplicaSize[] }> = {
  name: 'DescribeLogDirs',
  key: 35,
  version: 3,
  flexible: true,
  encode: writePartitions,
  decode(answer) {
    answer.int32();
    let firstError = answer.int16();
    const directories = answer.compactArray(() => {
      firstError ||= answer.int16();
      answer.compactString();
      const topics = answer.compactArray(() => {
        const topic = answer.compactString();
        const sizes = answer.compactArray(() => {
          const size = { topic, partition: answer.int32(), bytes: answer.int64() };
          answer.int64();
          answer.boolean();
          answer.skipTags();
          return size;
        });
        answer.skipTags();
        return sizes;
      });
      answer.skipTags();
      return topics;
    });
    return { error: firstError, sizes: directories.flat(2) };
  },
};
