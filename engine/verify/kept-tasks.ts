/**
 * Of which tasks a retention left everything (P13). Each partition forgets by itself, from its begin on, so the first whole task differs from topic to topic; a log that
 * forgets nothing costs no read. Source, deltas and published records stand in order of k: the first entry that is left says it. Frames stand in any order within the window
 * (the tasks that were in flight together), so the first two windows of them are looked at.
 */
import type { Log, LogEntry } from '../contract/log.ts';
import type { Program } from '../contract/program.ts';
import { topicSource } from '../contract/program.ts';
import type { CutEntry } from '../dispatch/control-entry.ts';
import type { DropKind } from '../proof/effect.ts';
import { PartJoiner } from '../runtime/frame-parts.ts';
import { beginOf, readAll } from '../runtime/log-cursor.ts';
import { sourceHeaders } from '../runtime/source-store.ts';
import { decodeStateEntry } from '../runtime/state-entry.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { readAt } from './report.ts';
import { keyOfRecord } from './topic-merge.ts';

export type OutKind = 'verified' | DropKind;
export const OUT_KINDS: readonly OutKind[] = ['verified', 'rejected', 'failed', 'duplicate'];

export function topicOf(topics: RunTopics, kind: OutKind): string {
  return kind === 'duplicate' ? topics.duplicates : topics[kind];
}

/** What is known of the run whose topics are looked at. */
export interface KeptOptions {
  readonly log: Log;
  readonly topics: RunTopics;
  /** NAME/GENERATION. */
  readonly title: string;
  readonly program: Program;
  /** Its accepted attempt; undefined while there is none. */
  readonly attemptOf: (k: number) => number | undefined;
  /** Tasks 0 … last are looked at. */
  readonly last: number;
  /** Tasks that may have been in flight together. */
  readonly window: number;
}

/** Everything was forgotten that ever stood there. */
const NOTHING_LEFT = Number.POSITIVE_INFINITY;

export class KeptTasks {
  private readonly options: KeptOptions;
  /** The first record of the copied source that is left. */
  private sourceFrom = 0;
  /** By stage: the first task of which every frame is left. */
  private readonly framesFrom: number[] = [];
  /** By stage, then partition: the first task whose deltas are left. */
  private readonly statesFrom: number[][] = [];
  /** By kind: the last task of which entries may be gone; −1 if none are. */
  private readonly doubt: Record<OutKind, number> = { verified: -1, rejected: -1, failed: -1, duplicate: -1 };

  private constructor(options: KeptOptions) {
    this.options = options;
  }

  static async open(options: KeptOptions): Promise<KeptTasks> {
    const self = new KeptTasks(options);
    if (options.log.begin === undefined) return self;
    const { topics, program } = options;
    if (topicSource(program)?.ingest === 'copy')
      self.sourceFrom = await self.firstLeft(topics.source, 0, (entry) => sourceHeaders(entry, topics.source).from);
    for (const { kind, index, partitions } of program.stages) {
      if (kind === 'source') continue;
      for (let partition = 0; partition < partitions; partition++) {
        self.framesFrom[index] = Math.max(self.framesFrom[index] ?? 0, await self.firstFrames(index, partition));
        const states = self.statesFrom[index] ?? [];
        self.statesFrom[index] = states;
        const topic = topics.state(index);
        states[partition] = await self.firstLeft(topic, partition, (entry) => readAt(topic, () => decodeStateEntry(entry.value)).k);
      }
    }
    for (const kind of OUT_KINDS) await self.lookAt(kind);
    return self;
  }

  /** Looks again: a run that is alive goes on forgetting. */
  again(): Promise<KeptTasks> {
    return KeptTasks.open(this.options);
  }

  source(cut: CutEntry): boolean {
    return this.sourceFrom === 0 || cut.ranges.every(([, from]) => from >= this.sourceFrom);
  }

  frames(stage: number, k: number): boolean {
    return k >= (this.framesFrom[stage] ?? 0);
  }

  state(stage: number, partition: number, k: number): boolean {
    return k >= this.stateFrom(stage, partition);
  }

  /** The first task whose deltas are left. */
  stateFrom(stage: number, partition: number): number {
    return this.statesFrom[stage]?.[partition] ?? 0;
  }

  /** Kinds of published entries that may be gone in part. Whether they are, their count tells: not every task has some of each. */
  doubtful(k: number): readonly OutKind[] {
    return OUT_KINDS.filter((kind) => k <= this.doubt[kind]);
  }

  /** What `read` says of the first entry that is left; 0 where nothing is forgotten. */
  private async firstLeft(topic: string, partition: number, read: (entry: LogEntry) => number): Promise<number> {
    const { log } = this.options;
    const begin = await beginOf(log, topic, partition);
    if (begin === 0) return 0;
    const { entries } = await log.read(topic, partition, begin, { maxEntries: 1 });
    return entries[0] === undefined ? NOTHING_LEFT : read(entries[0]);
  }

  private async lookAt(kind: OutKind): Promise<void> {
    const { topics, title, program, log } = this.options;
    const topic = topicOf(topics, kind);
    for (let partition = 0; partition < (program.stages.at(-1)?.partitions ?? 1); partition++) {
      if ((await beginOf(log, topic, partition)) === 0) continue;
      const first = await this.firstLeft(topic, partition, (entry) => keyOfRecord(entry, title, topic, partition).k);
      this.doubt[kind] = Math.max(this.doubt[kind], first);
    }
  }

  /** The first task all of whose frames into a partition are left. Attempts that don't count may be late, and say nothing of what was in flight. */
  private async firstFrames(stage: number, partition: number): Promise<number> {
    const { log, topics, program, attemptOf, window, last } = this.options;
    const topic = topics.frames(stage);
    const begin = await beginOf(log, topic, partition);
    if (begin === 0) return 0;
    const upstream = stage === 1 ? 1 : (program.stages[stage - 1]?.partitions ?? 1);
    const joiner = new PartJoiner(topic);
    joiner.partial = true;
    const counts = new Map<number, number>();
    let first: number | undefined;
    for await (const entry of readAll(log, topic, partition, begin)) {
      const { k: kText, attempt, from } = entry.headers;
      const k = Number(kText);
      const whole = joiner.take(`${kText}/${attempt}/${from}`, entry);
      if (Number(attempt) !== (stage === 1 ? attemptOf(k) : 0)) continue;
      first ??= k;
      // Whatever was in flight together with the first is there by now, if it was not forgotten.
      if (k >= first + 2 * window) break;
      if (whole !== undefined) counts.set(k, (counts.get(k) ?? 0) + 1);
    }
    if (first === undefined || counts.size === 0) return NOTHING_LEFT;
    const low = Math.min(...counts.keys());
    let missing = low - 1;
    for (let k = low; k < first + window && k <= last; k++) if ((counts.get(k) ?? 0) < upstream) missing = k;
    return missing + 1;
  }
}
