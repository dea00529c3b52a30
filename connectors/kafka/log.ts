/**
 * The log on a Kafka cluster: every rule of the contract (engine/contract/log.ts), over many machines. One network of many on the
 * cluster: all its topics and transactional ids are named NETWORK.… See writer.ts for commits, reader.ts for entries, waiters.ts for waiting.
 */
import {
  checkOwner,
  type Log,
  type LogLimits,
  type LogWriter,
  MizuError,
  type Offset,
  offset,
  type ReadOptions,
  type ReadResult,
  type SinkTopic,
  type TopicSpec,
} from '#engine';
import { parseKafkaAddress } from './address.ts';
import type { PartitionAddress } from './api.ts';
import type { BrokerAddress } from './api-cluster.ts';
import { BufferPool } from './buffer-pool.ts';
import { Cluster } from './cluster.ts';
import { COMMIT_LIMIT_BYTES, ENTRY_LIMIT_BYTES } from './limits.ts';
import { logSize } from './log-size.ts';
import { DEFAULT_TIMING, type ProducerTiming } from './producer.ts';
import { Reader } from './reader.ts';
import { connectionSecurity, type KafkaSecurity } from './security.ts';
import type { KafkaCompression } from './security-env.ts';
import { type Replication, Topics } from './topics.ts';
import { Waiters } from './waiters.ts';
import { KafkaWriter } from './writer.ts';

export interface KafkaLogOptions extends Replication, Partial<ProducerTiming> {
  /** `kafka://host:port[,host:port]/NETWORK` */
  readonly address: string;
  /** Nothing is written: topics and writers are refused. */
  readonly readOnly?: boolean | undefined;
  /** Default: plain text, nobody in particular. */
  readonly security?: KafkaSecurity | undefined;
  /** Default `none`: zstd takes a third of the space, and two to seven times the CPU of sending. */
  readonly compression?: KafkaCompression | undefined;
  /** Where to connect for an address that the cluster advertises: tunnels, port forwards. Default: there. */
  readonly dial?: ((broker: BrokerAddress) => BrokerAddress) | undefined;
  /** How long another's undecided transaction may hide what was committed. */
  readonly heldUpDeadlineMs?: number | undefined;
}

/**
 * Opens one network of a cluster. Needs Kafka 3.3 or newer.
 * @throws USAGE for an address that is none, LOG_UNAVAILABLE when no broker answers, LOG_REFUSED when one does not know this user.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const { brokers, network } = parseKafkaAddress(options.address);
  const cluster = new Cluster(brokers, {
    clientId: `mizu-${network}`,
    ...connectionSecurity(options.security),
    dial: options.dial ?? ((broker) => broker),
  });
  try {
    await cluster.open();
  } catch (error) {
    cluster.close();
    throw error;
  }
  return new KafkaLog(options, network, cluster);
}

class KafkaLog implements Log {
  readonly address: string;
  readonly network: string;
  readonly limits: LogLimits = { entryBytes: ENTRY_LIMIT_BYTES, commitBytes: COMMIT_LIMIT_BYTES };
  readonly #options: KafkaLogOptions;
  readonly #cluster: Cluster;
  readonly #topics: Topics;
  readonly #reader: Reader;
  readonly #waiters: Waiters;
  readonly #pool = new BufferPool();
  #closed = false;

  constructor(options: KafkaLogOptions, network: string, cluster: Cluster) {
    this.address = options.address;
    this.network = network;
    this.#options = options;
    this.#cluster = cluster;
    this.#topics = new Topics(cluster, options.address, network, options);
    const reader = new Reader(cluster);
    this.#reader = reader;
    this.#waiters = new Waiters({
      cluster,
      end: (place) => reader.endNow(place),
      offer: (place, from, fetched) => reader.offer(place, from, fetched),
      heldUpDeadlineMs: options.heldUpDeadlineMs,
    });
  }

  async createTopic(spec: TopicSpec): Promise<void> {
    await this.#topics.create(spec, () => this.#assertWritable(`create topic ${spec.name}`));
  }

  async retain(spec: TopicSpec): Promise<void> {
    await this.#topics.retain(spec, () => this.#assertWritable(`change the retention of topic ${spec.name}`));
  }

  async topics(prefix = ''): Promise<readonly TopicSpec[]> {
    return this.#topics.list(prefix);
  }

  async openWriter(owner: string): Promise<LogWriter> {
    checkOwner(owner);
    this.#assertWritable(`open a writer for ${owner}`);
    return KafkaWriter.open(owner, {
      cluster: this.#cluster,
      topics: this.#topics,
      waiters: this.#waiters,
      limits: this.limits,
      compress: this.#options.compression === 'zstd',
      pool: this.#pool,
      timing: {
        transactionTimeoutMs: this.#options.transactionTimeoutMs ?? DEFAULT_TIMING.transactionTimeoutMs,
        settleDeadlineMs: this.#options.settleDeadlineMs ?? DEFAULT_TIMING.settleDeadlineMs,
      },
      transactionalId: this.#topics.kafkaName(owner),
    });
  }

  async read(topic: string, partition: number, from: Offset, options: ReadOptions = {}): Promise<ReadResult> {
    return this.#reader.read(await this.#place(topic, partition), from, options);
  }

  async end(topic: string, partition: number): Promise<Offset> {
    return offset(await this.#reader.end(await this.#place(topic, partition)));
  }

  async begin(topic: string, partition: number): Promise<Offset> {
    return offset(await this.#reader.begin(await this.#place(topic, partition)));
  }

  async waitBeyond(topic: string, partition: number, position: Offset, signal: AbortSignal): Promise<boolean> {
    return this.#waiters.wait(await this.#place(topic, partition), position, signal);
  }

  async sink(topic: string): Promise<SinkTopic> {
    return this.#topics.sink(topic);
  }

  async size(): Promise<{ readonly bytes: number; readonly limit: number | undefined }> {
    return { bytes: await logSize(this.#cluster, this.#topics), limit: undefined };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiters.close();
    this.#cluster.close();
  }

  async #place(topic: string, partition: number): Promise<PartitionAddress> {
    await this.#topics.partition(topic, partition);
    return { topic: this.#topics.kafkaName(topic), partition };
  }

  #assertWritable(what: string): void {
    if (this.#options.readOnly !== true) return;
    throw new MizuError('USAGE', `Can't ${what}: the log ${this.address} was opened for reading only`, {
      hint: 'Open it without readOnly.',
    });
  }
}
