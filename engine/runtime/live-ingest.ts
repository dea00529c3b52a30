/**
 * Copies a topic to the run's own log (P13, `ingest: copy`). Each commit holds records and, in the headers of its last entry, where every partition
 * of the topic goes on: so records and positions are one, and whoever takes over goes on exactly there (law 4). It keeps a bounded distance
 * to the cuts, so a run that is slow or paused does not copy its topic ahead of itself.
 */
import type { Observable } from 'rxjs';
import { invariant, messageOf, MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Append, Log, LogEntry } from '../contract/log.ts';
import { topicSource } from '../contract/program.ts';
import type { ExternalTopic, OpenExternal, SourceBounds } from '../contract/source.ts';
import { PREFIX_BYTES, packSource } from '../proof/source-bytes.ts';
import { encodeTopicRecord } from '../proof/topic-record.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { lastEntry } from './last-entry.ts';
import { pulled } from './pull.ts';
import type { SourceContext } from './source-context.ts';
import { openExternalSource } from './source-context.ts';
import { ENTRY_BYTES, ENTRY_RECORDS, readPositions, sourceHeaders } from './source-store.ts';

/** What is copied and not yet cut, at most: several of the largest tasks, so that a window of them is full; and what a planner reads after a take-over. */
const INGEST_AHEAD = { records: 400_000, bytes: 256 * 1024 * 1024 } as const;
/** Bytes that one read of a partition asks for; one commit holds one read of each partition at most. */
const READ_BYTES = 2 * 1024 * 1024;
/** A partition of a topic with an end is read this far before the next one's turn. */
const TURN_RECORDS = 1_000;
const TURN_BYTES = 1024 * 1024;
/** A commit is closed beyond this: short transactions (a reader of the copy waits for the oldest open one). */
const COMMIT_BYTES = 8 * 1024 * 1024;

/** What one commit took over. */
export interface Ingested {
  readonly records: number;
}

interface AheadLimit {
  readonly records: number;
  readonly bytes: number;
}

interface PartitionCopy {
  next: number;
  readonly to: number | undefined;
}

export class LiveIngest {
  private readonly context: SourceContext & { readonly signal: AbortSignal };
  private readonly control: ControlTail;
  private readonly topic: ExternalTopic;
  private readonly committer: Committer;
  private readonly partitions: PartitionCopy[];
  private readonly limit: AheadLimit;
  /** Records copied so far: the next one has this number. */
  private count: number;
  private done: boolean;
  /** Partition that is read next. */
  private turn = 0;
  /** Bytes of copied entries that may hold records which are not cut, oldest first. */
  private readonly ahead: { readonly to: number; readonly bytes: number }[] = [];
  private aheadBytes = 0;

  private constructor(
    context: SourceContext & { readonly signal: AbortSignal },
    control: ControlTail,
    topic: ExternalTopic,
    committer: Committer,
    state: CopyState,
    limit: AheadLimit,
  ) {
    this.limit = limit;
    this.context = context;
    this.control = control;
    this.topic = topic;
    this.committer = committer;
    this.partitions = state.partitions;
    this.count = state.count;
    this.done = state.complete;
  }

  /**
   * Ends every earlier copy of the run and reads back how far it came. Undefined for a program that copies no topic.
   * @throws what opening the topic throws.
   */
  static async open(
    context: SourceContext & { readonly signal: AbortSignal },
    control: ControlTail,
    external: OpenExternal | undefined,
    limit: AheadLimit = INGEST_AHEAD,
  ): Promise<LiveIngest | undefined> {
    if (topicSource(context.program)?.ingest !== 'copy') return undefined;
    invariant(context.source !== undefined, 'a program that reads a topic was deployed with its bounds');
    const topic = await openExternalSource(context, external);
    const committer = await Committer.open(context.log, `${context.title}/ingest`);
    const state = await readBack(context.log, context.topics.source, context.source, topic);
    return new LiveIngest(context, control, topic, committer, state, limit);
  }

  /** Copies until the signal aborts, or until a topic with an end is there. Each emission is one commit. */
  run(): Observable<Ingested> {
    return pulled(async () => {
      const { signal } = this.context;
      while (!signal.aborted && !this.done && this.control.fold.finish === undefined) {
        if (this.isFarAhead()) await this.control.moved(signal);
        else {
          const records = await this.copy();
          if (records !== undefined) return { records };
          await this.waitForRecords(signal);
        }
      }
      return undefined;
    });
  }

  async close(): Promise<void> {
    await this.committer.close();
    await this.topic.close();
  }

  /** Takes one read of each partition, as long as they fit one commit. Undefined when there was nothing. */
  private async copy(): Promise<number | undefined> {
    const batch = new Batch(this.count);
    let moved = false;
    for (let n = 0; n < this.partitions.length && batch.bytes < COMMIT_BYTES; n++) {
      const p = this.turn;
      this.turn = (this.turn + 1) % this.partitions.length;
      const partition = this.partitions[p];
      if (partition === undefined || partition.next === partition.to) continue;
      moved = (await this.take(p, partition, batch)) || moved;
    }
    const complete = this.partitions.every(({ next, to }) => next === to);
    if (!moved && !complete) return undefined;
    const positions = JSON.stringify(this.partitions.map(({ next }) => next));
    const appends = batch.appends(this.context.topics.source, { positions, ...(complete ? { complete: 'true' } : {}) });
    await this.committer.commit(appends);
    for (const { to, bytes } of batch.entries) this.ahead.push({ to, bytes });
    this.aheadBytes += batch.bytes;
    this.count = batch.next;
    this.done = complete;
    return batch.records;
  }

  /**
   * One read of a live topic. Of one with an end, a turn whose length follows from its records, so that the order of the copy does not depend
   * on what a read happens to bring (law 1). Whether the partition moved.
   */
  private async take(p: number, partition: PartitionCopy, batch: Batch): Promise<boolean> {
    const { next: before, to } = partition;
    const limits = to === undefined ? { maxBytes: READ_BYTES } : { maxBytes: TURN_BYTES, until: offset(to) };
    for (let records = 0, bytes = 0; ; ) {
      const from = partition.next;
      const read = await this.topic.read(p, offset(from), limits);
      for (const record of read.records) {
        if (to !== undefined && (records >= TURN_RECORDS || bytes >= TURN_BYTES)) {
          partition.next = record.offset;
          return true;
        }
        const encoded = encodeTopicRecord(p, record);
        batch.add(encoded);
        records++;
        bytes += encoded.length;
      }
      partition.next = read.next;
      if (to === undefined || read.next >= to) return partition.next > before;
      if (read.next <= from) throw this.gone(p, from, to);
    }
  }

  private gone(p: number, from: number, to: number): MizuError {
    return new MizuError('SOURCE_UNAVAILABLE', `unavailable: topic '${this.topic.name}', partition ${p}, offsets ${from} to ${to}`, {
      component: this.topic.name,
    });
  }

  /** Records below the cuts are not ahead any more. */
  private isFarAhead(): boolean {
    const cut = this.control.fold.positions.get(0) ?? 0;
    let settled = 0;
    for (const { to, bytes } of this.ahead) {
      if (to > cut) break;
      this.aheadBytes -= bytes;
      settled++;
    }
    this.ahead.splice(0, settled);
    return this.count - cut >= this.limit.records || this.aheadBytes >= this.limit.bytes;
  }

  private async waitForRecords(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const waits = this.partitions.flatMap(({ next, to }, p) =>
      next === to ? [] : [this.topic.waitBeyond(p, offset(next), ended).then(() => undefined)],
    );
    try {
      // Control's end is the run's: nothing needs to be copied then.
      await Promise.race([...waits, this.control.until((fold) => fold.finish !== undefined, ended)]);
    } finally {
      stop.abort();
    }
  }
}

/** The entries of one commit. */
class Batch {
  readonly entries: { readonly from: number; readonly to: number; readonly bytes: number; readonly parts: Uint8Array[] }[] = [];
  next: number;
  bytes = 0;
  private readonly first: number;
  private parts: Uint8Array[] = [];
  private partBytes = 0;

  constructor(first: number) {
    this.first = first;
    this.next = first;
  }

  get records(): number {
    return this.next - this.first;
  }

  add(record: Uint8Array): void {
    const bytes = PREFIX_BYTES + record.length;
    if (this.partBytes > 0 && this.partBytes + bytes > ENTRY_BYTES) this.cut();
    this.parts.push(record);
    this.partBytes += bytes;
    this.bytes += bytes;
    this.next++;
    if (this.parts.length >= ENTRY_RECORDS) this.cut();
  }

  /** `last`: headers of the last entry, which is there even without records. */
  appends(topic: string, last: Readonly<Record<string, string>>): Append[] {
    if (this.parts.length > 0 || this.entries.length === 0) this.cut();
    return this.entries.map(({ from, to, parts }, n) => ({
      topic,
      partition: 0,
      value: packSource(parts),
      headers: { from: String(from), count: String(to - from), ...(n === this.entries.length - 1 ? last : {}) },
    }));
  }

  private cut(): void {
    this.entries.push({ from: this.next - this.parts.length, to: this.next, bytes: this.partBytes, parts: this.parts });
    this.parts = [];
    this.partBytes = 0;
  }
}

interface CopyState {
  readonly partitions: PartitionCopy[];
  readonly count: number;
  readonly complete: boolean;
}

/** How far the copy came, from its last entry. A live topic may have been given more partitions: they are read from their begin. */
async function readBack(log: Log, name: string, source: SourceBounds, topic: ExternalTopic): Promise<CopyState> {
  const last = await lastEntry(log, name, 0);
  const where = `${name}, partition 0`;
  const live = source.partitions.some(({ to }) => to === undefined);
  const added = live ? Math.max(0, topic.partitions - source.partitions.length) : 0;
  const bounds = [...source.partitions, ...Array.from({ length: added }, () => ({ from: 0, to: undefined }))];
  const { from, count, complete } = last === undefined ? { from: 0, count: 0, complete: false } : sourceHeaders(last, where);
  const positions = last === undefined ? [] : positionsOf(last, where);
  const partitions = bounds.map(({ from: begin, to }, p) => ({ next: positions[p] ?? begin, to }));
  return { partitions, count: from + count, complete };
}

function positionsOf(entry: LogEntry, where: string): readonly number[] {
  try {
    return readPositions(entry.headers['positions'] ?? '');
  } catch (error) {
    throw new MizuError('LOG_CORRUPT', `${where}, offset ${entry.offset}: ${messageOf(error)}`, { cause: error });
  }
}
