/** From record offered to record readable (read_committed), at a steady rate: percentiles in ms, after a warm-up. */
import type { Bench } from '../harness/bench.ts';
import { openKafka } from '../harness/kafka.ts';
import { TreeMeter } from '../harness/process-tree.ts';
import { w1File } from '../w1/data.ts';
import { W1_PARTITIONS } from '../w1/generator.ts';
import { sideBySide } from './w1-kafka.ts';

const DEFAULT_RATE = 5_000;
const WARM_UP_SECONDS = 25;
const MEASURED_SECONDS = 30;

export const latency: Bench = async (options) => {
  const rate = options.rate ?? DEFAULT_RATE;
  const file = w1File(rate * (WARM_UP_SECONDS + MEASURED_SECONDS));
  const kafka = await openKafka(options);
  return sideBySide('latency', options, async (engine, n) => {
    const id = `${kafka.id}-${engine.side}-${n}`;
    const input = `${id}-in`;
    await kafka.tool.ask('create', input, W1_PARTITIONS);
    const running = await engine.start({ kafka, options, id, input, finite: false });
    const meter = new TreeMeter(running.pids());
    const [engineBefore, brokerBefore] = [meter.look(), kafka.brokerCpuSeconds()];
    const args = [file, input, running.output, engine.form, rate, WARM_UP_SECONDS, MEASURED_SECONDS];
    const waits = await kafka.tool.ask<{ readonly [name: string]: number }>('latency', ...args);
    running.check();
    const seconds = WARM_UP_SECONDS + MEASURED_SECONDS;
    const perMillion = (cpu: number): number => (cpu * 1e6) / (seconds * rate);
    const [engineCpu, brokerCpu] = [meter.look() - engineBefore, kafka.brokerCpuSeconds() - brokerBefore];
    await running.stop();
    const { samples, ...percentiles } = waits;
    return {
      name: engine.name,
      cpuSecondsPerMillion: perMillion(engineCpu + brokerCpu),
      figures: { samples, ...Object.fromEntries(Object.entries(percentiles).map(([name, ms]) => [`${name}, ms`, ms])) },
    };
  });
};
