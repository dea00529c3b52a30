/**
 * `mizu replay NAME`: executes the run again from the log's inputs alone (program, data, source, cuts, recorded answers) and compares
 * every leaf and every published record (law 3). Trusts no node: keyed stages take the frames that this replay made. The first
 * difference is named by task, op and, where bytes tell, record.
 */
import { messageOf, MizuError } from '../contract/errors.ts';
import type { Gateway } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import type { Registry } from '../contract/operator.ts';
import type { StageSpec } from '../contract/program.ts';
import type { LocalStorage } from '../contract/storage.ts';
import type { StepOutput } from '../datavm/step-machine.ts';
import { StepMachine } from '../datavm/step-machine.ts';
import type { TaskOutput } from '../datavm/task-machine.ts';
import type { Frame } from '../proof/frame.ts';
import { decodeFrame } from '../proof/frame.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { equalBytes } from '../proof/sha256.ts';
import type { DeployedRun } from '../runtime/deploy.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import { LogCursor } from '../runtime/log-cursor.ts';
import { loadContext } from '../runtime/run-context.ts';
import { SourceReader } from '../runtime/source-store.ts';
import { decodeStateEntry } from '../runtime/state-entry.ts';
import { WorkerPool } from '../runtime/worker-pool.ts';
import { placeOf } from './check-leaves.ts';
import { RunReader } from './run-reader.ts';

export interface ReplayOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  readonly registry: Registry;
  readonly local: LocalStorage;
  readonly workerUrl: URL;
  readonly workers: number;
  /** Tasks from … to, both included; default: all. */
  readonly tasks?: { readonly from: number; readonly to: number } | undefined;
  /** Answers from recorded attestations; needed for programs with external ops. */
  readonly gateway?: Gateway | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Mismatch {
  /** stage/k, or stage/partition/k. */
  readonly task: string;
  readonly step: string;
  readonly block: number | undefined;
  /** Record id, where the bytes on the log tell which record differs. */
  readonly record: string | undefined;
  readonly message: string;
}

export interface ReplayReport {
  readonly ok: boolean;
  readonly tasks: number;
  readonly leaves: number;
  /** Candidates executed again. */
  readonly candidates: number;
  /** Published records compared byte by byte. */
  readonly records: number;
  readonly mismatch?: Mismatch;
}

/** Tasks executed ahead of the one compared, per worker. */
const AHEAD_PER_WORKER = 2;

/** @throws CHECK_FAILED for an unfinished run, USAGE for a range outside it, NOT_FOUND for ops this installation lacks. */
export async function replayRun(options: ReplayOptions): Promise<ReplayReport> {
  const reader = await RunReader.open(options.log, options.run);
  const range = rangeOf(options, reader.facts.last);
  const pool = new WorkerPool({
    url: options.workerUrl,
    size: options.workers,
    setup: { program: options.run.program, digest: options.run.digest, data: options.run.data },
    ask: (questions) => Promise.all(questions.map((question) => recorded(options).ask(question, options.signal))),
  });
  try {
    return await new Replay(options, reader, pool).compare(range.from, range.to);
  } finally {
    await pool.close();
  }
}

function recorded(options: ReplayOptions): Gateway {
  if (options.gateway !== undefined) return options.gateway;
  throw new MizuError('USAGE', 'The program asks a model; its replay needs the recorded answers');
}

function rangeOf(options: ReplayOptions, last: number): { readonly from: number; readonly to: number } {
  const { from, to } = options.tasks ?? { from: 0, to: last };
  if (from < 0 || to > last || from > to + (options.tasks === undefined ? 1 : 0)) {
    throw new MizuError('USAGE', `Tasks ${from}..${to} are not in the run`, {
      hint: last < 0 ? 'The run has no tasks.' : `The run's tasks are 0..${last}.`,
    });
  }
  return { from, to };
}

class Replay {
  private readonly options: ReplayOptions;
  private readonly reader: RunReader;
  private readonly pool: WorkerPool;
  private readonly source: SourceReader;
  private machines: StepMachine[][] = [];
  private leaves = 0;
  private candidates = 0;
  private records = 0;

  constructor(options: ReplayOptions, reader: RunReader, pool: WorkerPool) {
    this.options = options;
    this.reader = reader;
    this.pool = pool;
    this.source = new SourceReader(options.log, reader.topics.source);
  }

  async compare(from: number, to: number): Promise<ReplayReport> {
    this.machines = await this.openMachines(from);
    await this.reader.skipPublished(from);
    const ahead: { readonly output: Promise<TaskOutput | Error> }[] = [];
    let next = from;
    let done = 0;
    try {
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
    } finally {
      for (const stage of this.machines) for (const machine of stage) machine.close();
    }
    return { ...this.figures(done), ok: true };
  }

  private figures(tasks: number): Omit<ReplayReport, 'ok'> {
    return { tasks, leaves: this.leaves, candidates: this.candidates, records: this.records };
  }

  /** Reads the task's source range, then executes it; a failure is a value, so that none goes unhandled. */
  private async start(k: number): Promise<{ readonly output: Promise<TaskOutput | Error> }> {
    const { cut, poison } = this.reader.task(k);
    const range = cut.ranges[0];
    const records = range === undefined ? undefined : await this.source.range(range[1], range[2]);
    this.candidates += cut.count;
    const input = { k, first: cut.first, count: cut.count, poison, ...(records === undefined ? {} : { records }) };
    const output = this.pool
      .execute(input)
      .catch((error: unknown) => (error instanceof Error ? error : new MizuError('INTERNAL', messageOf(error))));
    return { output };
  }

  private async task(k: number, output: TaskOutput): Promise<Mismatch | undefined> {
    const groups = await this.reader.leaves(k);
    const frames = output.frames.map(decodeFrame);
    const first = groups.find((group) => group.stage === 0);
    const differs = await this.compareLeaves(first, output.leaves, k, frames);
    if (differs !== undefined) return differs;
    let sent: Frame[][] = [frames];
    for (const stage of this.options.run.program.stages.slice(1)) {
      const passed: Frame[][] = [];
      for (let partition = 0; partition < stage.partitions; partition++) {
        const machine = this.machines[stage.index]?.[partition] as StepMachine;
        const step = await machine.execute(
          k,
          sent.map((row) => row[partition] as Frame),
        );
        passed.push(step.frames.map(decodeFrame));
        const group = groups.find((candidate) => candidate.stage === stage.index && candidate.partition === partition);
        const mismatch = (await this.compareLeaves(group, step.leaves, k, [])) ?? (await this.comparePublished(stage, partition, step));
        if (mismatch !== undefined) return mismatch;
      }
      sent = passed;
    }
    return undefined;
  }

  private async compareLeaves(
    group: LeafGroup | undefined,
    leaves: readonly Uint8Array[],
    k: number,
    frames: readonly Frame[],
  ): Promise<Mismatch | undefined> {
    for (const [n, mine] of leaves.entries()) {
      const theirs = group?.leaves[n];
      this.leaves++;
      if (theirs !== undefined && equalBytes(mine, theirs)) continue;
      const leaf = decodeLeaf(mine);
      return {
        task: leaf.partition === -1 ? `${leaf.stage}/${k}` : `${leaf.stage}/${leaf.partition}/${k}`,
        step: leaf.step,
        block: leaf.block,
        record: frames.length === 0 ? undefined : await this.firstRecord(k, frames),
        message:
          theirs === undefined
            ? `${placeOf(leaf)}: the log has no such leaf`
            : `${placeOf(leaf)}: executed again, it has another effect than the log says`,
      };
    }
    if (group !== undefined && group.leaves.length > leaves.length) {
      return {
        task: `${group.stage}/${k}`,
        step: '',
        block: undefined,
        record: undefined,
        message: `the log has ${group.leaves.length} leaves, ${leaves.length} were made`,
      };
    }
    return undefined;
  }

  /** The first record whose bytes on the log are not those executed again. */
  private async firstRecord(k: number, mine: readonly Frame[]): Promise<string | undefined> {
    let first: number | undefined;
    for (const [partition, frame] of mine.entries()) {
      const [theirs] = await this.reader.frames(1, partition, k).catch(() => []);
      const i = theirs === undefined ? undefined : firstDifference(frame, theirs);
      if (i !== undefined && (first === undefined || i < first)) first = i;
    }
    return first === undefined ? undefined : this.recordId(k, first);
  }

  private recordId(k: number, i: number): string {
    const { run } = this.options.run;
    return `${run.name}/${run.generation}/${k}.${i}`;
  }

  private async comparePublished(stage: StageSpec, partition: number, step: StepOutput): Promise<Mismatch | undefined> {
    if (stage.shuffle !== undefined) return undefined;
    const logged = (await this.reader.published(partition, step.k)).records;
    for (const [n, mine] of step.published.entries()) {
      const theirs = logged[n];
      this.records++;
      if (theirs !== undefined && theirs.i === mine.i && equalBytes(theirs.record, mine.record)) continue;
      return this.publishMismatch(
        stage,
        partition,
        step.k,
        this.recordId(step.k, mine.i),
        'the published record on the log is another one',
      );
    }
    const extra = logged[step.published.length];
    if (extra === undefined) return undefined;
    return this.publishMismatch(
      stage,
      partition,
      step.k,
      this.recordId(step.k, extra.i),
      'the log holds a published record that was never made',
    );
  }

  private publishMismatch(stage: StageSpec, partition: number, k: number, record: string, message: string): Mismatch {
    return { task: `${stage.index}/${partition}/${k}`, step: 'publish', block: 0, record, message };
  }

  /** Keyed stages start from the state that the log says they had before the range; their leaves chain it, so a wrong one shows. */
  private async openMachines(from: number): Promise<StepMachine[][]> {
    const { log, run } = this.options;
    const context = loadContext({ program: run.program, registry: this.options.registry, local: this.options.local, data: run.data });
    const machines: StepMachine[][] = [];
    for (const stage of run.program.stages) {
      const row: StepMachine[] = [];
      for (let partition = 0; stage.kind !== 'source' && partition < stage.partitions; partition++) {
        const machine = await StepMachine.open(context, run.digest, stage.index, partition);
        const cursor = new LogCursor(log, this.reader.topics.state(stage.index), partition);
        while (machine.next < from) {
          const entry = await cursor.take();
          if (entry === undefined)
            throw new MizuError('LOG_CORRUPT', `unavailable: ${cursor.topic}, partition ${partition}, task ${machine.next}`);
          const state = decodeStateEntry(entry.value);
          machine.restore(state.k, state.deltas);
        }
        row.push(machine);
      }
      machines.push(row);
    }
    return machines;
  }
}

function firstDifference(mine: Frame, theirs: Frame): number | undefined {
  const differing: number[] = [];
  const digestsOf = (frame: Frame): Map<number, Uint8Array> =>
    new Map([...frame.candidates].map((i, n) => [i, frame.digests.subarray(n * 32, n * 32 + 32)]));
  const a = digestsOf(mine);
  const b = digestsOf(theirs);
  for (const i of new Set([...a.keys(), ...b.keys()])) {
    const x = a.get(i);
    const y = b.get(i);
    if (x === undefined || y === undefined || !equalBytes(x, y)) differing.push(i);
  }
  return differing.length === 0 ? undefined : Math.min(...differing);
}
