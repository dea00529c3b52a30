/** A producer that has begun a transaction and written to all places of a history: what a dying or a stopped writer leaves behind. */
import { parseKafkaAddress } from '../../connectors/kafka/address.ts';
import { Cluster } from '../../connectors/kafka/cluster.ts';
import { planBatches } from '../../connectors/kafka/plan-batches.ts';
import { DEFAULT_TIMING, type PlannedBatch, Producer } from '../../connectors/kafka/producer.ts';
import { Topics } from '../../connectors/kafka/topics.ts';
import { appendsOf } from './kafka-log-history.ts';

const PADDING = 2_000;
const OPEN_MS = 10_000;

export async function insideTransaction(
  address: string,
  owner: string,
  transactionTimeoutMs: number,
  closing: (() => void | Promise<void>)[],
): Promise<{ readonly producer: Producer; readonly batches: readonly PlannedBatch[] }> {
  const { brokers, network } = parseKafkaAddress(address);
  const cluster = new Cluster(brokers, { clientId: 'inside', tls: undefined, sasl: undefined, dial: (broker) => broker });
  closing.push(() => cluster.close());
  await cluster.open();
  const producer = new Producer(cluster, `${network}.${owner}`, { ...DEFAULT_TIMING, transactionTimeoutMs });
  await producer.raiseEpoch(OPEN_MS);
  const admitted = appendsOf(`${owner} 0`, PADDING).map((append) => ({ append, headers: '', bytes: append.value.length }));
  const topics = new Topics(cluster, address, network, {});
  const batches = planBatches(admitted, { topics, producer, compress: false, allocate: Buffer.allocUnsafe });
  await producer.begin(batches.map(({ topic, partition }) => ({ topic, partition })));
  await producer.produce(batches);
  return { producer, batches };
}
