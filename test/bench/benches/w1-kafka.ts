/** W1 from topic to topic, exactly once: Mizu's processes and Kafka Streams take turns on one broker, with the same records. */
import type { W1Engine } from '../engines/engine.ts';
import { kafkaStreams } from '../engines/kafka-streams.ts';
import { mizu } from '../engines/mizu.ts';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import { streamsVersion } from '../harness/java.ts';
import type { BenchKafka } from '../harness/kafka.ts';
import { loadTopic, openKafka } from '../harness/kafka.ts';
import { throughput } from '../harness/observe.ts';
import type { BenchResult, Side } from '../harness/result.ts';
import { machine, ratioOf, summarise } from '../harness/result.ts';
import { w1File, w1Reference } from '../w1/data.ts';

const DEFAULT_RECORDS = 1_000_000;
/** Of a run of each side before the first that counts: a broker that just started compiles its own code for 20 CPU seconds, which is no side's cost. */
const WARM_UP_RECORDS = 300_000;

export const w1Kafka: Bench = async (options) => {
  const kafka = await openKafka(options);
  if (options.broker === undefined) {
    const warmUp = await measureOn(kafka, options, `${kafka.id}-warm`, WARM_UP_RECORDS);
    for (const engine of chosen(options)) await warmUp(engine, 0);
  }
  return sideBySide('w1-kafka', options, await measureOn(kafka, options, kafka.id, options.records ?? DEFAULT_RECORDS));
};

/** Loads a topic; each measurement is one run over it, of which no topic is left. */
async function measureOn(
  kafka: BenchKafka,
  options: BenchOptions,
  name: string,
  records: number,
): Promise<(engine: W1Engine, n: number) => Promise<Side>> {
  const file = w1File(records);
  const reference = await w1Reference(file);
  const input = `${name}-in`;
  options.note(`loading ${records.toLocaleString('en')} records`);
  await loadTopic(kafka, input, file, records);
  return async (engine, n) => {
    const id = `${name}-${engine.side}-${n}`;
    const side = await throughput(engine, { kafka, options, id, input, finite: true }, { reference, records });
    const topics = await kafka.tool.ask<string[]>('topics', id);
    if (topics.length > 0) await kafka.tool.ask('delete', ...topics);
    return side;
  };
}

export function chosen(options: BenchOptions): W1Engine[] {
  return [mizu, kafkaStreams].filter((engine) => options.sides.has(engine.side));
}

/** Runs the chosen engines in turn, `repeat` times, and compares their medians. */
export async function sideBySide(
  bench: string,
  options: BenchOptions,
  measure: (engine: W1Engine, n: number) => Promise<Side>,
): Promise<BenchResult> {
  const engines = chosen(options);
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
