/**
 * Runs one partition of a keyed stage under its lease: takes frames strictly in order of k, executes the step, commits what leaves,
 * leaves, state delta and result in one transaction (law 2). Taking over is: fence, read snapshot and deltas back, go on (P2, P14).
 */
import type { Observable } from 'rxjs';
import { invariant, MizuError } from '../contract/errors.ts';
import type { Append } from '../contract/log.ts';
import type { Deployment, StageSpec } from '../contract/program.ts';
import type { StepOutput } from '../datavm/step-machine.ts';
import { StepMachine } from '../datavm/step-machine.ts';
import type { StepResult } from '../dispatch/member-entry.ts';
import { encodeSigned } from '../dispatch/signed-entry.ts';
import { ByteParts } from '../proof/byte-parts.ts';
import { writeDrop } from '../proof/effect.ts';
import type { Frame } from '../proof/frame.ts';
import { writeConfluentFrame } from '../proof/framing.ts';
import { freeBytes } from '../proof/free-bytes.ts';
import { utf8 } from '../proof/sha256.ts';
import { appendBytes, Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { FrameInbox } from './frame-inbox.ts';
import { frameAppends, partAppends } from './frame-parts.ts';
import { encodeLeaves } from './leaf-batch.ts';
import { recoverKeyed } from './keyed-recovery.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import { loadContext } from './run-context.ts';
import { Sink } from './sink.ts';
import type { SnapshotWriter } from './snapshot-writer.ts';
import { encodeStateEntry } from './state-entry.ts';
import { PROOF_PARTITIONS } from './topics.ts';

/** Id of the published schema in the Confluent framing when no registry gave another. */
const PUBLISHED_SCHEMA_ID = 1;
/** Steps that one commit may hold, and bytes after which it is closed. */
const STEPS_PER_COMMIT = 16;
const BYTES_PER_COMMIT = 4 * 1024 * 1024;
/**
 * While tasks stand in line, a commit waits so long for the frames of the next steps, milliseconds: it costs broker and members the same whatever
 * it holds. They stand in line when so many were cut beyond the step; of a stream that is kept up with there are fewer, and nothing waits.
 */
const GATHER_MS = 100;
const GATHER_TASKS = 5;

/** About what key, framing and reasons of a published or dropped record take. */
const BESIDE_RECORD_BYTES = 64;

export interface StepsDone {
  readonly stage: number;
  readonly partition: number;
  /** Steps 0 … next−1 are committed. */
  readonly next: number;
  /** Steps of this commit. */
  readonly count: number;
}

/** The id that stands in every published record of a run. */
export function publishedSchemaId({ schemaId = PUBLISHED_SCHEMA_ID }: Deployment): number {
  return schemaId;
}

/** Under which lease it runs: its results say so and stand among those of this member, even while the lease moves. */
export interface StepLease {
  readonly node: number;
  readonly epoch: number;
}

export class StepRunner {
  private readonly context: RunContext;
  private readonly stage: StageSpec;
  private readonly partition: number;
  private readonly upstream: number;
  private readonly control: ControlTail;
  private readonly committer: Committer;
  readonly machine: StepMachine;
  private readonly inbox: FrameInbox;
  private readonly snapshots: SnapshotWriter;
  private readonly sink: Sink | undefined;
  private readonly lease: StepLease;
  /** One part of each buffer that the next commit writes from. */
  private readonly uncommitted: Uint8Array[] = [];

  private constructor(
    context: RunContext,
    stage: StageSpec,
    partition: number,
    control: ControlTail,
    committer: Committer,
    machine: StepMachine,
    inbox: FrameInbox,
    snapshots: SnapshotWriter,
    sink: Sink | undefined,
    lease: StepLease,
  ) {
    this.context = context;
    this.stage = stage;
    this.partition = partition;
    this.upstream = stage.index === 1 ? 1 : (context.program.stages[stage.index - 1]?.partitions ?? 1);
    this.control = control;
    this.committer = committer;
    this.machine = machine;
    this.inbox = inbox;
    this.snapshots = snapshots;
    this.sink = sink;
    this.lease = lease;
  }

  static async open(context: RunContext, stage: StageSpec, partition: number, control: ControlTail, lease: StepLease): Promise<StepRunner> {
    const { log, topics, deployment, program } = context;
    const publishes = stage.index === program.stages.length - 1;
    const sink = publishes ? await Sink.open(log, deployment, partition) : undefined;
    const committer = await Committer.open(log, `${context.title}/step/${stage.index}/${partition}`);
    const machine = await StepMachine.open(loadContext(context), context.digest, stage.index, partition);
    const keyed = { snapshots: topics.snapshots(stage.index), state: topics.state(stage.index), partition };
    const { resumeAt, snapshots } = await recoverKeyed(log, keyed, machine);
    const inbox = await FrameInbox.open(log, topics.frames(stage.index), partition, resumeAt);
    return new StepRunner(context, stage, partition, control, committer, machine, inbox, snapshots, sink, lease);
  }

  /** Steps until the run's end. Each emission is one commit. */
  run(): Observable<StepsDone> {
    return pulled(async () => {
      const outputs = await this.executeReady();
      if (outputs.length === 0) return undefined;
      return { stage: this.stage.index, partition: this.partition, next: this.machine.state.next, count: outputs.length };
    });
  }

  async close(): Promise<void> {
    this.machine.close();
    await this.committer.close();
  }

  /** Executes the next step, and those after it whose frames are here, or soon are while tasks stand in line, and commits them together. */
  private async executeReady(): Promise<StepOutput[]> {
    const { signal } = this.context;
    let soon: AbortSignal | undefined;
    const outputs: StepOutput[] = [];
    const appends: Append[] = [];
    let bytes = 0;
    while (outputs.length < STEPS_PER_COMMIT && bytes < BYTES_PER_COMMIT && !this.machine.reached) {
      const k = this.machine.state.next;
      const more = outputs.length > 0;
      const gathers = more && this.control.fold.nextCut - k >= GATHER_TASKS;
      if (gathers) soon ??= AbortSignal.any([signal, AbortSignal.timeout(GATHER_MS)]);
      const frames = await this.frames(k, more && !gathers, soon ?? signal);
      if (frames === undefined) break;
      const output = await this.machine.execute(k, frames);
      const free = this.inbox.release(k);
      outputs.push(output);
      const own = this.appends(output);
      free();
      appends.push(...own);
      bytes += appendBytes(own);
    }
    if (outputs.length > 0) await this.commit(outputs, appends);
    for (const bytes of this.uncommitted.splice(0)) freeBytes(bytes);
    return outputs;
  }

  /** Commits the steps, then a snapshot if one is due. */
  private async commit(outputs: readonly StepOutput[], appends: readonly Append[]): Promise<void> {
    const { log, topics } = this.context;
    const offsets = await this.committer.commit(appends);
    for (const { deltas } of outputs) this.snapshots.add(deltas);
    const stateAt = offsets[appends.findLastIndex((append) => append.topic === topics.state(this.stage.index))];
    invariant(stateAt !== undefined, 'every commit of steps holds their state entries');
    const place = { topic: topics.snapshots(this.stage.index), partition: this.partition, limits: log.limits };
    await this.snapshots.writeIfDue(this.committer, place, { resumeAt: this.inbox.resumeAt, stateAt });
  }

  /** The accepted frames of k in order of upstream partition; undefined when there are none (yet, if `ready`; any more, if not). */
  private async frames(k: number, ready: boolean, signal: AbortSignal): Promise<Frame[] | undefined> {
    const { fold } = this.control;
    const known = (): boolean => fold.tasks.get(k)?.accepted !== undefined || (fold.finish !== undefined && k > fold.finish.last);
    if (!known() && (ready || !(await this.control.until(known, signal)))) return undefined;
    if (fold.finish !== undefined && k > fold.finish.last) return undefined;
    const attempt = this.stage.index === 1 ? (fold.tasks.get(k)?.accepted?.attempt ?? 0) : 0;
    const frames: Frame[] = [];
    for (let from = 0; from < this.upstream; from++) {
      if (ready && !this.inbox.has(k, attempt, from)) return undefined;
      const frame = await this.control.unlessBeyond(k, signal, (until) => this.inbox.frame(k, attempt, from, until));
      if (frame === undefined) return undefined;
      if (frame.k !== k || frame.from !== from || frame.to !== this.partition) {
        throw new MizuError(
          'LOG_CORRUPT',
          `${this.context.topics.frames(this.stage.index)}, partition ${this.partition}: the frame of task ${k} says it is of task ${frame.k} for partition ${frame.to}`,
        );
      }
      frames.push(frame);
    }
    return frames;
  }

  private appends(output: StepOutput): Append[] {
    const { topics, title, signer } = this.context;
    const { k } = output;
    const { partition } = this;
    const { limits } = this.context.log;
    const headers = { k: String(k), attempt: '0', from: String(partition) };
    const appends: Append[] = output.frames.flatMap((value, to) =>
      frameAppends(topics.frames(this.stage.index + 1), to, value, headers, limits),
    );
    const published = this.published(output);
    appends.push(...published);
    const leaves = encodeLeaves(output.leaves);
    const key = utf8(`${this.stage.index}/${partition}/${k}/0`);
    appends.push(...partAppends({ topic: topics.proofs, partition: k % PROOF_PARTITIONS, key, value: leaves }, limits));
    const globalBytes = appendBytes(appends);
    appends.push({
      topic: topics.state(this.stage.index),
      partition,
      value: encodeStateEntry({ k, resumeAt: this.inbox.resumeAt, deltas: output.deltas, states: output.states }),
    });
    const result: StepResult = {
      type: 'step',
      stage: this.stage.index,
      partition,
      k,
      epoch: this.lease.epoch,
      node: this.lease.node,
      ...output.counts,
      gas: output.gas,
      globalBytes,
      reached: output.reached,
    };
    // The cost of a run is that of its own log, whoever takes its records besides.
    if (this.sink !== undefined) appends.push(...this.sink.appends(published.slice(0, output.published.length)));
    appends.push({ topic: topics.results, partition: result.node, value: encodeSigned('mizu-result-v1', title, result, signer) });
    return appends;
  }

  /** Entries for plain consumers (P3): key = record id, value = Confluent-framed Avro for verified records, an Avro drop for the others. */
  private published(output: StepOutput): Append[] {
    const { topics, title } = this.context;
    const { partition } = this;
    const schemaId = publishedSchemaId(this.context.deployment);
    const { k, published, drops } = output;
    // One for all, so that the log encodes them once.
    const headers = { task: `${this.stage.index}/${partition}/${k}` };
    const topicOf = { rejected: topics.rejected, failed: topics.failed, duplicate: topics.duplicates };
    const records = [...published, ...drops];
    const parts = new ByteParts(records.reduce((sum, { record }) => sum + record.length + BESIDE_RECORD_BYTES, 0));
    const ofTask = utf8(`${title}/${k}.`);
    for (const { i } of records) {
      parts.add((writer) => {
        writer.range(ofTask, 0, ofTask.length);
        writer.digits(i);
      });
    }
    for (const { record } of published) parts.add((writer) => writeConfluentFrame(writer, schemaId, record));
    for (const drop of drops) parts.add((writer) => writeDrop(writer, drop));
    const written = parts.take();
    this.uncommitted.push(...written.slice(0, 1));
    const { verified } = topics;
    const topicAt = (n: number): string => {
      const drop = drops[n - published.length];
      return drop === undefined ? verified : topicOf[drop.kind];
    };
    return records.map((_, n) => ({
      topic: topicAt(n),
      partition,
      key: written[n] as Uint8Array,
      value: written[records.length + n] as Uint8Array,
      headers,
    }));
  }
}
