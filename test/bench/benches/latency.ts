/** From record offered to record readable (read_committed), at a steady rate: percentiles in ms, after a warm-up. */
import type { W1Engine } from '../engines/engine.ts';
import type { Bench } from '../harness/bench.ts';
import { openKafka } from '../harness/kafka.ts';
import { TreeMeter } from '../harness/process-tree.ts';
import type { Side } from '../harness/result.ts';
import { sideBySide } from '../harness/side-by-side.ts';
import { w1File } from '../w1/data.ts';
import { W1_PARTITIONS } from '../w1/generator.ts';
import { chosen, onKafka } from './w1-kafka.ts';

const DEFAULT_RATE = 5_000;
const WARM_UP_SECONDS = 25;
const MEASURED_SECONDS = 30;
/** How long a broker that has just started serves each side, before either counts: it compiles its own code meanwhile. */
const REHEARSAL_SECONDS = 25;

export const latency: Bench = async (options) => {
  const rate = options.rate ?? DEFAULT_RATE;
  const file = w1File(rate * (WARM_UP_SECONDS + MEASURED_SECONDS));
  const kafka = await openKafka(options);
  const measure = async (engine: W1Engine, name: string, warmUp: number, measured: number): Promise<Side> => {
    const id = `${kafka.id}-${name}`;
    const input = `${id}-in`;
    await kafka.tool.ask('create', input, W1_PARTITIONS);
    const running = await engine.start({ kafka, options, id, input, finite: false });
    const meter = new TreeMeter(running.pids());
    const [engineBefore, brokerBefore] = [meter.look(), kafka.brokerCpuSeconds()];
    const args = [file, input, running.output, engine.form, rate, warmUp, measured];
    const waits = await kafka.tool.ask<{ readonly [name: string]: number }>('latency', ...args);
    running.check();
    const perMillion = (cpu: number): number => (cpu * 1e6) / ((warmUp + measured) * rate);
    const [engineCpu, brokerCpu] = [meter.look() - engineBefore, kafka.brokerCpuSeconds() - brokerBefore];
    await running.stop();
    const { samples, ...percentiles } = waits;
    return {
      name: engine.name,
      cpuSecondsPerMillion: perMillion(engineCpu + brokerCpu),
      figures: {
        'engine CPU-s per million': perMillion(engineCpu),
        'broker CPU-s per million': perMillion(brokerCpu),
        samples,
        ...Object.fromEntries(Object.entries(percentiles).map(([at, ms]) => [`${at}, ms`, ms])),
      },
    };
  };
  if (options.broker === undefined) {
    for (const engine of chosen(options)) await measure(engine, `warm-${engine.side}`, REHEARSAL_SECONDS - 1, 1);
  }
  return sideBySide('latency', onKafka(options), (engine, n) => measure(engine, `${engine.side}-${n}`, WARM_UP_SECONDS, MEASURED_SECONDS));
};
