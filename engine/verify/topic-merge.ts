/** Published entries of one partition, grouped by task: verified, rejected, failed and duplicate records of (partition, k). */
import { MizuError } from '../contract/errors.ts';
import type { Log, LogEntry, ReadOptions } from '../contract/log.ts';
import type { Drop, DropKind } from '../proof/effect.ts';
import { decodeDrop } from '../proof/effect.ts';
import { readConfluentFrame } from '../proof/framing.ts';
import { fromUtf8 } from '../proof/sha256.ts';
import { LogCursor } from '../runtime/log-cursor.ts';
import { seekEntry } from '../runtime/seek-entry.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { readAt } from './report.ts';

export interface PublishedEntry {
  readonly i: number;
  /** Avro bytes of the published record, without framing. */
  readonly record: Uint8Array;
}

/** What plain consumers see of an entry and no leaf commits to. */
export interface EntryFrame {
  readonly i: number;
  /** `task` header: stage/partition/k of the publishing step. */
  readonly task: string | undefined;
  /** Of the Confluent framing; undefined for dropped records, which have none. */
  readonly schemaId: number | undefined;
}

export interface PublishedTask {
  readonly records: readonly PublishedEntry[];
  /** In ascending order of candidate. */
  readonly drops: readonly Drop[];
  /** Of all records and drops. */
  readonly entries: readonly EntryFrame[];
}

interface Numbered {
  readonly k: number;
  readonly i: number;
  readonly entry: LogEntry;
}

/** For who wants little of what stands behind: how many entries may be passed over, and how much is read at once. */
export interface Skipping extends ReadOptions {
  readonly few?: number;
}

/** One cursor that can be looked at before it is taken. */
class Peeked {
  private readonly log: Log;
  private cursor: LogCursor;
  private readonly title: string;
  private head: Numbered | undefined;

  constructor(log: Log, topic: string, partition: number, title: string) {
    this.log = log;
    this.cursor = new LogCursor(log, topic, partition);
    this.title = title;
  }

  /** Goes on at the first entry of task k or a later one. */
  async skipTo(k: number, { few, ...options }: Skipping = {}): Promise<void> {
    const { topic, partition, position } = this.cursor;
    const from = await seekEntry(this.log, topic, partition, (entry) => keyOfRecord(entry, this.title, topic, partition).k < k, few);
    if (from > position) {
      this.cursor = new LogCursor(this.log, topic, partition, from, options);
      this.head = undefined;
    }
    for (let head = await this.peek(); head !== undefined && head.k < k; head = await this.peek()) this.take();
  }

  async peek(): Promise<Numbered | undefined> {
    if (this.head === undefined) {
      const entry = await this.cursor.take();
      if (entry !== undefined) this.head = { ...keyOfRecord(entry, this.title, this.cursor.topic, this.cursor.partition), entry };
    }
    return this.head;
  }

  take(): void {
    this.head = undefined;
  }

  place(entry: LogEntry): string {
    return `${this.cursor.topic}, partition ${this.cursor.partition}, offset ${entry.offset}`;
  }
}

/** Task and candidate of a published entry. `title`: NAME/GENERATION. @throws LOG_CORRUPT. */
export function keyOfRecord(entry: LogEntry, title: string, topic: string, partition: number): { readonly k: number; readonly i: number } {
  const key = fromUtf8(entry.key ?? new Uint8Array(0));
  const match = /^(\d{1,15})\.(\d{1,10})$/.exec(key.startsWith(`${title}/`) ? key.slice(title.length + 1) : '');
  if (match === null) {
    throw new MizuError(
      'LOG_CORRUPT',
      `${topic}, partition ${partition}, offset ${entry.offset}: key '${key.slice(0, 80)}' is no record of ${title}`,
    );
  }
  return { k: Number(match[1]), i: Number(match[2]) };
}

export class PublishedReader {
  private readonly verified: Peeked;
  /** One for each kind of drop. */
  private readonly dropped: readonly { readonly kind: DropKind; readonly source: Peeked }[];
  readonly partition: number;

  constructor(log: Log, topics: RunTopics, partition: number, title: string) {
    this.partition = partition;
    this.verified = new Peeked(log, topics.verified, partition, title);
    const kinds = { rejected: topics.rejected, failed: topics.failed, duplicate: topics.duplicates } as const;
    this.dropped = (['rejected', 'failed', 'duplicate'] as const).map((kind) => ({
      kind,
      source: new Peeked(log, kinds[kind], partition, title),
    }));
  }

  /** The lowest task with an entry that was not taken yet; undefined at the end. */
  async nextTask(): Promise<number | undefined> {
    const heads = await Promise.all(this.sources().map((source) => source.peek()));
    const tasks = heads.flatMap((head) => (head === undefined ? [] : [head.k]));
    return tasks.length === 0 ? undefined : Math.min(...tasks);
  }

  /** Passes over the entries of tasks before k. */
  async skipTo(k: number, options?: Skipping): Promise<void> {
    for (const source of this.sources()) await source.skipTo(k, options);
  }

  /** Everything of task k, if it stands next. */
  async task(k: number): Promise<PublishedTask> {
    const records: PublishedEntry[] = [];
    const entries: EntryFrame[] = [];
    for (let head = await this.verified.peek(); head?.k === k; head = await this.verified.peek()) {
      const { value } = head.entry;
      const { schemaId, body } = readAt(this.verified.place(head.entry), () => readConfluentFrame(value));
      records.push({ i: head.i, record: body });
      entries.push({ i: head.i, task: head.entry.headers['task'], schemaId });
      this.verified.take();
    }
    const drops: Drop[] = [];
    for (const { kind, source } of this.dropped) {
      for (let head = await source.peek(); head?.k === k; head = await source.peek()) {
        const { value } = head.entry;
        const drop = readAt(source.place(head.entry), () => decodeDrop(value));
        if (drop.i !== head.i)
          throw new MizuError('LOG_CORRUPT', `Task ${k}: a dropped record says it is candidate ${drop.i}, its key says ${head.i}`);
        if (drop.kind !== kind)
          throw new MizuError('LOG_CORRUPT', `Task ${k}, candidate ${drop.i}: a ${drop.kind} record stands among the ${kind} ones`);
        drops.push(drop);
        entries.push({ i: head.i, task: head.entry.headers['task'], schemaId: undefined });
        source.take();
      }
    }
    drops.sort((a, b) => a.i - b.i);
    return { records, drops, entries };
  }

  private sources(): readonly Peeked[] {
    return [this.verified, ...this.dropped.map(({ source }) => source)];
  }
}
