/**
 * One transactional producer on raw requests: identity and epoch, sequence numbers, AddPartitions → Produce → EndTxn. It answers
 * with what is known; what that means for a commit, the writer decides.
 *
 * Why repeating is safe: batches carry sequence numbers, so a broker that has one already says so; adding a partition twice and
 * committing twice say the same as once. Why an abort raises the epoch instead of ending the transaction: a batch of it that
 * is still on its way can then not slip into the next one.
 */
import { type Append, MizuError } from '#engine';
import type { PartitionAddress } from './api.ts';
import { type Produced, produce } from './api-data.ts';
import {
  addPartitions,
  describeTransaction,
  endTransaction,
  initProducerId,
  NO_PRODUCER,
  type ProducerIdentity,
  type TransactionState,
} from './api-transactions.ts';
import type { Cluster, Links } from './cluster.ts';
import { type Asked, assertAnswer, isRetriable, LinkFailure, Refusal } from './failures.ts';
import {
  PRODUCE_BYTES,
  REQUEST_TIMEOUT_MS,
  SETTLE_DEADLINE_MS,
  TAKEOVER_DEADLINE_MS,
  TRANSACTION_PAUSE_MS,
  TRANSACTION_TIMEOUT_MS,
} from './limits.ts';
import type { Link } from './link.ts';
import { Pauses } from './retry.ts';

/** A batch of consecutive appends to one partition. */
export interface PlannedBatch extends PartitionAddress {
  readonly appends: readonly Append[];
  /** Where each stands in the commit. */
  readonly indices: readonly number[];
  readonly bytes: Buffer;
}

/** `maybe`: some attempt may have been carried out, no answer came. */
export type EndResult = { readonly end: 'committed' } | { readonly end: 'refused' | 'maybe'; readonly error: MizuError };

export interface ProducerTiming {
  /** After this the broker aborts the transaction of a writer that fell silent. */
  readonly transactionTimeoutMs: number;
  /** How long a commit that was decided is repeated until somebody knows its outcome. */
  readonly settleDeadlineMs: number;
}

export const DEFAULT_TIMING: ProducerTiming = { transactionTimeoutMs: TRANSACTION_TIMEOUT_MS, settleDeadlineMs: SETTLE_DEADLINE_MS };

const SEQUENCES = 2 ** 31;
/** Answers which say that this attempt to commit was not carried out. */
const NOT_DONE = new Set(['COORDINATOR_LOAD_IN_PROGRESS', 'NOT_COORDINATOR', 'CONCURRENT_TRANSACTIONS']);
const UNKNOWN_TOPIC = 3;
const OPERATION_NOT_ATTEMPTED = 55;
const TRANSACTIONAL_ID_NOT_FOUND = 105;

export class Producer {
  readonly transactionalId: string;
  readonly #cluster: Cluster;
  readonly #links: Links;
  #identity: ProducerIdentity = NO_PRODUCER;
  #coordinator: number | undefined;
  readonly #sequences = new Map<string, number>();
  readonly #timing: ProducerTiming;

  constructor(cluster: Cluster, transactionalId: string, timing: ProducerTiming = DEFAULT_TIMING) {
    this.transactionalId = transactionalId;
    this.#timing = timing;
    this.#cluster = cluster;
    this.#links = cluster.links();
  }

  get identity(): ProducerIdentity {
    return this.#identity;
  }

  /** What became of the newest transaction under this transactional id; undefined when it never wrote, or not for a week. */
  async before(): Promise<TransactionState | undefined> {
    const state = await this.#askCoordinator(TAKEOVER_DEADLINE_MS, 'open a writer', async (link) => {
      const answer = await link.call(describeTransaction, this.transactionalId);
      return { ...answer, errors: [answer.error === TRANSACTIONAL_ID_NOT_FOUND ? 0 : answer.error] };
    });
    return state.error === 0 ? state : undefined;
  }

  /**
   * Ends whatever transaction is open under this id, and fences everybody who writes with an older epoch. A producer that
   * has an identity raises only its own epoch. @throws LOG_FENCED when another has taken over.
   */
  async raiseEpoch(deadlineMs: number): Promise<void> {
    const { id, epoch } = await this.#askCoordinator(deadlineMs, 'open a writer', async (link) => {
      const query = { transactionalId: this.transactionalId, timeoutMs: this.#timing.transactionTimeoutMs, current: this.#identity };
      const answer = await link.call(initProducerId, query);
      return { ...answer, errors: [answer.error] };
    });
    this.#identity = { id, epoch };
    this.#sequences.clear();
  }

  /** The sequence number of the next batch for a partition, which has that many records. */
  takeSequence({ topic, partition }: PartitionAddress, records: number): number {
    const key = `${topic}/${partition}`;
    const sequence = this.#sequences.get(key) ?? 0;
    this.#sequences.set(key, (sequence + records) % SEQUENCES);
    return sequence;
  }

  async begin(places: readonly PartitionAddress[]): Promise<void> {
    await this.#askCoordinator(this.#timing.transactionTimeoutMs, `write to ${places[0]?.topic}`, async (link) => {
      const added = await link.call(addPartitions, { transactionalId: this.transactionalId, producer: this.#identity, partitions: places });
      // Where one is refused, the others were not tried.
      for (const { topic, error } of added) {
        if (error !== 0 && error !== OPERATION_NOT_ATTEMPTED) throw new Refusal(error, this.#asked(`write to ${topic}`, topic));
      }
      return { errors: added.map(({ error }) => error) };
    });
  }

  /** Sends every batch, those of one partition in order, one at a time. @returns the offset of the first record of each. */
  async produce(batches: readonly PlannedBatch[]): Promise<ReadonlyMap<PlannedBatch, number>> {
    const queues = new Map<string, PlannedBatch[]>();
    for (const batch of batches) {
      const key = `${batch.topic}/${batch.partition}`;
      const queue = queues.get(key);
      if (queue === undefined) queues.set(key, [batch]);
      else queue.push(batch);
    }
    const offsets = new Map<PlannedBatch, number>();
    const pauses = new Pauses(this.#timing.transactionTimeoutMs);
    while (queues.size > 0) {
      const failure = await this.#sendHeads(queues, offsets);
      if (failure === undefined) continue;
      if (!isRetriable(failure) || pauses.over) throw failure;
      await pauses.pause();
    }
    return offsets;
  }

  async commit(): Promise<EndResult> {
    const pauses = new Pauses(this.#timing.settleDeadlineMs);
    const query = { transactionalId: this.transactionalId, producer: this.#identity };
    let maybe = false;
    for (;;) {
      let sent = false;
      try {
        const link = await this.#toCoordinator();
        sent = true;
        assertAnswer(await link.call(endTransaction, query), this.#asked('commit'));
        return { end: 'committed' };
      } catch (error) {
        if (!(error instanceof MizuError)) throw error;
        maybe ||= sent && mayHaveCommitted(error);
        if (!isRetriable(error) || pauses.over) return { end: maybe ? 'maybe' : 'refused', error };
        await this.#pauseFor(error, pauses);
      }
    }
  }

  /**
   * Ends a transaction once more in partitions where its end is missing, by an empty one in these: its marker ends all that is open there under this producer id.
   * Only while no transaction is under way. @throws what kept it from that.
   */
  async endAgain(places: readonly PartitionAddress[], outcome: 'committed' | 'aborted'): Promise<void> {
    await this.begin(places);
    if (outcome === 'aborted') return this.raiseEpoch(TAKEOVER_DEADLINE_MS);
    const result = await this.commit();
    if (result.end !== 'committed') throw result.error;
  }

  close(): void {
    this.#cluster.dropLinks(this.#links);
  }

  /** The first batch of each queue, as many as fit into a round. @returns a failure, if there was one. */
  async #sendHeads(queues: Map<string, PlannedBatch[]>, offsets: Map<PlannedBatch, number>): Promise<unknown> {
    const byNode = new Map<number, PlannedBatch[]>();
    let bytes = 0;
    for (const [head] of queues.values()) {
      if (head === undefined) continue;
      if (bytes > 0 && bytes + head.bytes.length > PRODUCE_BYTES) break;
      bytes += head.bytes.length;
      try {
        const node = await this.#cluster.leader(head);
        byNode.set(node, [...(byNode.get(node) ?? []), head]);
      } catch (error) {
        return error;
      }
    }
    const failures: unknown[] = [];
    const done = (batch: PlannedBatch, offset: number): void => {
      offsets.set(batch, offset);
      const key = `${batch.topic}/${batch.partition}`;
      const rest = queues.get(key)?.slice(1) ?? [];
      if (rest.length === 0) queues.delete(key);
      else queues.set(key, rest);
    };
    await Promise.all([...byNode].map(([node, batches]) => this.#send(node, batches, done).then((found) => failures.push(...found))));
    // What can't be mended decides, whatever else went wrong beside it.
    return failures.find((failure) => !isRetriable(failure)) ?? failures[0];
  }

  async #send(node: number, batches: readonly PlannedBatch[], done: (batch: PlannedBatch, offset: number) => void): Promise<unknown[]> {
    let answers: readonly Produced[];
    try {
      const link = await this.#links.to(node);
      answers = await link.call(produce, {
        transactionalId: this.transactionalId,
        timeoutMs: REQUEST_TIMEOUT_MS,
        batches: batches.map(({ topic, partition, bytes }) => ({ topic, partition, batch: bytes })),
      });
    } catch (error) {
      for (const { topic } of batches) this.#cluster.forget(topic);
      return [error];
    }
    return batches.flatMap((batch) => {
      const answer = answers.find(({ topic, partition }) => topic === batch.topic && partition === batch.partition);
      if (answer?.error === 0 && answer.baseOffset >= 0) {
        done(batch, answer.baseOffset);
        return [];
      }
      const refusal = new Refusal(answer?.error || UNKNOWN_TOPIC, this.#asked(`write to ${batch.topic}/${batch.partition}`, batch.topic));
      if (refusal.retriable) this.#cluster.forget(batch.topic);
      return [refusal];
    });
  }

  /** Asks the coordinator until no error of its answer can be mended by asking again. */
  async #askCoordinator<A extends { readonly errors: readonly number[] }>(
    deadlineMs: number,
    what: string,
    ask: (link: Link) => Promise<A>,
  ): Promise<A> {
    const pauses = new Pauses(deadlineMs);
    for (;;) {
      try {
        const answer = await ask(await this.#toCoordinator());
        for (const error of answer.errors) assertAnswer(error, this.#asked(what));
        return answer;
      } catch (error) {
        if (!isRetriable(error) || pauses.over) throw error;
        await this.#pauseFor(error, pauses);
      }
    }
  }

  async #toCoordinator(): Promise<Link> {
    this.#coordinator ??= await this.#cluster.coordinator(this.transactionalId);
    return this.#links.to(this.#coordinator);
  }

  async #pauseFor(error: unknown, pauses: Pauses): Promise<void> {
    // The transaction before is over in a moment; the coordinator is the right one.
    if (error instanceof Refusal && error.kafka === 'CONCURRENT_TRANSACTIONS') return pauses.pause(TRANSACTION_PAUSE_MS);
    this.#coordinator = undefined;
    await pauses.pause();
  }

  #asked(what: string, topic?: string): Asked {
    return {
      what: `${what} as ${this.transactionalId}`,
      acl: `WRITE on ${topic === undefined ? '' : `topic ${topic} and on `}transactional id ${this.transactionalId}`,
    };
  }
}

function mayHaveCommitted(error: MizuError): boolean {
  if (error instanceof LinkFailure) return true;
  return error instanceof Refusal && error.retriable && !NOT_DONE.has(error.kafka);
}
