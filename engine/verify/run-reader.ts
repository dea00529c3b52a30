/**
 * A run read back task by task, from its log alone: cut, accepted attempt, leaves, frames, published entries. Every check of the
 * auditor (verify, replay, prove) goes through this one reader, forwards, in memory bounded by a task.
 */
import { MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import { parseVkey } from '../proof/note.ts';
import type { Frame } from '../proof/frame.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { FrameInbox } from '../runtime/frame-inbox.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import { LeafStream } from '../runtime/leaf-stream.ts';
import { originOf } from '../runtime/checkpointer.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { seekEntry } from '../runtime/seek-entry.ts';
import { RunTopics } from '../runtime/topics.ts';
import type { PlacedHead } from '../runtime/tree-place.ts';
import { readHead } from '../runtime/tree-place.ts';
import { readFacts, type RunFacts, type TaskFacts } from './run-facts.ts';
import { KeptTasks } from './kept-tasks.ts';
import type { Moment } from './moment.ts';
import { takeMoment } from './moment.ts';
import { readableAt } from './report.ts';
import type { PublishedTask } from './topic-merge.ts';
import { PublishedReader } from './topic-merge.ts';
import { verifierKeyOf } from './verifier-key.ts';

const NEVER = AbortSignal.abort();
/** Read at once where only a few tasks are wanted. */
const SKIPPED_READ_BYTES = 512 * 1024;

export interface ReaderOptions {
  /** Default: now. */
  readonly moment?: Moment;
  /** Public key of the run, 32 bytes; default: that of its first orchestrator. */
  readonly publicKey?: Uint8Array;
}

export class RunReader {
  readonly run: DeployedRun;
  readonly topics: RunTopics;
  readonly facts: RunFacts;
  /** Tasks 0 … last are in the tree of the newest head. */
  readonly last: number;
  readonly head: PlacedHead | undefined;
  private readonly log: Log;
  private readonly publicKey: Uint8Array;
  private kept: KeptTasks;
  private leafStream: LeafStream;
  /** By stage and partition, opened when first read. */
  private readonly inboxes = new Map<string, Promise<FrameInbox>>();
  private readonly publishers: readonly PublishedReader[];

  private constructor(log: Log, run: DeployedRun, facts: RunFacts, { last, head, publicKey }: Extent, kept: KeptTasks) {
    this.publicKey = publicKey;
    this.log = log;
    this.run = run;
    this.topics = new RunTopics(run.run);
    this.facts = facts;
    this.last = last;
    this.head = head;
    this.kept = kept;
    const { stages } = run.program;
    this.leafStream = new LeafStream(log, this.topics.proofs, run.program);
    this.publishers = Array.from(
      { length: stages.at(-1)?.partitions ?? 1 },
      (_, partition) => new PublishedReader(log, this.topics, partition, titleOf(run)),
    );
  }

  /**
   * Of a run that is closed all tasks are read, of one that goes on those under its newest signed head.
   * @throws CHECK_FAILED when nothing of it is signed yet, LOG_CORRUPT.
   */
  static async open(log: Log, run: DeployedRun, options: ReaderOptions = {}): Promise<RunReader> {
    const topics = new RunTopics(run.run);
    const moment = options.moment ?? (await takeMoment(log, topics));
    const facts = await readFacts(log, topics, moment.control);
    const extent = await extentOf(log, run, facts, { ...options, moment });
    const { window, tasks } = facts;
    const attemptOf = (k: number): number | undefined => (tasks.get(k)?.accepted === true ? tasks.get(k)?.attempt : undefined);
    const kept = await KeptTasks.open({ log, topics, title: titleOf(run), program: run.program, attemptOf, window, last: extent.last });
    return new RunReader(log, run, facts, extent, kept);
  }

  /** Whether there is nothing beyond the tasks that are read: the run is finished, and its whole tree signed. */
  get ended(): boolean {
    return this.facts.finish?.last === this.last;
  }

  get title(): string {
    return titleOf(this.run);
  }

  /** What a retention left. */
  get retained(): KeptTasks {
    return this.kept;
  }

  /** Looks again at what a retention left. */
  async lookAgain(): Promise<KeptTasks> {
    this.kept = await this.kept.again();
    return this.kept;
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
    const inbox = await this.inbox(stage, partition);
    const upstream = stage === 1 ? 1 : (this.run.program.stages[stage - 1]?.partitions ?? 1);
    const attempt = stage === 1 ? this.task(k).attempt : 0;
    const where = `${this.topics.frames(stage)}, partition ${partition}, task ${k}`;
    const frames: Frame[] = [];
    for (let from = 0; from < upstream; from++) {
      const frame = await readableAt(where, () => inbox.frame(k, attempt, from, NEVER));
      if (frame === undefined) throw new MizuError('LOG_CORRUPT', `unavailable: ${where}`);
      if (frame.k !== k || frame.from !== from || frame.to !== partition) {
        throw new MizuError('LOG_CORRUPT', `${where}: the frame says that it is of task ${frame.k}, from ${frame.from} to ${frame.to}`);
      }
      frames.push(frame);
    }
    inbox.release(k);
    return frames;
  }

  private inbox(stage: number, partition: number): Promise<FrameInbox> {
    const name = `${stage}/${partition}`;
    const inbox = this.inboxes.get(name) ?? FrameInbox.openLeft(this.log, this.topics.frames(stage), partition);
    this.inboxes.set(name, inbox);
    return inbox;
  }

  /** Begins at task k: leaves are read from where the newest head at or below it says, published records are looked for. */
  async startAt(k: number): Promise<void> {
    const { log, topics, run } = this;
    if (k <= 0) return;
    const head = await headBelow(log, run, k, this.publicKey);
    this.leafStream = new LeafStream(log, topics.proofs, run.program, head?.place.proofs);
  }

  /** Passes over frames and published records of tasks before k. What was held of them is let go. */
  async skipContent(k: number): Promise<void> {
    for (const reader of this.publishers) await reader.skipTo(k, { few: 100, maxBytes: SKIPPED_READ_BYTES });
    for (let stage = 1; stage < this.run.program.stages.length; stage++) {
      const topic = this.topics.frames(stage);
      for (let partition = 0; partition < (this.run.program.stages[stage]?.partitions ?? 0); partition++) {
        // Frames stand in any order within the window: task k was not begun before task k - window was complete.
        const isBefore = ({ headers }: LogEntry): boolean => Number(headers['k']) <= k - this.facts.window;
        const from = await seekEntry(this.log, topic, partition, isBefore, 1);
        this.inboxes.set(
          `${stage}/${partition}`,
          Promise.resolve(FrameInbox.openAt(this.log, topic, partition, from, { maxBytes: SKIPPED_READ_BYTES })),
        );
      }
    }
  }

  /** Passes over what was published before task k. */
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

function titleOf({ run }: DeployedRun): string {
  return `${run.name}/${run.generation}`;
}

interface Extent {
  readonly last: number;
  readonly head: PlacedHead | undefined;
  readonly publicKey: Uint8Array;
}

/** The newest head that the run's key signed with at most k tasks in its tree: it says where the leaves of later ones are found. */
async function headBelow(log: Log, run: DeployedRun, k: number, publicKey: Uint8Array): Promise<PlacedHead | undefined> {
  const { checkpoints } = new RunTopics(run.run);
  const names = { title: titleOf(run), origin: originOf(log.network, run.run) };
  const isBelow = (entry: LogEntry): boolean => Number(entry.headers['tasks']) <= k;
  const from = Math.max(0, (await seekEntry(log, checkpoints, 0, isBelow)) - 1);
  let newest: LogEntry | undefined;
  for await (const entry of readAll(log, checkpoints, 0, offset(from))) {
    if (!isBelow(entry)) break;
    newest = entry;
  }
  const head = newest === undefined ? undefined : readHead(newest, names, publicKey);
  return head !== undefined && head.place.tasks <= k ? head : undefined;
}

async function extentOf(
  log: Log,
  run: DeployedRun,
  { finish, closed }: RunFacts,
  { moment, publicKey }: ReaderOptions & { readonly moment: Moment },
): Promise<Extent> {
  const topics = new RunTopics(run.run);
  if (closed && finish === undefined) throw new MizuError('LOG_CORRUPT', `${topics.control}: the run is closed, and was never finished`);
  const key = publicKey ?? parseVkey(await verifierKeyOf(log, run)).publicKey;
  const extent = (last: number): Extent => ({ last, head, publicKey: key });
  const names = { title: titleOf(run), origin: originOf(log.network, run.run) };
  const head = moment.head === undefined ? undefined : readHead(moment.head, names, key);
  if (closed && finish !== undefined) return extent(finish.last);
  if (moment.head === undefined) {
    throw new MizuError('CHECK_FAILED', `'${names.title}' goes on, and nothing of it is signed yet`, {
      hint: 'While it runs, a head is signed after 64 tasks or 10 seconds: try again then. If nobody runs it, run its workflow again with the same --log: it goes on where it stopped.',
    });
  }
  if (head === undefined) {
    throw new MizuError(
      'LOG_CORRUPT',
      `${topics.checkpoints}, offset ${moment.head.offset}: the key of the run did not sign this head, or not the tasks that are in its tree`,
    );
  }
  return extent(head.place.tasks - 1);
}
