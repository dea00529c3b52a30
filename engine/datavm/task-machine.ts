/**
 * Executes one task of the source stage: candidates [first, first + count) in blocks through every op, then the shuffle.
 * A pure function of program, cut and recorded answers (law 1); several tasks may run on one thread, each waiting for its answers.
 */
import { invariant, MizuError } from '../contract/errors.ts';
import type { Program, StageSpec } from '../contract/program.ts';
import { topicSource } from '../contract/program.ts';
import type { Schema } from '../contract/types.ts';
import { SOURCE_FIELD } from '../compile/kernel-fields.ts';
import { modelSteps, scaledUsage, sumUsage, TokenBudget, worstOfCandidate } from '../compile/token-budget.ts';
import type { Usage } from '../contract/inference.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Drop } from '../proof/effect.ts';
import { encodeFrames, frameRoot, rootOfFrames } from '../proof/frame.ts';
import { fromHex, sha256 } from '../proof/sha256.ts';
import { betaOf, vrfQuestion } from '../proof/vrf-attestation.ts';
import { Block } from './block.ts';
import { BytesBuilder } from './column.ts';
import type { FrameRoom } from './frame-builder.ts';
import { FrameBuilder } from './frame-builder.ts';
import { LeafChain } from './leaf-chain.ts';
import type { AskAll, LoadedOp, OpResult } from './op-runner.ts';
import { runOp } from './op-runner.ts';
import type { LoadContext } from './program-loader.ts';
import { kernelOpDigest, openOps } from './program-loader.ts';
import type { SourceRanges } from './source-commitment.ts';
import { drawsVrf, poisonDrop, sourceCommitment, sourceOpDigest } from './source-commitment.ts';

/** What a task is, as the control log's cut says (P7). */
export interface TaskInput {
  readonly k: number;
  /** Candidate index in the run of the first candidate. */
  readonly first: number;
  readonly count: number;
  /** Exact bytes of the source's records, one per candidate; absent for a generator. */
  readonly records?: readonly Uint8Array[];
  /** The cut's ranges of the source. */
  readonly ranges?: SourceRanges | undefined;
  /** Candidates within the task that the control log declared poisonous (P9). */
  readonly poison: readonly number[];
}

export interface TaskOutput {
  readonly k: number;
  /** Encoded frames in order of partition. */
  readonly frames: readonly Uint8Array[];
  readonly leaves: readonly Uint8Array[];
  readonly candidates: number;
  /** Candidates that at least one correcting step changed. */
  readonly corrected: number;
  readonly failed: number;
  /** What its questions took (P15), by step. A poisonous candidate counts with the most that it could have taken: earlier attempts may have paid for it. */
  readonly usage: Usage;
  readonly gas: number;
  /** Bytes that ops put into local storage (block columns). */
  readonly localBytes: number;
}

/** Sees each op's effect as it is applied; for previews and lineage. */
export type TaskObserver = (event: { readonly op: LoadedOp; readonly block: Block; readonly result: OpResult }) => void;

export class TaskMachine {
  private readonly program: Program;
  private readonly programDigest: Uint8Array;
  private readonly stage: StageSpec;
  private readonly ops: readonly LoadedOp[];
  private readonly sourceDigest: Uint8Array;
  /** What the task before needed: how much room to begin with. */
  private room: FrameRoom = { records: 0, bytes: 0 };

  private constructor(program: Program, programDigest: Uint8Array, stage: StageSpec, ops: readonly LoadedOp[]) {
    this.program = program;
    this.programDigest = programDigest;
    this.stage = stage;
    this.ops = ops;
    this.sourceDigest = sourceOpDigest(program);
  }

  static async open(context: LoadContext, digest: string): Promise<TaskMachine> {
    const stage = context.program.stages[0];
    invariant(stage?.kind === 'source', 'a program starts with its source stage');
    return new TaskMachine(context.program, fromHex(digest), stage, await openOps(context, stage));
  }

  async execute(task: TaskInput, ask: AskAll, observe?: TaskObserver): Promise<TaskOutput> {
    const leaves: Uint8Array[] = [];
    const beta = await this.random(task, ask);
    const place = { program: this.programDigest, stage: 0, partition: -1, k: task.k };
    const frames = new FrameBuilder(this.stage.shuffle?.partitions ?? 1, this.room);
    /** By candidate within the task. */
    const corrected = new Uint8Array(task.count);
    const ends: Uint8Array[] = [];
    let gas = 0;
    let localBytes = 0;
    let kept = 0;
    let failed = 0;
    const taken: Usage[] = [this.poisonUsage(task.poison.length)];
    const blocks = Math.max(1, Math.ceil(task.count / this.program.block));
    for (let number = 0; number < blocks; number++) {
      const { block, drops, input, effectHash } = this.openBlock(task, number, beta);
      const chain = new LeafChain(place, number, 0, input, leaves);
      chain.link({
        step: 'source',
        opDigest: this.sourceDigest,
        effectHash,
        counts: { in: block.length, kept: block.rows.length, failed: drops.length },
        gas: 0,
      });
      for (const drop of drops) frames.addDrop(drop);
      failed += drops.length;
      for (const op of this.ops) {
        const result = await runOp(op, block, ask);
        observe?.({ op, block, result });
        const link = linkOf(op, result, block);
        chain.link(link);
        failed += link.counts.failed;
        if (result.usage !== undefined) taken.push({ [op.spec.id]: result.usage });
        for (const drop of result.drops) frames.addDrop(drop);
        if (op.operator.group === 'correct' || op.operator.corrects === true)
          for (const row of result.applied.changedRows) corrected[block.indices[row] ?? 0] = 1;
        gas += result.gas;
        localBytes += result.applied.madeBytes;
      }
      this.shuffle(block, frames);
      kept += block.rows.length;
      ends.push(chain.commitment);
      // Whoever observes may keep the block.
      if (observe === undefined) block.free();
    }
    const encoded = this.seal(place, blocks, ends, frames, kept, leaves);
    const usage = sumUsage(...taken);
    return { k: task.k, frames: encoded, leaves, candidates: task.count, corrected: countOnes(corrected), failed, usage, gas, localBytes };
  }

  /** Output of the task's verifiable random function, if a step draws from it. Whoever answers has checked the proof. */
  private async random({ k, first }: TaskInput, ask: AskAll): Promise<Uint8Array | undefined> {
    if (!drawsVrf(this.program)) return undefined;
    const [answer] = await ask([vrfQuestion(this.program.seed, k, first)]);
    invariant(answer?.kind === 'answer', 'a question for random numbers has an answer');
    return betaOf(answer);
  }

  private poisonUsage(candidates: number): Usage {
    const { budget } = this.program;
    return candidates === 0 || TokenBudget.of(this.program) === undefined
      ? {}
      : scaledUsage(worstOfCandidate(modelSteps(this.program), budget.requestBytes ?? 0), candidates);
  }

  /** The block's records before any op, and the commitment to where they come from and to their exact bytes (P13). */
  private openBlock(
    task: TaskInput,
    number: number,
    beta: Uint8Array | undefined,
  ): { block: Block; drops: Drop[]; input: Uint8Array; effectHash: Uint8Array } {
    const from = number * this.program.block;
    const count = Math.min(this.program.block, task.count - from);
    const indices = new Uint32Array(count);
    for (let row = 0; row < count; row++) indices[row] = from + row;
    const block = new Block(task.first, indices);
    block.beta = beta;
    let records: readonly Uint8Array[] = [];
    let values: Uint8Array | undefined;
    if (this.program.source !== undefined) {
      if (task.records?.length !== task.count)
        throw new MizuError('SOURCE_UNAVAILABLE', `Task ${task.k}: the records of its cut are not there`);
      records = task.records.slice(from, from + count);
      const builder = new BytesBuilder(count, 'bytes', avroBytes(records));
      for (let row = 0; row < count; row++) builder.set(row, records[row] ?? NO_BYTES);
      values = builder.values();
      block.put(SOURCE_FIELD, builder.finish());
    }
    const drops = poisoned(block, task.poison);
    const ranges = topicSource(this.program) === undefined ? undefined : task.ranges;
    const place = { k: task.k, number, first: task.first + from, count };
    const commitment = sourceCommitment(this.programDigest, { ...place, records, values, drops, ranges, beta });
    return { block, drops, ...commitment };
  }

  private shuffle(block: Block, frames: FrameBuilder): void {
    const { output, shuffle } = this.stage;
    const by = keySchema(block.schema, shuffle?.by ?? []);
    const writer = new ByteWriter();
    for (const row of block.rows) {
      let key: Uint8Array | undefined;
      if (by.length > 0) {
        block.encodeRow(writer, by, row);
        key = sha256(writer.view());
        writer.clear();
      }
      block.encodeRow(writer, output, row);
      frames.addRecord(block.indices[row] ?? 0, writer.view(), key);
      writer.clear();
    }
  }

  private seal(
    place: { program: Uint8Array; stage: number; partition: number; k: number },
    blocks: number,
    ends: readonly Uint8Array[],
    builder: FrameBuilder,
    kept: number,
    leaves: Uint8Array[],
  ): Uint8Array[] {
    this.room = builder.used;
    const frames = builder.finish(place.k, 0);
    const roots = frames.map(frameRoot);
    const chain = new LeafChain(place, blocks, this.ops.length + 1, sha256(...ends), leaves);
    const { by, partitions } = this.stage.shuffle ?? { by: [], partitions: 1 };
    chain.link({
      step: 'shuffle',
      opDigest: kernelOpDigest('shuffle', { by, partitions }),
      effectHash: sha256(...roots),
      counts: { in: kept, kept },
      gas: 0,
      root: rootOfFrames(roots),
    });
    const encoded = encodeFrames(frames);
    builder.free();
    return encoded;
  }
}

const NO_BYTES = new Uint8Array(0);
/** Most bytes of a length in Avro, for records that fit into memory. */
const LENGTH_BYTES = 5;

function avroBytes(records: readonly Uint8Array[]): number {
  let sum = 0;
  for (const record of records) sum += record.length + LENGTH_BYTES;
  return sum;
}

function countOnes(marks: Uint8Array): number {
  let count = 0;
  for (const mark of marks) count += mark;
  return count;
}

export function linkOf(op: LoadedOp, result: OpResult, block: Block) {
  const drops = result.drops;
  return {
    step: op.spec.id,
    opDigest: op.digest,
    effectHash: result.effectHash,
    counts: {
      in: result.in,
      kept: block.rows.length,
      changed: result.applied.changedRows.length,
      rejected: drops.filter((drop) => drop.kind === 'rejected').length,
      failed: drops.filter((drop) => drop.kind === 'failed').length,
      flagged: result.applied.flaggedRows.length,
    },
    gas: result.gas,
  };
}

export function keySchema(schema: Schema, by: readonly string[]): Schema {
  return by.map((name) => {
    const field = schema.find((f) => f.name === name);
    invariant(field !== undefined, `the key field '${name}' is in the record`);
    return field;
  });
}

function poisoned(block: Block, poison: readonly number[]): Drop[] {
  if (poison.length === 0) return [];
  const gone = new Uint8Array(block.length);
  const drops: Drop[] = [];
  const writer = new ByteWriter();
  for (const row of block.rows) {
    const i = block.indices[row] ?? 0;
    if (!poison.includes(i)) continue;
    gone[row] = 1;
    block.encodeRow(writer, block.schema, row);
    drops.push(poisonDrop(i, writer.take()));
  }
  if (drops.length > 0) block.drop(gone);
  return drops;
}
