/**
 * The memory of every role over a long time: W1 without end, at full speed or at a steady rate, with retention on all topics between source and
 * published records, and a dedup that looks back a window of tasks. What is published is judged while it is published.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningMizu } from '../engines/mizu.ts';
import { startMizu } from '../engines/mizu.ts';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import { streamsVersion } from '../harness/java.ts';
import type { BenchKafka } from '../harness/kafka.ts';
import { openKafka } from '../harness/kafka.ts';
import type { Watched } from '../harness/memory-watch.ts';
import { MemoryWatch } from '../harness/memory-watch.ts';
import { TreeMeter } from '../harness/process-tree.ts';
import type { BenchResult, Figures, Part } from '../harness/result.ts';
import { machine, rounded } from '../harness/result.ts';
import { RoleMetrics } from '../harness/role-metrics.ts';
import type { Series } from '../harness/series.ts';
import { W1_PARTITIONS } from '../w1/generator.ts';
import { Laps } from '../w1/laps.ts';
import type { W1Verdict } from '../w1/reference.ts';

/** Code is compiled, heaps and windows fill. */
const WARM_UP_SECONDS = 60;
/** Of every topic between source and published records, per partition: half a minute at full speed, several times what is on its way. */
const RETENTION_BYTES = 64_000_000;
const SEGMENT_BYTES = 16_000_000;
/** Records that are in the source and not yet in complete tasks, at most: some seconds at full speed, a third of what the source keeps. */
const BACKLOG_RECORDS = 150_000;
/**
 * Tasks. Repeats lie at most two backlogs behind what they repeat (147 tasks of 2,048 records), since tasks take records partition after partition;
 * a lap is longer than the window and two backlogs together (824,288 records). So the groups of `Laps` are what must come out, whatever the cuts are.
 */
const WINDOW_TASKS = 256;
const TURN_MS = 250;
const STALL_LIMIT_MS = 60_000;
const RUN = 'w1';

interface Counts {
  readonly candidates: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly failed: number;
  readonly rejected: Readonly<Record<string, number>>;
}

interface Judged extends Pick<W1Verdict, 'outputs' | 'duplicates' | 'extra' | 'lost'> {
  /** Records that had to come out. */
  readonly wanted: number;
}

export const memory: Bench = async (options) => {
  options.note('making the records, the first time');
  const laps = await Laps.open();
  const kafka = await openKafka(options);
  const [input, id] = [`${kafka.id}-in`, `${kafka.id}-mizu`];
  await kafka.tool.ask('create', input, W1_PARTITIONS, `retention.bytes=${RETENTION_BYTES}`, `segment.bytes=${SEGMENT_BYTES}`);
  const settings = { window: WINDOW_TASKS, retentionBytes: RETENTION_BYTES, apart: true };
  const running = await startMizu({ kafka, options, id, input, finite: false }, settings);
  const stream = await Stream.open(kafka, running, laps, options);
  const watched = await watchedOf(running, kafka);
  options.note(`warming up for ${WARM_UP_SECONDS} s`);
  await stream.feed(WARM_UP_SECONDS, () => {});
  options.note(`measuring for ${options.minutes} min`);
  const watch = new MemoryWatch(kafka, watched, (topic) => topic === input);
  const meter = new TreeMeter(running.pids());
  const cpu = (): number => meter.look() + kafka.brokerCpuSeconds();
  const [started, recordsBefore, cpuBefore] = [performance.now(), await stream.candidates(), cpu()];
  await stream.feed(options.minutes * 60, () => watch.look());
  const [seconds, records, cpuSeconds] = [
    (performance.now() - started) / 1000,
    (await stream.candidates()) - recordsBefore,
    cpu() - cpuBefore,
  ];
  const end = await stream.end();
  await running.stop();
  const figures = { 'records in': end.sent, 'records out': end.judged.outputs, 'seconds measured': seconds };
  return resultOf(watch, { end, laps, figures, recordsPerSecond: records / seconds, cpuSecondsPerMillion: (cpuSeconds * 1e6) / records });
};

async function watchedOf(running: RunningMizu, { pid }: BenchKafka): Promise<ReadonlyMap<string, Watched>> {
  const watched = new Map<string, Watched>();
  for (const [name, child] of running.processes) watched.set(name, { pid: child.pid, metrics: await RoleMetrics.of(child) });
  if (pid !== undefined) watched.set('broker', { pid, metrics: undefined });
  return watched;
}

interface StreamEnd {
  readonly sent: number;
  readonly counts: Counts;
  readonly judged: Judged;
}

/** Records that are offered without end and judged as they come out. */
class Stream {
  private readonly kafka: BenchKafka;
  private readonly running: RunningMizu;
  private readonly orchestrator: RoleMetrics;
  /** Feeding and judging in the topic tool. */
  private readonly work: readonly Promise<unknown>[];
  private failure: unknown;

  private constructor(kafka: BenchKafka, running: RunningMizu, orchestrator: RoleMetrics, work: readonly Promise<unknown>[]) {
    this.kafka = kafka;
    this.running = running;
    this.orchestrator = orchestrator;
    this.work = work;
    for (const one of work) {
      one.catch((error: unknown) => {
        this.failure ??= error;
      });
    }
  }

  static async open(kafka: BenchKafka, running: RunningMizu, laps: Laps, options: BenchOptions): Promise<Stream> {
    const orchestrator = running.processes.get('orchestrator');
    if (orchestrator === undefined) throw new Error('no orchestrator was started');
    const metrics = await RoleMetrics.of(orchestrator);
    const judging = kafka.tool.ask('laps', running.output, laps.groupsFile);
    const feeding = kafka.tool.ask('feed', laps.file, `${kafka.id}-in`, options.rate ?? 0);
    options.cleanup.add(() => kafka.tool.ask('enough'));
    return new Stream(kafka, running, metrics, [judging, feeding]);
  }

  /** In complete tasks. */
  async candidates(): Promise<number> {
    return (await this.orchestrator.read('mizu_candidates_total')).mizu_candidates_total;
  }

  /** Lets records come, a backlog ahead of what is done, and looks at each turn. */
  async feed(seconds: number, look: () => Promise<void> | void): Promise<void> {
    for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(TURN_MS)) {
      await this.kafka.tool.ask('allow', (await this.candidates()) + BACKLOG_RECORDS);
      await look();
      this.check();
    }
  }

  /** No more records come; waits for those that are there. */
  async end(): Promise<StreamEnd> {
    const { tool } = this.kafka;
    await tool.ask('enough');
    const sent = Number(await this.work[1]);
    await this.until(sent, () => this.candidates());
    const counts = (await this.running.command('status', RUN)) as Counts;
    const judge = (): Promise<Judged> => tool.ask<Judged>('judge', sent);
    await this.until(counts.accepted, async () => (await judge()).outputs);
    const judged = await judge();
    await tool.ask('unlap');
    await this.work[0];
    return { sent, counts, judged };
  }

  /** Until a count that grows is reached, or stands still too long. */
  private async until(wanted: number, count: () => Promise<number>): Promise<void> {
    let seen = await count();
    for (let moved = performance.now(); seen < wanted && performance.now() - moved < STALL_LIMIT_MS; await sleep(TURN_MS)) {
      this.check();
      const now = await count();
      if (now !== seen) moved = performance.now();
      seen = now;
    }
  }

  private check(): void {
    this.running.check();
    if (this.failure !== undefined) throw this.failure;
  }
}

interface Measured {
  readonly end: StreamEnd;
  readonly laps: Laps;
  readonly figures: Figures;
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
}

function resultOf(watch: MemoryWatch, { end, laps, figures, recordsPerSecond, cpuSecondsPerMillion }: Measured): BenchResult {
  const { sent, counts, judged } = end;
  const { malformed, filtered } = laps.counts(sent);
  const differences = [
    ['candidates', counts.candidates, sent],
    ['failed', counts.failed, malformed],
    ['rejected', Object.values(counts.rejected).reduce((sum, n) => sum + n, 0), filtered],
    ['duplicates', counts.duplicates, sent - malformed - filtered - judged.wanted],
    ['published', counts.accepted, judged.wanted],
  ].filter(([, is, wanted]) => is !== wanted);
  const { lost, extra, duplicates, outputs } = judged;
  const ok = differences.length === 0 && lost === 0 && extra === 0 && duplicates === 0;
  const resident = partsOf(watch.resident);
  return {
    bench: 'memory',
    machine: machine(streamsVersion()),
    repeat: 1,
    recordsPerSecond: rounded(recordsPerSecond),
    cpuSecondsPerMillion: rounded(cpuSecondsPerMillion),
    figures,
    exact: { ok, outputs, lost, extra, duplicates, wrongFields: 0, deadLetters: counts.failed },
    peers: [],
    parts: [...resident, ...partsOf(watch.others)],
    notes: [
      `flat: ${resident.every(({ flat }) => flat) ? 'yes' : 'no'} (resident memory of every process)`,
      ...differences.map(([name, is, wanted]) => `${name}: ${is}, expected ${wanted}`),
    ],
  };
}

function partsOf(all: ReadonlyMap<string, Series>): readonly Part[] {
  return [...all].flatMap(([name, series]) => {
    const trend = series.trend();
    if (trend === undefined) return [];
    const { flat, ...told } = trend;
    const [first, middle, last, ratio, slope, peak] = [told.first, told.middle, told.last, told.ratio, told.slopePerHour, told.peak].map(
      rounded,
    );
    const thirds = { 'first third': first, 'middle third': middle, 'last third': last };
    return [{ name, flat, figures: { ...thirds, 'last/first': ratio, 'MB/hour': slope, peak } }];
  });
}
