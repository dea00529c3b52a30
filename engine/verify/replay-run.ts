/**
 * `mizu replay NAME`: executes the run again from the log's inputs alone (program, data, source, cuts, recorded answers) and compares
 * every leaf and every published record (law 3). Trusts no node: keyed stages take the frames that this replay made. The first
 * difference is named by task, op and, where bytes tell, record. Of a run that goes on it replays what is under its newest signed head; of one with a
 * retention what the log still has the inputs of.
 */
import { invariant, messageOf, MizuError } from '../contract/errors.ts';
import type { Gateway } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import type { Registry } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { LocalStorage } from '../contract/storage.ts';
import { StepMachine } from '../datavm/step-machine.ts';
import type { TaskOutput } from '../datavm/task-machine.ts';
import type { Frame } from '../proof/frame.ts';
import { decodeFrame } from '../proof/frame.ts';
import { canonicalJson } from '../proof/jcs.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { loadContext } from '../runtime/run-context.ts';
import { readSummary } from '../runtime/summary.ts';
import type { TaskSource } from '../runtime/task-source.ts';
import { openTaskSource, taskInput } from '../runtime/task-source.ts';
import type { TaskExecutor } from '../runtime/worker-pool.ts';
import { WorkerPool } from '../runtime/worker-pool.ts';
import type { ReplayStart } from './replay-start.ts';
import { firstReplayable, machineAt, stateMismatch } from './replay-start.ts';
import { UsageReplay } from './replay-usage.ts';
import { RunReader } from './run-reader.ts';
import { frameTo, LogComparison, type Mismatch } from './log-comparison.ts';
import type { TaskRange } from './task-range.ts';
import { SnapshotReplay } from './replay-snapshots.ts';

export interface ReplayOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  readonly registry: Registry;
  readonly local: LocalStorage;
  readonly workerUrl: URL;
  /** Worker threads, 1 to 64. */
  readonly workers: number;
  /** Executes tasks in place of worker threads; `workers` then only sets how many tasks are in flight. Closed at the end. */
  readonly executor?: TaskExecutor | undefined;
  /** Default: all whose inputs are on the log. */
  readonly tasks?: TaskRange | undefined;
  /** Answers from recorded attestations; needed for programs with external ops. */
  readonly gateway?: Gateway | undefined;
  /** Opens the topic of a program that reads one by reference. */
  readonly external?: OpenExternal | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ReplayReport {
  readonly ok: boolean;
  /** Whether the run is closed: otherwise it goes on, and what came after its newest signed head was not looked at. */
  readonly closed: boolean;
  /** What was asked for: with a mismatch, it ended in there. Undefined if there was nothing. */
  readonly range: TaskRange | undefined;
  /** Tasks 0 … last are those that there are. */
  readonly last: number;
  /** Topics that forgot what tasks before the range are executed from, if the caller named no range. */
  readonly forgotten: readonly string[];
  /** Tasks of the range whose published records the log forgot, in part or all: of them the leaves were compared, which commit to these records. */
  readonly unpublished: number;
  readonly tasks: number;
  readonly leaves: number;
  /** Candidates executed again. */
  readonly candidates: number;
  /** Published records compared byte by byte. */
  readonly records: number;
  readonly mismatch?: Mismatch;
}

type Compared = Omit<ReplayReport, 'closed' | 'range' | 'last' | 'forgotten'>;

/** Tasks executed ahead of the one compared, per worker. */
const AHEAD_PER_WORKER = 2;

/**
 * @throws CHECK_FAILED for a run of which nothing is signed yet, USAGE for a range outside it, SOURCE_UNAVAILABLE for one whose inputs the log forgot, NOT_FOUND for
 * ops this installation lacks.
 */
export async function replayRun(options: ReplayOptions): Promise<ReplayReport> {
  const reader = await RunReader.open(options.log, options.run);
  const start = await firstReplayable(options.log, reader);
  const range = rangeOf(options, reader, start);
  const pool =
    options.executor ??
    new WorkerPool({
      url: options.workerUrl,
      size: options.workers,
      setup: { program: options.run.program, digest: options.run.digest, data: options.run.data },
      ask: (questions) => Promise.all(questions.map((question) => recorded(options).ask(question, options.signal))),
    });
  try {
    const compared = await new Replay(options, reader, pool).compare(range.from, range.to);
    const { last, facts } = reader;
    const forgotten = options.tasks === undefined ? start.forgotten : [];
    return { ...compared, closed: facts.closed, range: range.from > range.to ? undefined : range, last, forgotten };
  } finally {
    await pool.close();
  }
}

function recorded(options: ReplayOptions): Gateway {
  if (options.gateway !== undefined) return options.gateway;
  throw new MizuError('USAGE', 'The program asks a model; its replay needs the recorded answers');
}

function rangeOf(options: ReplayOptions, { last, ended }: RunReader, start: ReplayStart): TaskRange {
  if (options.tasks === undefined) {
    if (start.from > last && last >= 0) throw forgotten(`The run can't be replayed`, start, last);
    return { from: start.from, to: last };
  }
  const { from, to } = options.tasks;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to > last || from > to) {
    const goesOn = ended ? '' : ' so far: those under its newest signed head';
    throw new MizuError('USAGE', `Tasks ${from}..${to} are not in the run`, {
      hint: last < 0 ? 'The run has no tasks.' : `The run's tasks are 0..${last}${goesOn}.`,
    });
  }
  if (from < start.from) throw forgotten(`Tasks ${from}..${to} can't be replayed`, start, last);
  return options.tasks;
}

function forgotten(what: string, { from, forgotten: topics }: ReplayStart, last: number): MizuError {
  return new MizuError('SOURCE_UNAVAILABLE', `${what}: the log forgot what they are executed from (${topics.join(', ')})`, {
    component: topics[0] ?? '',
    hint:
      from <= last
        ? `From task ${from} on everything is there: --tasks ${from}..${last}.`
        : `Of no task up to ${last} everything is there any more: its \`retention\` is shorter than it takes to look.`,
  });
}

class Replay {
  private readonly options: ReplayOptions;
  private readonly reader: RunReader;
  private readonly pool: TaskExecutor;
  private readonly source: TaskSource;
  private readonly snapshots: SnapshotReplay;
  /** By stage and partition. */
  private readonly machines: StepMachine[][] = [];
  private usage: UsageReplay | undefined;
  private readonly comparison: LogComparison;
  private candidates = 0;

  constructor(options: ReplayOptions, reader: RunReader, pool: TaskExecutor) {
    this.options = options;
    this.reader = reader;
    this.pool = pool;
    this.source = openTaskSource({ ...options.run, log: options.log, topics: reader.topics }, options.external);
    this.snapshots = new SnapshotReplay(options.log, reader.topics);
    this.comparison = new LogComparison(reader, options.run);
  }

  async compare(from: number, to: number): Promise<Compared> {
    await this.reader.startAt(from - 1);
    await this.reader.skipPublished(from);
    const ahead: { readonly output: Promise<TaskOutput | Error> }[] = [];
    let next = from;
    let done = 0;
    try {
      const wrongState = await this.openMachines(from);
      if (wrongState !== undefined) return { ...this.figures(done), ok: false, mismatch: wrongState };
      for (let k = from; k <= to; k++) {
        if (this.options.signal.aborted) throw new MizuError('INTERRUPTED', 'The replay was interrupted');
        while (next <= to && ahead.length < this.options.workers * AHEAD_PER_WORKER) ahead.push(await this.start(next++));
        const output = await ahead.shift()?.output;
        if (output === undefined) break;
        if (output instanceof Error) throw output;
        const mismatch = await this.task(k, output);
        done++;
        if (mismatch !== undefined) return { ...this.figures(done), ok: false, mismatch };
        this.options.onProgress?.(done, to - from + 1);
      }
      const mismatch = to === this.reader.last ? this.compareReports() : undefined;
      if (mismatch !== undefined) return { ...this.figures(done), ok: false, mismatch };
    } finally {
      for (const stage of this.machines) for (const machine of stage) machine.close();
      await this.source.close();
    }
    return { ...this.figures(done), ok: true };
  }

  private figures(tasks: number): Omit<Compared, 'ok' | 'mismatch'> {
    const { leaves, records, unpublished } = this.comparison;
    return { tasks, leaves, candidates: this.candidates, records, unpublished };
  }

  /** Reads the task's source range, then executes it; a failure is a value, so that none goes unhandled. */
  private async start(k: number): Promise<{ readonly output: Promise<TaskOutput | Error> }> {
    const { cut, poison } = this.reader.task(k);
    const input = taskInput(cut, poison, await this.source.records(cut));
    this.candidates += input.count;
    const output = this.pool
      .execute(input)
      .catch((error: unknown) => (error instanceof Error ? error : new MizuError('INTERNAL', messageOf(error))));
    return { output };
  }

  private async task(k: number, output: TaskOutput): Promise<Mismatch | undefined> {
    const groups = await this.reader.leaves(k);
    let sent = output.frames.map(decodeFrame);
    const wrong = await this.comparison.task(
      k,
      output.leaves,
      sent,
      groups.find((group) => group.stage === 0),
    );
    if (wrong !== undefined) return wrong;
    this.usage ??= await UsageReplay.open(this.options.log, this.reader);
    const taken = this.usage.compare(k, output.usage);
    if (taken !== undefined) return taken;
    let rows = [sent];
    for (const stage of this.options.run.program.stages.slice(1)) {
      const passed: Frame[][] = [];
      for (let partition = 0; partition < stage.partitions; partition++) {
        const machine = this.machines[stage.index]?.[partition];
        invariant(machine !== undefined, `stage ${stage.index} has a partition ${partition}`);
        const step = await machine.execute(
          k,
          rows.map((row) => frameTo(row, partition)),
        );
        sent = step.frames.map(decodeFrame);
        passed.push(sent);
        const group = groups.find((candidate) => candidate.stage === stage.index && candidate.partition === partition);
        const mismatch =
          (await this.comparison.step(stage, step, sent, group)) ?? (await this.snapshots.compare(stage.index, partition, machine));
        if (mismatch !== undefined) return mismatch;
      }
      rows = passed;
    }
    return undefined;
  }

  /** What aggregates report at the end is what the run's summary says. */
  private compareReports(): Mismatch | undefined {
    const { summary } = this.reader.facts;
    if (summary === undefined) return undefined;
    const said = readSummary(summary).reports;
    const mine: Record<string, Json> = Object.assign({}, ...this.machines.flat().map((machine) => machine.reports()));
    for (const step of new Set([...Object.keys(mine), ...Object.keys(said)])) {
      if (canonicalJson(mine[step] ?? null) === canonicalJson(said[step] ?? null)) continue;
      const message = `the summary of the run reports another result of '${step}'`;
      return { task: 'summary', step, block: undefined, record: undefined, message };
    }
    return undefined;
  }

  /** Keyed stages start from the state that the log says they had before the range. Which of them it is not that of the leaves, if any. */
  private async openMachines(from: number): Promise<Mismatch | undefined> {
    const { log, run } = this.options;
    const context = loadContext({ program: run.program, registry: this.options.registry, local: this.options.local, data: run.data });
    const before = from === 0 ? undefined : await this.reader.leaves(from - 1);
    for (const { kind, index: stage, partitions } of run.program.stages) {
      const row: StepMachine[] = [];
      this.machines.push(row);
      for (let partition = 0; kind !== 'source' && partition < partitions; partition++) {
        const open = (): Promise<StepMachine> => StepMachine.open(context, run.digest, stage, partition);
        const machine = await machineAt(log, this.reader, { stage, partition }, from, open);
        row.push(machine);
        const wrong = before === undefined ? undefined : stateMismatch({ stage, partition }, machine, before);
        if (wrong !== undefined) return wrong;
      }
    }
    return undefined;
  }
}
