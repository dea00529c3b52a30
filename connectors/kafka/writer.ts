/**
 * Commits for one owner, each one Kafka transaction under the owner's transactional id. The transaction begins when every byte is
 * ready, because an open one holds up the readers of its partitions.
 *
 * What an outcome rests on: until the request to commit is sent, nothing can become readable, so every failure before is `aborted`.
 * Afterwards it is repeated until the coordinator answers; if it never does, or says that another epoch has taken over, nobody
 * can tell, and that is `unknown`.
 */
import {
  type Admitted,
  admit,
  type Append,
  type CommitOutcome,
  checkPlace,
  invariant,
  type LogLimits,
  type LogWriter,
  MizuError,
  messageOf,
  type Offset,
  offset,
  type TopicSpec,
} from '#engine';
import type { PartitionAddress } from './api.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Cluster } from './cluster.ts';
import { Refusal } from './failures.ts';
import { END_AGAIN_MS, TAKEOVER_DEADLINE_MS } from './limits.ts';
import { planBatches } from './plan-batches.ts';
import { type PlannedBatch, Producer, type ProducerTiming } from './producer.ts';
import { endMissing, waitSettled } from './take-over.ts';
import type { Topics } from './topics.ts';
import type { Waiters } from './waiters.ts';

export interface WriterContext {
  readonly cluster: Cluster;
  readonly topics: Topics;
  readonly waiters: Waiters;
  readonly limits: LogLimits;
  readonly compress: boolean;
  readonly pool: BufferPool;
  readonly timing: ProducerTiming;
  readonly transactionalId: string;
}

type Aborted = Extract<CommitOutcome, { readonly status: 'aborted' }>;

export class KafkaWriter implements LogWriter {
  readonly owner: string;
  readonly #context: WriterContext;
  readonly #producer: Producer;
  /** Topic/partition → the offset after this writer's last entry, where its commit marker or a later entry lies. */
  readonly #unseen = new Map<string, PartitionAddress & { position: number }>();
  #dead: MizuError | undefined;
  #committing = false;
  /** Under way: no transaction may begin before it is over. */
  #ending: Promise<void> = Promise.resolve();

  private constructor(owner: string, context: WriterContext, producer: Producer) {
    this.owner = owner;
    this.#context = context;
    this.#producer = producer;
  }

  static async open(owner: string, context: WriterContext): Promise<KafkaWriter> {
    const producer = new Producer(context.cluster, context.transactionalId, context.timing);
    try {
      const before = await producer.before();
      await producer.raiseEpoch(TAKEOVER_DEADLINE_MS);
      // A first epoch of an unknown owner: nobody wrote before.
      if (before !== undefined || producer.identity.epoch > 0) await waitSettled(context, producer, before);
      return new KafkaWriter(owner, context, producer);
    } catch (error) {
      producer.close();
      throw error;
    }
  }

  async commit(appends: readonly Append[]): Promise<CommitOutcome> {
    invariant(!this.#committing, `two commits at once by the writer of ${this.owner}`);
    this.#committing = true;
    try {
      await this.#ending;
      if (this.#dead !== undefined) return this.#aborted(this.#dead);
      if (appends.length === 0) return { status: 'committed', offsets: [] };
      return await this.#commit(appends);
    } catch (error) {
      return this.#aborted(error instanceof MizuError ? error : new MizuError('INTERNAL', messageOf(error), { cause: error }));
    } finally {
      this.#committing = false;
    }
  }

  async waitVisible(): Promise<void> {
    const places = [...this.#unseen];
    const endAgain = setTimeout(() => void this.#endAgain(places.map(([, place]) => place)), END_AGAIN_MS);
    try {
      await Promise.all(places.map(([, place]) => this.#context.waiters.passed(place, place.position)));
    } finally {
      clearTimeout(endAgain);
    }
    for (const [key, place] of places) if (this.#unseen.get(key) === place) this.#unseen.delete(key);
  }

  /** Where the marker of a commit is missing. Whatever comes of it, who waits is told at the deadline at the latest. */
  async #endAgain(places: readonly PartitionAddress[]): Promise<void> {
    // Another transaction of this writer would be committed half-way; its own marker says the same.
    if (this.#committing || this.#dead !== undefined) return;
    this.#ending = endMissing(this.#context.cluster, this.#producer, places, 'committed').catch(() => undefined);
    await this.#ending;
  }

  async close(): Promise<void> {
    this.#dead ??= new MizuError('LOG_FENCED', `The writer of ${this.owner} was closed`, {
      component: this.owner,
      hint: 'Open a new one.',
    });
    this.#producer.close();
  }

  /** @throws what kept the transaction from being begun: nothing was written. */
  async #commit(appends: readonly Append[]): Promise<CommitOutcome> {
    const { limits, topics } = this.#context;
    const admitted = admit(appends, limits);
    const specs = new Map<string, TopicSpec>();
    let spec: TopicSpec | undefined;
    for (const append of appends) {
      if (spec?.name !== append.topic) {
        spec = specs.get(append.topic) ?? (await topics.find(append.topic));
        specs.set(append.topic, spec);
      }
      checkPlace(spec, append);
    }
    return this.#transact(admitted);
  }

  async #transact(admitted: readonly Admitted[], again = false): Promise<CommitOutcome> {
    const { topics, compress, pool } = this.#context;
    const allocate = (bytes: number): Buffer => pool.take(bytes);
    const batches = planBatches(admitted, { topics, producer: this.#producer, compress, allocate });
    let starts: ReadonlyMap<PlannedBatch, number>;
    try {
      await this.#producer.begin(distinct(batches));
      starts = await this.#producer.produce(batches);
      // Every broker has them. After a failure a connection might still be sending some.
      for (const { bytes } of batches) pool.give(bytes);
    } catch (error) {
      const aborted = await this.#abort(error);
      return isForgotten(error) && !again && !aborted.writerDead ? this.#transact(admitted, true) : aborted;
    }
    const result = await this.#producer.commit();
    if (result.end === 'committed') return { status: 'committed', offsets: this.#offsets(admitted.length, starts) };
    if (result.end === 'refused') return await this.#abort(result.error);
    return this.#unknown(result.error);
  }

  #offsets(count: number, starts: ReadonlyMap<PlannedBatch, number>): readonly Offset[] {
    const offsets = new Array<Offset>(count);
    for (const [{ topic, partition, indices }, start] of starts) {
      for (const [n, index] of indices.entries()) offsets[index] = offset(start + n);
      if (this.#context.topics.isOwn(topic))
        this.#unseen.set(`${topic}/${partition}`, { topic, partition, position: start + indices.length });
    }
    return offsets;
  }

  /** The transaction never commits: at worst the broker ends it when its time is over. */
  async #abort(error: unknown): Promise<Aborted> {
    const cause = error instanceof MizuError ? error : new MizuError('INTERNAL', messageOf(error), { cause: error });
    if (cause instanceof Refusal && cause.isFence) {
      this.#dead = cause;
      return this.#aborted(cause);
    }
    try {
      await this.#producer.raiseEpoch(this.#context.timing.transactionTimeoutMs);
    } catch (failure) {
      this.#dead = failure instanceof MizuError ? failure : cause;
    }
    return this.#aborted(cause);
  }

  #aborted(error: MizuError): Aborted {
    return { status: 'aborted', writerDead: this.#dead !== undefined, error };
  }

  #unknown(cause: MizuError): CommitOutcome {
    this.#dead = new MizuError('LOG_UNKNOWN_OUTCOME', `Whether a commit of ${this.owner} was carried out is not known: ${cause.message}`, {
      component: this.owner,
      cause,
      hint: 'Open the writer again, which settles it, and read back what was committed.',
    });
    return { status: 'unknown', error: this.#dead };
  }
}

/** Brokers forget the sequence numbers of a producer that wrote nothing to a partition for a day; a raised epoch starts anew. */
function isForgotten(error: unknown): boolean {
  return error instanceof Refusal && (error.kafka === 'OUT_OF_ORDER_SEQUENCE_NUMBER' || error.kafka === 'UNKNOWN_PRODUCER_ID');
}

function distinct(batches: readonly PlannedBatch[]): readonly PartitionAddress[] {
  return [...new Map(batches.map(({ topic, partition }) => [`${topic}/${partition}`, { topic, partition }])).values()];
}
