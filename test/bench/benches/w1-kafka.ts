/** W1 from topic to topic, exactly once: Mizu's processes and Kafka Streams take turns on one broker, with the same records. */
import type { W1Engine } from '../engines/engine.ts';
import { kafkaStreams } from '../engines/kafka-streams.ts';
import { mizu } from '../engines/mizu.ts';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import { streamsVersion } from '../harness/java.ts';
import type { BenchKafka } from '../harness/kafka.ts';
import { loadTopic, openKafka } from '../harness/kafka.ts';
import { throughput } from '../harness/observe.ts';
import type { Side } from '../harness/result.ts';
import { machine } from '../harness/result.ts';
import { type Contest, sideBySide } from '../harness/side-by-side.ts';
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
  return sideBySide('w1-kafka', onKafka(options), await measureOn(kafka, options, kafka.id, options.records ?? DEFAULT_RECORDS));
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

const ENGINES: readonly W1Engine[] = [mizu, kafkaStreams];

export function chosen(options: BenchOptions): W1Engine[] {
  return ENGINES.filter((engine) => options.sides.has(engine.side));
}

/** What takes turns on a broker. */
export function onKafka(options: BenchOptions): Contest<W1Engine> {
  return { options, machine: machine(streamsVersion()), engines: ENGINES };
}
