/**
 * A run read back task by task, from its log alone: cut, accepted attempt, leaves, frames, published entries. Every check of the
 * auditor (verify, replay, prove) goes through this one reader, forwards, in memory bounded by a task.
 */
import { MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import type { ControlBody, CutEntry, FinishReason } from '../dispatch/control-entry.ts';
import { decodeControl } from '../dispatch/control-entry.ts';
import type { Frame } from '../proof/frame.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { FrameInbox } from '../runtime/frame-inbox.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import { LeafStream } from '../runtime/leaf-stream.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { RunTopics } from '../runtime/topics.ts';
import { readableAt } from './report.ts';
import type { PublishedTask } from './topic-merge.ts';
import { PublishedReader } from './topic-merge.ts';

export interface TaskFacts {
  readonly cut: CutEntry;
  readonly attempt: number;
  /** Whether control accepted a result; `attempt` is 0 otherwise. */
  readonly accepted: boolean;
  readonly poison: readonly number[];
}

/** Tasks that the run's tree holds: 0 … last. */
export interface RunFacts {
  readonly last: number;
  readonly tasks: ReadonlyMap<number, TaskFacts>;
  readonly finished: boolean;
  /** Why the run ended; undefined while it did not. */
  readonly reason: FinishReason | undefined;
  /** Of the run's last entry; undefined while it is not closed. */
  readonly summary: Json | undefined;
}

const NEVER = AbortSignal.abort();

/** Folds the control log for an auditor, who needs every task and not only those in flight. */
export async function readFacts(log: Log, topics: RunTopics): Promise<RunFacts> {
  const tasks = new Map<number, { cut: CutEntry; attempt: number; poison: number[]; accepted: boolean }>();
  let finish: Extract<ControlBody, { type: 'finish' }> | undefined;
  let summary: Json | undefined;
  for await (const entry of readAll(log, topics.control, 0)) {
    const { body } = decodeControl(entry.value);
    if (body.type === 'cut') tasks.set(body.k, { cut: body, attempt: 0, poison: [], accepted: false });
    const task = 'k' in body ? tasks.get(body.k) : undefined;
    if (body.type === 'accept' && task !== undefined && !task.accepted) {
      task.attempt = body.attempt;
      task.accepted = true;
    }
    if (body.type === 'poison') task?.poison.push(body.i);
    if (body.type === 'finish') finish ??= body;
    if (body.type === 'close') summary = body.summary;
  }
  return { last: finish?.last ?? -1, tasks, finished: finish !== undefined, reason: finish?.reason, summary };
}

export class RunReader {
  readonly run: DeployedRun;
  readonly topics: RunTopics;
  readonly facts: RunFacts;
  private readonly leafStream: LeafStream;
  private readonly inboxes: readonly (readonly FrameInbox[])[];
  private readonly publishers: readonly PublishedReader[];

  private constructor(log: Log, run: DeployedRun, topics: RunTopics, facts: RunFacts) {
    this.run = run;
    this.topics = topics;
    this.facts = facts;
    const { stages } = run.program;
    this.leafStream = new LeafStream(log, topics.proofs, run.program);
    this.inboxes = stages.map((stage) =>
      stage.kind === 'source'
        ? []
        : Array.from({ length: stage.partitions }, (_, partition) => new FrameInbox(log, topics.frames(stage.index), partition, offset(0))),
    );
    const title = `${run.run.name}/${run.run.generation}`;
    this.publishers = Array.from(
      { length: stages.at(-1)?.partitions ?? 1 },
      (_, partition) => new PublishedReader(log, topics, partition, title),
    );
  }

  /** @throws CHECK_FAILED when the run is not finished, as only a finished run has a whole tree. */
  static async open(log: Log, run: DeployedRun): Promise<RunReader> {
    const topics = new RunTopics(run.run);
    const facts = await readFacts(log, topics);
    if (!facts.finished) {
      throw new MizuError('CHECK_FAILED', `'${run.run.name}/${run.run.generation}' is not finished, so its tree is not whole`, {
        hint: 'Run its workflow again with the same --log: it goes on where it stopped.',
      });
    }
    return new RunReader(log, run, topics, facts);
  }

  task(k: number): TaskFacts {
    const task = this.facts.tasks.get(k);
    if (task === undefined) throw new MizuError('LOG_CORRUPT', `${this.topics.control}: task ${k} has no cut`);
    return task;
  }

  /** Leaves of task k by stage and partition. @throws LOG_CORRUPT when some are missing. */
  async leaves(k: number): Promise<readonly LeafGroup[]> {
    const groups = await this.leafStream.task(k, this.task(k).attempt, NEVER);
    if (groups === undefined) throw new MizuError('LOG_CORRUPT', `${this.topics.proofs}: leaves of task ${k} are missing`);
    return groups;
  }

  /** Frames that partition of a stage took for task k, in order of upstream partition. @throws LOG_CORRUPT. */
  async frames(stage: number, partition: number, k: number): Promise<Frame[]> {
    const inbox = this.inboxes[stage]?.[partition];
    const upstream = stage === 1 ? 1 : (this.run.program.stages[stage - 1]?.partitions ?? 1);
    const attempt = stage === 1 ? this.task(k).attempt : 0;
    const where = `${this.topics.frames(stage)}, partition ${partition}, task ${k}`;
    const frames: Frame[] = [];
    for (let from = 0; from < upstream; from++) {
      const frame = await readableAt(where, async () => inbox?.frame(k, attempt, from, NEVER));
      if (frame === undefined) throw new MizuError('LOG_CORRUPT', `unavailable: ${where}`);
      if (frame.k !== k || frame.from !== from || frame.to !== partition) {
        throw new MizuError('LOG_CORRUPT', `${where}: the frame says that it is of task ${frame.k}, from ${frame.from} to ${frame.to}`);
      }
      frames.push(frame);
    }
    inbox?.release(k);
    return frames;
  }

  /** Goes on at task k, passing over what was published before it. */
  async skipPublished(k: number): Promise<void> {
    for (const reader of this.publishers) await reader.skipTo(k);
  }

  published(partition: number, k: number): Promise<PublishedTask> {
    const reader = this.publishers[partition];
    if (reader === undefined) throw new MizuError('INTERNAL', `no publishing partition ${partition}`);
    return reader.task(k);
  }

  /** Entries of published topics that belong to no task of the tree: partition and task, or undefined. */
  async leftover(): Promise<{ readonly partition: number; readonly k: number } | undefined> {
    for (const reader of this.publishers) {
      const k = await reader.nextTask();
      if (k !== undefined) return { partition: reader.partition, k };
    }
    return undefined;
  }
}
