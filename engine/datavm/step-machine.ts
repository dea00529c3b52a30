/**
 * Executes the steps of one partition of a keyed stage, strictly in order of k: collect the frames, the author's ops, the
 * exact count where there is one, then shuffle or publish.
 */
import { invariant, MizuError } from '../contract/errors.ts';
import type { KeyedExecutor } from '../contract/executor.ts';
import type { Json, Program, StageSpec } from '../contract/program.ts';
import type { Schema } from '../contract/types.ts';
import { acceptPlace } from '../compile/accept-place.ts';
import { toJson } from '../compile/to-json.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Drop } from '../proof/effect.ts';
import { hashEffect } from '../proof/effect.ts';
import type { Frame } from '../proof/frame.ts';
import { EntryTree, encodeFrame, frameRoot, rootOfFrames } from '../proof/frame.ts';
import { fromHex, sha256 } from '../proof/sha256.ts';
import { AcceptOp, OVER_COUNT } from './accept-op.ts';
import { Batch } from './batch.ts';
import { FrameBuilder } from './frame-builder.ts';
import { KeyedRecorder } from './keyed-recorder.ts';
import { KeyedState } from './keyed-state.ts';
import { LeafChain } from './leaf-chain.ts';
import type { LoadedOp } from './op-runner.ts';
import { headOf, runOp } from './op-runner.ts';
import type { LoadContext } from './program-loader.ts';
import { kernelOpDigest, openOps } from './program-loader.ts';
import { keySchema, linkOf } from './task-machine.ts';

export interface PublishedRecord {
  /** Candidate within the task. */
  readonly i: number;
  readonly record: Uint8Array;
}

export interface StepCounts {
  readonly accepted: number;
  readonly duplicates: number;
  readonly failed: number;
  /** Step id → count; `over count` under its own name. */
  readonly rejected: Readonly<Record<string, number>>;
}

export interface StepOutput {
  readonly k: number;
  readonly leaves: readonly Uint8Array[];
  /** One per keyed op, in order. */
  readonly deltas: readonly Uint8Array[];
  /** Chained state after the step, one per keyed op. */
  readonly states: readonly Uint8Array[];
  /** To the next stage; empty for the publishing stage. */
  readonly frames: readonly Uint8Array[];
  readonly published: readonly PublishedRecord[];
  /** For the publishing stage: every record of task k that was dropped anywhere. */
  readonly drops: readonly Drop[];
  readonly counts: StepCounts;
  readonly gas: number;
  /** Whether the exact count is reached with this step. */
  readonly reached: boolean;
}

/** One op of the stage in execution order: the author's, or the exact count. */
type Part =
  | { readonly kind: 'row'; readonly op: LoadedOp }
  | {
      readonly kind: 'keyed';
      readonly op: LoadedOp | undefined;
      readonly executor: KeyedExecutor;
      readonly id: string;
      readonly digest: Uint8Array;
    };

const COLLECT_OP = kernelOpDigest('collect', null);

export class StepMachine {
  private readonly programDigest: Uint8Array;
  private readonly stage: StageSpec;
  private readonly taskSize: number;
  private readonly partition: number;
  private readonly parts: readonly Part[];
  private readonly accept: AcceptOp | undefined;
  private readonly publishOp: Uint8Array;
  readonly state: KeyedState;

  private constructor(
    digest: string,
    stage: StageSpec,
    taskSize: number,
    partition: number,
    parts: readonly Part[],
    accept: AcceptOp | undefined,
  ) {
    this.programDigest = fromHex(digest);
    this.stage = stage;
    this.taskSize = taskSize;
    this.partition = partition;
    this.parts = parts;
    this.accept = accept;
    this.publishOp = publishDigest(stage.output);
    this.state = new KeyedState(parts.filter((part) => part.kind === 'keyed'));
  }

  static async open(context: LoadContext, digest: string, stageIndex: number, partition: number): Promise<StepMachine> {
    const stage = context.program.stages[stageIndex];
    invariant(stage !== undefined && stage.kind !== 'source', `stage ${stageIndex} is keyed`);
    const ops = await openOps({ ...context, expectedRecords: Math.ceil(context.expectedRecords / stage.partitions) }, stage);
    const accept = stage.kind === 'last' && context.program.accept !== undefined ? new AcceptOp(context.program.accept) : undefined;
    return new StepMachine(digest, stage, context.program.task.size, partition, arrange(context.program, stage, ops, accept), accept);
  }

  get reached(): boolean {
    return this.accept?.reached ?? false;
  }

  /** What ops over all records report of their state, by step id. A report of one partition's state would say nothing of the run. */
  reports(): Readonly<Record<string, Json>> {
    const out: Record<string, Json> = {};
    for (const part of this.parts) {
      const report = part.kind === 'keyed' && part.op?.operator.keyed?.scope === 'global' ? part.executor.report?.() : undefined;
      if (part.kind === 'keyed' && report !== undefined) out[part.id] = report;
    }
    return out;
  }

  close(): void {
    for (const part of this.parts) if (part.kind === 'keyed') part.executor.close?.();
  }

  /** Executes step k on its frames, in order of upstream partition, and moves the state on. */
  async execute(k: number, frames: readonly Frame[]): Promise<StepOutput> {
    invariant(k === this.state.next, `steps run in order: ${k} after ${this.state.next - 1}`);
    const leaves: Uint8Array[] = [];
    const place = { program: this.programDigest, stage: this.stage.index, partition: this.partition, k };
    const roots = frames.map(frameRoot);
    const batch = new Batch(k, frames, this.stage.input, k * this.taskSize);
    const chain = new LeafChain(place, 0, 0, sha256(...roots), leaves);
    chain.link({
      step: 'collect',
      opDigest: COLLECT_OP,
      effectHash: sha256(new Uint8Array(0)),
      counts: { in: batch.length, kept: batch.length },
      gas: 0,
    });
    const drops: Drop[] = frames.flatMap((frame) => frame.drops);
    const deltas: Uint8Array[] = [];
    let gas = 0;
    for (const part of this.parts)
      gas += part.kind === 'row' ? await this.runRow(part.op, batch, chain, drops) : this.runKeyed(part, batch, chain, drops, deltas);
    drops.sort((a, b) => a.i - b.i);
    this.state.next = k + 1;
    const leaving = this.stage.shuffle === undefined ? this.publish(batch, chain, drops) : this.shuffle(k, batch, chain, drops);
    return {
      k,
      leaves,
      deltas,
      states: [...this.state.chained],
      ...leaving,
      counts: countDrops(leaving.published.length, drops),
      gas,
      reached: this.reached,
    };
  }

  private async runRow(op: LoadedOp, batch: Batch, chain: LeafChain, drops: Drop[]): Promise<number> {
    const block = batch.block();
    const result = await runOp(op, block, async () => {
      throw new MizuError('INTERNAL', `Step '${op.spec.id}' asks outside the source stage`);
    });
    if (result.applied.effect.changes.length > 0 || op.spec.onFail === 'flag') batch.markChanged();
    chain.link(linkOf(op, result, block));
    drops.push(...result.drops);
    return result.gas;
  }

  private runKeyed(part: Extract<Part, { kind: 'keyed' }>, batch: Batch, chain: LeafChain, drops: Drop[], deltas: Uint8Array[]): number {
    const live = batch.rows.length;
    if (part.op !== undefined && part.op.spec.reads.length > 0 && part.op.operator.keyed?.scope === 'global')
      batch.show([...new Set(part.op.spec.reads.map(headOf))]);
    const recorder = new KeyedRecorder(batch, {
      stage: this.stage.index,
      op: part.op?.index ?? this.stage.ops.length,
      step: part.id,
      rule: part.op?.spec.op ?? 'accept',
    });
    const delta = part.executor.step(batch, recorder);
    const state = this.state.apply(deltas.length, delta);
    deltas.push(delta);
    const effect = recorder.finish(delta);
    batch.drop(recorder.gone);
    const own = effect.drops;
    drops.push(...own);
    const gas = (part.op?.operator.gas.perRecord ?? 1) * live + effect.charge;
    chain.link({
      step: part.id,
      opDigest: part.digest,
      effectHash: hashEffect(effect),
      counts: {
        in: live,
        kept: batch.rows.length,
        rejected: own.filter((drop) => drop.kind === 'rejected').length,
        duplicates: own.filter((drop) => drop.kind === 'duplicate').length,
      },
      gas,
      state,
    });
    return gas;
  }

  private publish(batch: Batch, chain: LeafChain, drops: readonly Drop[]): Pick<StepOutput, 'frames' | 'published' | 'drops'> {
    const published: PublishedRecord[] = [];
    const tree = new EntryTree();
    for (const row of batch.rows) {
      const { record, digest } = batch.leaving(row, this.stage.output);
      const i = batch.candidate(row);
      published.push({ i, record });
      tree.addPublished(i, digest);
    }
    for (const drop of drops) tree.addDrop(drop);
    const root = tree.finish();
    chain.link({
      step: 'publish',
      opDigest: this.publishOp,
      effectHash: sha256(root),
      counts: { in: batch.rows.length, kept: batch.rows.length },
      gas: 0,
      root,
    });
    return { frames: [], published, drops };
  }

  private shuffle(k: number, batch: Batch, chain: LeafChain, drops: readonly Drop[]): Pick<StepOutput, 'frames' | 'published' | 'drops'> {
    const { by, partitions } = this.stage.shuffle ?? { by: [], partitions: 1 };
    const builder = new FrameBuilder(partitions);
    const writer = new ByteWriter();
    const keys = by.length === 0 ? [] : keySchema(batch.block().schema, by);
    for (const row of batch.rows) {
      let key: Uint8Array | undefined;
      if (keys.length > 0) {
        batch.block().encodeRow(writer, keys, row);
        key = sha256(writer.view());
        writer.clear();
      }
      const { record, digest } = batch.leaving(row, this.stage.output);
      builder.addRecord(batch.candidate(row), record, key, digest);
    }
    for (const drop of drops) builder.addDrop(drop);
    const frames = builder.finish(k, this.partition);
    const roots = frames.map(frameRoot);
    chain.link({
      step: 'shuffle',
      opDigest: kernelOpDigest('shuffle', { by, partitions }),
      effectHash: sha256(...roots),
      counts: { in: batch.rows.length, kept: batch.rows.length },
      gas: 0,
      root: rootOfFrames(roots),
    });
    return { frames: frames.map(encodeFrame), published: [], drops: [] };
  }
}

/** Digest of the publishing op: covers the published schema, so that a proof can't be read under other field names. */
export function publishDigest(schema: Schema): Uint8Array {
  return kernelOpDigest('publish', { schema: toJson(schema) });
}

function arrange(program: Program, stage: StageSpec, ops: readonly LoadedOp[], accept: AcceptOp | undefined): Part[] {
  const parts: Part[] = ops.map((op) => {
    if (!('step' in op.executor)) return { kind: 'row', op };
    return { kind: 'keyed', op, executor: op.executor, id: op.spec.id, digest: op.digest };
  });
  if (accept === undefined) return parts;
  const digest = kernelOpDigest('accept', { accept: program.accept ?? 0 });
  parts.splice(acceptPlace(stage), 0, { kind: 'keyed', op: undefined, executor: accept, id: 'accept', digest });
  return parts;
}

function countDrops(accepted: number, drops: readonly Drop[]): StepCounts {
  const rejected: Record<string, number> = {};
  let duplicates = 0;
  let failed = 0;
  for (const drop of drops) {
    if (drop.kind === 'duplicate') duplicates++;
    else if (drop.kind === 'failed') failed++;
    else {
      const name = drop.rule === OVER_COUNT ? OVER_COUNT : drop.step;
      rejected[name] = (rejected[name] ?? 0) + 1;
    }
  }
  return { accepted, duplicates, failed, rejected };
}
