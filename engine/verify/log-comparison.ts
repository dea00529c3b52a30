/**
 * Compares what a replay made with what stands on the log: leaf by leaf and published record by published record. The first difference is named by task, op and, where
 * bytes tell, record; a record that a retention took is no difference.
 */
import { invariant } from '../contract/errors.ts';
import { formatRecordId } from '../contract/ids.ts';
import type { StageSpec } from '../contract/program.ts';
import type { StepOutput } from '../datavm/step-machine.ts';
import type { Frame } from '../proof/frame.ts';
import type { Leaf } from '../proof/leaf.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { equalBytes } from '../proof/sha256.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { entriesOf } from './check-frames.ts';
import { placeOf } from './check-leaves.ts';
import type { KeptTasks } from './kept-tasks.ts';
import { OUT_KINDS } from './kept-tasks.ts';
import type { Fates } from './replay-diff.ts';
import { fatesInFrames, fatesPublished, firstDifference } from './replay-diff.ts';
import type { RunReader } from './run-reader.ts';
import type { PublishedTask } from './topic-merge.ts';

export interface Mismatch {
  /** stage/k, or stage/partition/k. */
  readonly task: string;
  readonly step: string;
  readonly block: number | undefined;
  /** Record id, where the bytes on the log tell which record differs. */
  readonly record: string | undefined;
  readonly message: string;
}

export class LogComparison {
  private readonly reader: RunReader;
  private readonly run: DeployedRun;
  private readonly unpublishedTasks = new Set<number>();
  /** Leaves compared, and published records compared byte by byte. */
  leaves = 0;
  records = 0;

  constructor(reader: RunReader, run: DeployedRun) {
    this.reader = reader;
    this.run = run;
  }

  /** Tasks whose published records the log forgot, in part or all. */
  get unpublished(): number {
    return this.unpublishedTasks.size;
  }

  /** What a task of the source stage made: its leaves, and what it sent. */
  async task(
    k: number,
    leaves: readonly Uint8Array[],
    sent: readonly Frame[],
    group: LeafGroup | undefined,
  ): Promise<Mismatch | undefined> {
    const wrong = this.compareLeaves(group, leaves);
    return wrong && { ...wrong, record: await this.wrongRecord(k, () => this.fatesSent(1, 0, k), fatesInFrames(sent)) };
  }

  /** What a step of a keyed stage made: its leaves, and what it sent or published. */
  async step(stage: StageSpec, step: StepOutput, sent: readonly Frame[], group: LeafGroup | undefined): Promise<Mismatch | undefined> {
    const { k } = step;
    const wrong = this.compareLeaves(group, step.leaves);
    const partition = group?.partition ?? 0;
    if (stage.shuffle !== undefined) {
      return (
        wrong && { ...wrong, record: await this.wrongRecord(k, () => this.fatesSent(stage.index + 1, partition, k), fatesInFrames(sent)) }
      );
    }
    if (wrong !== undefined) {
      return {
        ...wrong,
        record: await this.wrongRecord(k, () => this.fatesLogged(partition, k), fatesPublished(step.published, step.drops)),
      };
    }
    return this.comparePublished(stage, partition, step);
  }

  private compareLeaves(group: LeafGroup | undefined, leaves: readonly Uint8Array[]): Mismatch | undefined {
    for (const [n, mine] of leaves.entries()) {
      const theirs = group?.leaves[n];
      this.leaves++;
      if (theirs !== undefined && equalBytes(mine, theirs)) continue;
      const leaf = decodeLeaf(mine);
      const said = theirs === undefined ? 'the log has no such leaf' : 'executed again, it has another effect than the log says';
      return { task: taskOf(leaf), step: leaf.step, block: leaf.block, record: undefined, message: `${placeOf(leaf)}: ${said}` };
    }
    const [extra] = group?.leaves.slice(leaves.length) ?? [];
    const last = leaves.at(-1);
    if (extra === undefined || last === undefined) return undefined;
    const leaf = decodeLeaf(last);
    return {
      task: taskOf(leaf),
      step: leaf.step,
      block: leaf.block,
      record: undefined,
      message: `${placeOf(leaf)}: the log has leaves after this one, which is the last`,
    };
  }

  /** What the log says that a task or step sent to the stage. */
  private async fatesSent(stage: number, from: number, k: number): Promise<Fates> {
    const frames: Frame[] = [];
    const partitions = this.run.program.stages[stage]?.partitions ?? 0;
    for (let to = 0; to < partitions; to++) frames.push(frameTo(await this.reader.frames(stage, to, k), from));
    return fatesInFrames(frames);
  }

  private async fatesLogged(partition: number, k: number): Promise<Fates> {
    const { records, drops } = await this.reader.published(partition, k);
    return fatesPublished(records, drops);
  }

  /** The record in which a wrong leaf shows, if the log can still be read there and its bytes tell. */
  private async wrongRecord(k: number, logged: () => Promise<Fates>, mine: Fates): Promise<string | undefined> {
    const theirs = await logged().catch(() => undefined);
    const i = theirs === undefined ? undefined : firstDifference(mine, theirs);
    return i === undefined ? undefined : this.recordId(k, i);
  }

  private recordId(k: number, i: number): string {
    return formatRecordId({ ...this.run.run, k, i });
  }

  private async comparePublished(stage: StageSpec, partition: number, step: StepOutput): Promise<Mismatch | undefined> {
    const logged = await this.reader.published(partition, step.k);
    if (await this.isForgotten(logged, step)) {
      this.unpublishedTasks.add(step.k);
      return undefined;
    }
    const { records, drops } = logged;
    this.records += step.published.length;
    const i = firstDifference(fatesPublished(step.published, step.drops), fatesPublished(records, drops));
    const whole = records.length === step.published.length && drops.length === step.drops.length;
    if (i === undefined && whole) return undefined;
    return {
      task: `${stage.index}/${partition}/${step.k}`,
      step: 'publish',
      block: 0,
      record: i === undefined ? undefined : this.recordId(step.k, i),
      message:
        i === undefined ? 'a record stands on the log twice' : 'the record on the log, published or dropped, is not the one that was made',
    };
  }

  /** Whether the log forgot records that the step published or dropped. */
  private async isForgotten(logged: PublishedTask, step: StepOutput): Promise<boolean> {
    const made = [{ records: step.published, drops: step.drops, entries: [] }];
    const short = OUT_KINDS.filter((kind) => entriesOf([logged], kind) < entriesOf(made, kind));
    const isGone = (kept: KeptTasks): boolean => short.some((kind) => kept.doubtful(step.k).includes(kind));
    return short.length > 0 && (isGone(this.reader.retained) || isGone(await this.reader.lookAgain()));
  }
}

/** The frame of a partition. */
export function frameTo(row: readonly Frame[], partition: number): Frame {
  const frame = row[partition];
  invariant(frame !== undefined, `a frame was sent to or from partition ${partition}`);
  return frame;
}

function taskOf({ stage, partition, k }: Leaf): string {
  return partition === -1 ? `${stage}/${k}` : `${stage}/${partition}/${k}`;
}
