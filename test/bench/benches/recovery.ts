/**
 * kill -9 of what computes when 500,000 records are published, and a new process in its place at once: how long until the first new output, until
 * output on every partition, and whether the whole is still exact.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../harness/bench.ts';
import { loadTopic, openKafka } from '../harness/kafka.ts';
import { settled, verdict } from '../harness/observe.ts';
import { sideBySide } from '../harness/side-by-side.ts';
import { w1File, w1Reference } from '../w1/data.ts';
import { onKafka } from './w1-kafka.ts';

const DEFAULT_RECORDS = 1_000_000;
/** Of 639,736 that come out of a million. */
const KILL_AT_SHARE = 0.78;
const POLL_MS = 100;
const QUIET_MS = 5_000;
const LIMIT_MS = 180_000;

interface Followed {
  /** ms since 1970, by partition; 0: nothing came. */
  readonly firsts: readonly number[];
  readonly last: number;
}

export const recovery: Bench = async (options) => {
  const records = options.records ?? DEFAULT_RECORDS;
  const file = w1File(records);
  const reference = await w1Reference(file);
  const killAt = Math.floor(reference.contents.size * KILL_AT_SHARE);
  const kafka = await openKafka(options);
  const input = `${kafka.id}-in`;
  options.note(`loading ${records.toLocaleString('en')} records`);
  await loadTopic(kafka, input, file, records);
  return sideBySide('recovery', onKafka(options), async (engine, n) => {
    const id = `${kafka.id}-${engine.side}-${n}`;
    const running = await engine.start({ kafka, options, id, input, finite: true });
    while ((await kafka.tool.ask<number>('ends', running.output)) < killAt) {
      running.check();
      await sleep(POLL_MS);
    }
    const killed = Date.now();
    const restart = running.killAndRestart();
    const positions = await kafka.tool.ask<number[]>('positions', running.output);
    const { firsts, last } = await kafka.tool.ask<Followed>('follow', running.output, positions.join(','), QUIET_MS, LIMIT_MS);
    await restart;
    await settled(running, kafka, reference.contents.size, () => undefined);
    await running.stop();
    const came = firsts.filter((at) => at > 0);
    return {
      name: engine.name,
      figures: {
        'published at the kill': positions.reduce((sum, offset) => sum + offset, 0),
        'first output, s': came.length === 0 ? undefined : (Math.min(...came) - killed) / 1000,
        'output everywhere, s': came.length < firsts.length ? undefined : (Math.max(...came) - killed) / 1000,
        'all out, s': (last - killed) / 1000,
      },
      exact: await verdict(engine, running, kafka, reference),
    };
  });
};
