/** Runs an engine over a topic until everything is out, and measures it from outside: by committed offsets and by /proc. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { avroValues, dropValues } from '../engines/mizu-values.ts';
import type { RunningEngine, W1Engine, W1Run } from '../engines/engine.ts';
import { W1Check } from '../w1/reference.ts';
import type { W1Output, W1Reference, W1Verdict } from '../w1/reference.ts';
import type { BenchKafka } from './kafka.ts';
import { TreeMeter } from './process-tree.ts';
import type { Side } from './result.ts';

const POLL_MS = 200;
/** No offset moved for so long: the engine is done. */
const SETTLE_MS = 4_000;
/** An engine that has not begun to publish after this never will. */
const SILENCE_LIMIT_MS = 120_000;
const MEGABYTE = 1e6;

export interface Wanted {
  readonly reference: W1Reference;
  readonly records: number;
}

/** All records through a fresh engine: speed, CPU, memory, exactness. */
export async function throughput(engine: W1Engine, run: W1Run, { reference, records }: Wanted): Promise<Side> {
  const { kafka } = run;
  const brokerBefore = kafka.brokerCpuSeconds();
  const running = await engine.start(run);
  const meter = new TreeMeter(running.pids());
  const least = reference.contents.size + reference.malformed;
  const last = await settled(running, kafka, least, () => ({ engine: meter.look(), broker: kafka.brokerCpuSeconds() - brokerBefore }));
  const wall = (last.at - (await running.startedAt())) / 1000;
  await running.stop();
  const exact = await verdict(engine, running, kafka, reference);
  const perMillion = (seconds: number): number => (seconds * 1e6) / records;
  return {
    name: engine.name,
    recordsPerSecond: records / wall,
    cpuSecondsPerMillion: perMillion(last.cpu.engine + last.cpu.broker),
    figures: {
      'engine CPU-s per million': perMillion(last.cpu.engine),
      'broker CPU-s per million': perMillion(last.cpu.broker),
      seconds: wall,
      'peak memory, MB': meter.peakBytes / MEGABYTE,
    },
    exact,
  };
}

interface Last<T> {
  /** When the last committed offset moved, ms since 1970. */
  readonly at: number;
  readonly cpu: T;
}

/** Waits until at least so many entries are committed and nothing moves any longer; `look` is taken at each move. */
export async function settled<T>(running: RunningEngine, kafka: BenchKafka, least: number, look: () => T): Promise<Last<T>> {
  let seen = 0;
  let last = { at: Date.now(), cpu: look() };
  for (;;) {
    await sleep(POLL_MS);
    const ends = await kafka.tool.ask<number>('ends', running.output, running.deadLetters);
    const cpu = look();
    const now = Date.now();
    if (ends !== seen) {
      seen = ends;
      last = { at: now, cpu };
    } else if (seen >= least && now - last.at > SETTLE_MS) return last;
    else if (now - last.at > SILENCE_LIMIT_MS) throw new Error(`${running.output} stands still at ${seen} of at least ${least} entries`);
    if (seen < least) running.check();
  }
}

/** Reads what was published and judges it. */
export async function verdict(engine: W1Engine, running: RunningEngine, kafka: BenchKafka, reference: W1Reference): Promise<W1Verdict> {
  const check = new W1Check(reference);
  const read = engine.form === 'json' ? jsonValue : avroValues();
  await eachValue(kafka, running.output, (value) => check.output(read(value)));
  const isMalformed = engine.form === 'json' ? (): boolean => true : dropValues();
  await eachValue(kafka, running.deadLetters, (value) => {
    if (isMalformed(value)) check.deadLetter();
  });
  return check.verdict();
}

const jsonValue = (value: Buffer): W1Output => JSON.parse(value.toString('utf8'));

async function eachValue(kafka: BenchKafka, topic: string, take: (value: Buffer) => void): Promise<void> {
  const file = join(kafka.folder, `${topic}.dump`);
  await kafka.tool.ask('dump', topic, file);
  const bytes = readFileSync(file);
  rmSync(file);
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) continue;
    take(bytes.subarray(at, at + length));
    at += length;
  }
}
