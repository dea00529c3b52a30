/** How far a run is behind the topic that it reads, or the files while they are copied: what waits to be copied, and what is copied and not cut yet. */
import { fileSource, topicSource } from '../contract/program.ts';
import type { ExternalTopic, OpenExternal } from '../contract/source.ts';
import type { Log } from '../contract/log.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { copyEnd } from './copied-records.ts';
import { lastEntry } from './last-entry.ts';
import type { DeployedRun } from './read-run.ts';
import { openExternalSource } from './source-context.ts';
import { sourceHeaders } from './source-store.ts';
import type { RunTopics } from './topics.ts';

/** In place of a name: files that are still to be copied. No name of a topic holds a space. */
export const FILES = 'files of the workflow';

export interface SourceStatus {
  /** The author's name of a topic, or FILES. */
  readonly name: string;
  readonly ingest: 'copy' | 'reference';
  /** Records that tasks were cut from; of a topic that is read by reference with the gaps in its offsets. */
  readonly cut: number;
  /** Records that the run has copied to its own log and not cut yet; null for a reference. */
  readonly ahead: number | null;
  /** Records of the source that the run has not taken yet, gaps in its offsets included; null when the topic can't be asked from here. */
  readonly behind: number | null;
}

/** Opens the external topic at most once, and only asks for its ends. */
export class SourceLag {
  private readonly log: Log;
  private readonly topics: RunTopics;
  private readonly run: DeployedRun;
  private readonly open: OpenExternal | undefined;
  private filesCopied = false;
  /** Undefined once it could not be opened. */
  private topic: Promise<ExternalTopic | undefined> | undefined;

  constructor(log: Log, topics: RunTopics, run: DeployedRun, open: OpenExternal | undefined) {
    this.log = log;
    this.topics = topics;
    this.run = run;
    this.open = open;
  }

  /** Null for a program that reads no topic, and no files that are still to be copied. */
  async status(fold: ControlFold): Promise<SourceStatus | null> {
    const source = topicSource(this.run.program);
    if (source === undefined) return this.files(fold);
    const { name, ingest } = source;
    if (ingest === 'copy') {
      const copied = await this.copied();
      const cut = fold.positions.get(0) ?? 0;
      return { name, ingest, cut, ahead: Math.max(0, copied.records - cut), behind: await this.behind(copied.positions) };
    }
    const bounds = this.run.source?.partitions ?? [];
    const cut = [...fold.positions].reduce((sum, [p, to]) => sum + to - (bounds[p]?.from ?? 0), 0);
    return { name, ingest, cut, ahead: null, behind: await this.behind([...bounds.keys()].map((p) => fold.positions.get(p))) };
  }

  async close(): Promise<void> {
    await (await this.topic)?.close();
  }

  private async files(fold: ControlFold): Promise<SourceStatus | null> {
    const { program } = this.run;
    const files = fileSource(program);
    if (files === undefined || this.filesCopied) return null;
    const copied = await copyEnd(this.log, this.topics.source);
    this.filesCopied = copied >= files.records;
    if (this.filesCopied) return null;
    const cut = Math.min(copied, fold.nextCut * program.task.size);
    return { name: FILES, ingest: 'copy', cut, ahead: copied - cut, behind: files.records - copied };
  }

  /** Records on the run's own log, and where each partition of the topic goes on: both stand in the last entry (P13). */
  private async copied(): Promise<{ readonly records: number; readonly positions: readonly (number | undefined)[] }> {
    const last = await lastEntry(this.log, this.topics.source, 0);
    if (last === undefined) return { records: 0, positions: [] };
    const { from, count } = sourceHeaders(last, `${this.topics.source}, partition 0`);
    const positions: unknown = JSON.parse(last.headers['positions'] ?? '[]');
    return { records: from + count, positions: Array.isArray(positions) ? positions.map(Number) : [] };
  }

  private async behind(positions: readonly (number | undefined)[]): Promise<number | null> {
    const topic = await this.external();
    if (topic === undefined) return null;
    let behind = 0;
    for (let p = 0; p < topic.partitions; p++) {
      const bounds = this.run.source?.partitions[p];
      const at = positions[p] ?? bounds?.from ?? 0;
      behind += Math.max(0, (bounds?.to ?? (await topic.end(p))) - at);
    }
    return behind;
  }

  private async external(): Promise<ExternalTopic | undefined> {
    if (this.open === undefined) return undefined;
    // Whoever looks at a run need not reach its source.
    this.topic ??= openExternalSource(this.run, this.open).catch(() => undefined);
    return this.topic;
  }
}
