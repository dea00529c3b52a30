/** W1 from topic to topic, exactly once: Mizu's processes and Kafka Streams take turns on one broker, with the same records. */
import type { W1Engine } from '../engines/engine.ts';
import { kafkaStreams } from '../engines/kafka-streams.ts';
import { mizu } from '../engines/mizu.ts';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import { streamsVersion } from '../harness/java.ts';
import { loadTopic, openKafka } from '../harness/kafka.ts';
import { throughput } from '../harness/observe.ts';
import type { BenchResult, Side } from '../harness/result.ts';
import { machine, ratioOf, summarise } from '../harness/result.ts';
import { w1File, w1Reference } from '../w1/data.ts';

const DEFAULT_RECORDS = 1_000_000;

export const w1Kafka: Bench = async (options) => {
  const records = options.records ?? DEFAULT_RECORDS;
  const file = w1File(records);
  const reference = await w1Reference(file);
  const kafka = await openKafka(options);
  const input = `${kafka.id}-in`;
  options.note(`loading ${records.toLocaleString('en')} records`);
  await loadTopic(kafka, input, file, records);
  return sideBySide('w1-kafka', options, async (engine, n) => {
    const id = `${kafka.id}-${engine.side}-${n}`;
    const side = await throughput(engine, { kafka, options, id, input, finite: true }, { reference, records });
    const topics = await kafka.tool.ask<string[]>('topics', id);
    if (topics.length > 0) await kafka.tool.ask('delete', ...topics);
    return side;
  });
};

/** Runs the chosen engines in turn, `repeat` times, and compares their medians. */
export async function sideBySide(
  bench: string,
  options: BenchOptions,
  measure: (engine: W1Engine, n: number) => Promise<Side>,
): Promise<BenchResult> {
  const engines = [mizu, kafkaStreams].filter((engine) => options.sides.has(engine.side));
  const runs = new Map<W1Engine, Side[]>(engines.map((engine) => [engine, []]));
  for (let n = 0; n < options.repeat; n++) {
    for (const engine of engines) {
      options.note(`${engine.name}: run ${n + 1} of ${options.repeat}`);
      runs.get(engine)?.push(await measure(engine, n));
    }
  }
  const own = runs.get(mizu);
  const ownSide = own === undefined ? undefined : summarise(own);
  const peers = [...runs]
    .filter(([engine]) => engine.side === 'peer')
    .map(([, sides]) => summarise(sides))
    .map((peer) => ({ ...peer, ratio: ownSide === undefined ? {} : ratioOf(ownSide, peer) }));
  const { name: _, ...figures } = ownSide ?? { name: '' };
  const left = engines.length < 2 ? [`only ${engines.map((engine) => engine.name).join()} was run`] : [];
  return { bench, machine: machine(streamsVersion()), repeat: options.repeat, ...figures, peers, notes: left };
}
