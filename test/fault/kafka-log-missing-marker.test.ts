/**
 * A broker may count a transaction as ended without saying so in one of its partitions, where it then hides all that follows for ever. Whoever opens its owner
 * again ends it there as it ended elsewhere (laws 2, 4). Such a partition is made here by a batch that no transaction was told of, which this broker does not refuse.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import type { Log } from '#engine';
import { parseKafkaAddress } from '../../connectors/kafka/address.ts';
import { describeTransaction, type ProducerIdentity, type TransactionState } from '../../connectors/kafka/api-transactions.ts';
import { Cluster } from '../../connectors/kafka/cluster.ts';
import { planBatches } from '../../connectors/kafka/plan-batches.ts';
import { Producer } from '../../connectors/kafka/producer.ts';
import { endMissing, outcomeOf } from '../../connectors/kafka/take-over.ts';
import { Topics } from '../../connectors/kafka/topics.ts';
import { makeTopics } from '../support/kafka-log-history.ts';
import { committedOffsets, note, readTexts } from '../support/log-tools.ts';
import { describePart, PART_START_LIMIT_MS } from '../support/parts/describe-part.ts';
import { type StartedBroker, startBroker } from '../support/parts/jvm-broker.ts';

const OPEN_MS = 10_000;

describePart('a transaction whose end is missing in a partition', 'own-kafka', 'kafka', () => {
  let broker: StartedBroker;
  const closing: (() => void | Promise<void>)[] = [];
  beforeAll(async () => {
    broker = await startBroker({ properties: { 'transaction.partition.verification.enable': 'false' } });
  }, PART_START_LIMIT_MS);
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await broker.remove();
  });

  async function open(): Promise<Log> {
    const log = await openKafkaLog({ address: `kafka://${broker.brokers}/missing-${randomUUID().slice(0, 8)}` });
    closing.push(() => log.close());
    await makeTopics(log);
    return log;
  }

  interface Left {
    readonly cluster: Cluster;
    readonly producer: Producer;
    /** Writes a text without its transaction knowing of the partition: it will not be ended there. */
    readonly unmarked: (topic: string, text: string) => Promise<void>;
    readonly state: () => Promise<TransactionState>;
  }

  /** A producer under the owner's transactional id, which does by hand what a writer does. */
  async function producerOf(log: Log, owner: string): Promise<Left> {
    const { brokers, network } = parseKafkaAddress(log.address);
    const cluster = new Cluster(brokers, { clientId: 'left', tls: undefined, sasl: undefined, dial: (address) => address });
    closing.push(() => cluster.close());
    await cluster.open();
    const producer = new Producer(cluster, `${network}.${owner}`);
    await producer.raiseEpoch(OPEN_MS);
    const topics = new Topics(cluster, log.address, network, {});
    const unmarked = async (topic: string, text: string): Promise<void> => {
      const append = note(topic, 0, text);
      const admitted = [{ append, headers: '', bytes: append.value.length }];
      await producer.produce(planBatches(admitted, { topics, producer, compress: false, allocate: Buffer.allocUnsafe }));
    };
    const links = cluster.links();
    const state = async (): Promise<TransactionState> =>
      (await links.to(await cluster.coordinator(producer.transactionalId))).call(describeTransaction, producer.transactionalId);
    return { cluster, producer, unmarked, state };
  }

  const placeOf = (log: Log, topic: string) => ({ topic: `${parseKafkaAddress(log.address).network}.${topic}`, partition: 0 });

  it('is committed there, too, when it was committed, by whoever takes its owner over', async () => {
    const log = await open();
    const { producer, unmarked, state } = await producerOf(log, 'left');
    await producer.begin([placeOf(log, 'beta')]);
    await unmarked('beta', 'marked|');
    await unmarked('alpha', 'unmarked|');
    expect(await producer.commit()).toEqual({ end: 'committed' });
    await expect.poll(async () => (await state()).state, { timeout: OPEN_MS }).toBe('CompleteCommit');
    const beside = await log.openWriter('beside');
    committedOffsets(await beside.commit([note('alpha', 0, 'beside|')]));
    expect(await readTexts(log, 'beta', 0)).toEqual(['marked|']);
    expect(await log.end('alpha', 0)).toBe(0);
    const writer = await log.openWriter('left');
    expect(await readTexts(log, 'alpha', 0)).toEqual(['unmarked|', 'beside|']);
    committedOffsets(await writer.commit([note('alpha', 0, 'next|')]));
    await writer.waitVisible();
    expect(await readTexts(log, 'alpha', 0)).toEqual(['unmarked|', 'beside|', 'next|']);
  });

  it('is aborted there, too, when it was aborted', async () => {
    const log = await open();
    const { producer, unmarked } = await producerOf(log, 'left');
    await producer.begin([placeOf(log, 'beta')]);
    await unmarked('beta', 'marked|');
    await unmarked('alpha', 'unmarked|');
    const beside = await log.openWriter('beside');
    committedOffsets(await beside.commit([note('alpha', 0, 'beside|')]));
    await log.openWriter('left');
    expect(await readTexts(log, 'beta', 0)).toEqual([]);
    expect(await readTexts(log, 'alpha', 0)).toEqual(['beside|']);
  });

  it('is ended by its own writer, which writes on under the same epoch', async () => {
    const log = await open();
    const { producer, unmarked, cluster } = await producerOf(log, 'left');
    const before = producer.identity;
    await producer.begin([placeOf(log, 'beta')]);
    await unmarked('beta', 'marked|');
    await unmarked('alpha', 'unmarked|');
    await producer.commit();
    await endMissing(cluster, producer, [placeOf(log, 'alpha'), placeOf(log, 'beta')], 'committed');
    expect(producer.identity).toEqual(before);
    await producer.begin([placeOf(log, 'alpha')]);
    await unmarked('alpha', 'next|');
    await producer.commit();
    await expect.poll(() => readTexts(log, 'alpha', 0), { timeout: OPEN_MS }).toEqual(['unmarked|', 'next|']);
  });

  it('is told by the state before and the epoch after', () => {
    const before = (state: string): TransactionState => ({ error: 0, state, producerId: 7n, epoch: 3 });
    const after = (epoch: number, id = 7n): ProducerIdentity => ({ id, epoch });
    for (const state of ['PrepareCommit', 'CompleteCommit', 'Ongoing']) {
      expect(outcomeOf(before(state), after(4)), state).toBe('committed');
      expect(outcomeOf(before(state), after(5)), state).toBe('aborted');
    }
    for (const state of ['PrepareAbort', 'CompleteAbort', 'PrepareEpochFence'])
      expect(outcomeOf(before(state), after(4)), state).toBe('aborted');
    for (const state of ['Empty', 'Dead', '']) expect(outcomeOf(before(state), after(4)), state).toBeUndefined();
    expect(outcomeOf(before('CompleteCommit'), after(0, 8n))).toBeUndefined();
  });
});
