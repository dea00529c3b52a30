/**
 * A finite source on the log (P13, `ingest: copy`): its exact records in the source topic, many to an entry, so that tasks and
 * replays need nothing else. Entry value: per record u32 big-endian length ‖ bytes; headers `from` and `count`.
 */
import { createHash, type Hash } from 'node:crypto';
import { z } from 'zod';
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Append, Log, LogEntry } from '../contract/log.ts';
import type { SourceMark, SourceSpec } from '../contract/program.ts';
import { freeBytes } from '../proof/free-bytes.ts';
import { SourcePacker } from '../proof/source-bytes.ts';
import { Committer } from './committer.ts';
import { LogCursor } from './log-cursor.ts';

/** An entry is closed when it holds this many bytes or records. */
export const ENTRY_BYTES = 512 * 1024;
export const ENTRY_RECORDS = 1000;

/** Bytes of entries that one commit of a copy holds at most, unless one entry has more: a commit waits for the disk. */
const COMMIT_BYTES = 4 * 1024 * 1024;

/** What a connector gives: records in order from a number on, as many at once as it has read. Those of a batch are there until the next is asked for. */
export interface RecordStream {
  readonly info: SourceSpec;
  /** Ascending; the last one is that of all records. What lies between two of them is held in memory. */
  readonly marks: readonly SourceMark[];
  records(from: number): AsyncIterable<readonly Uint8Array[]>;
}

/** What the headers of an entry say. `complete`: the source has an end, and this entry is it. */
export interface SourceHeaders {
  readonly from: number;
  readonly count: number;
  readonly complete: boolean;
}

/** @throws LOG_CORRUPT. */
export function sourceHeaders(entry: LogEntry, where: string): SourceHeaders {
  const [from, count] = [Number(entry.headers['from']), Number(entry.headers['count'])];
  if (!Number.isSafeInteger(from) || from < 0 || !Number.isSafeInteger(count) || count < 0) {
    const { from: said, count: saidCount } = entry.headers;
    throw new MizuError(
      'LOG_CORRUPT',
      `${where}, offset ${entry.offset}: it says that it begins with record ${said} and holds ${saidCount} records`,
    );
  }
  return { from, count, complete: entry.headers['complete'] === 'true' };
}

const POSITIONS = z.array(z.int().nonnegative());

/** Of a topic's copy: where each partition goes on, as the last entry of a commit says. @throws BYTES_INVALID. */
export function readPositions(header: string): readonly number[] {
  try {
    return POSITIONS.parse(JSON.parse(header));
  } catch (error) {
    throw new MizuError('BYTES_INVALID', `Its header 'positions' is '${header.slice(0, 80)}', a list of offsets was expected`, {
      cause: error,
    });
  }
}

/** The records of one entry. @throws LOG_CORRUPT when their lengths do not add up. */
export function unpackSource(entry: LogEntry, where: string): { readonly from: number; readonly records: Uint8Array[] } {
  const bytes = Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.value.length);
  let at = 0;
  const records = recordSizes(entry, where).map((size) => {
    const record = bytes.subarray(at + 4, at + 4 + size);
    at += 4 + size;
    return record;
  });
  return { from: Number(entry.headers['from'] ?? '0'), records };
}

/** Their lengths alone. @throws LOG_CORRUPT when they do not add up. */
export function recordSizes(entry: LogEntry, where: string): number[] {
  const bytes = Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.value.length);
  const sizes: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + size > bytes.length)
      throw new MizuError('LOG_CORRUPT', `${where}, offset ${entry.offset}: it ends in the middle of record ${sizes.length}`);
    sizes.push(size);
    at += 4 + size;
  }
  return sizes;
}

/**
 * Offset of the entry that holds a record, or of the first one after it: by halving, as entries begin with ever higher records. `after`: an
 * entry that lies before it.
 */
export async function seekSource(log: Log, topic: string, record: number, after: Offset = offset(0)): Promise<Offset> {
  let low: number = after;
  let high: number = await log.end(topic, 0);
  let found = high;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const { entries, free } = await log.read(topic, 0, offset(middle), { maxEntries: 1 });
    const [entry] = entries;
    const { from, count } =
      entry === undefined ? { from: Number.POSITIVE_INFINITY, count: 0 } : sourceHeaders(entry, `${topic}, partition 0`);
    free?.();
    if (from + count > record) {
      // Offsets from the middle to this entry are a gap.
      if (entry !== undefined) found = entry.offset;
      high = middle;
    } else low = (entry?.offset ?? middle) + 1;
  }
  return offset(found);
}

/**
 * Copies the source into the log, going on where an earlier copy stopped. Nothing is committed before a mark has shown that it is what was compiled, so
 * tasks may be cut from what is there while the rest is on its way. @throws SOURCE_UNAVAILABLE if the bytes are not those that were compiled; INTERRUPTED.
 */
export async function ingest(log: Log, topic: string, owner: string, source: RecordStream, signal: AbortSignal): Promise<void> {
  const committer = await Committer.open(log, owner);
  try {
    const hash = createHash('sha256');
    let count = 0;
    const present = new LogCursor(log, topic, 0);
    for (let entry = await present.take(); entry !== undefined; entry = await present.take()) {
      hash.update(entry.value);
      count += recordSizes(entry, `${topic}, partition 0`).length;
    }
    const copy = new Copy(committer, topic, source, { hash, count });
    for await (const records of source.records(count)) {
      if (signal.aborted) {
        throw new MizuError('INTERRUPTED', 'The copy of the source was interrupted', {
          hint: 'The same command goes on where it stopped.',
        });
      }
      await copy.take(records);
    }
    await copy.finish();
  } finally {
    await committer.close();
  }
}

/** Records on their way into entries, entries to the next mark, and from there into a commit. One commit runs while the next one fills. */
class Copy {
  private readonly committer: Committer;
  private readonly topic: string;
  private readonly source: RecordStream;
  /** Of the records up to the last full entry. */
  private readonly hash: Hash;
  private readonly packer = new SourcePacker();
  /** Full entries since the last mark. */
  private entries: Append[] = [];
  /** Records taken, and those that are in entries. */
  private count: number;
  private packed: number;
  /** Place of the next mark. */
  private mark: number;
  private running: Promise<unknown> = Promise.resolve();

  constructor(committer: Committer, topic: string, source: RecordStream, present: { readonly hash: Hash; readonly count: number }) {
    this.committer = committer;
    this.topic = topic;
    this.source = source;
    this.hash = present.hash;
    this.count = present.count;
    this.packed = present.count;
    const mark = source.marks.findIndex(({ records }) => records > present.count);
    this.mark = mark === -1 ? source.marks.length : mark;
  }

  async take(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) {
      this.packer.add(record);
      this.count++;
      if (this.packer.count >= ENTRY_RECORDS || this.packer.length >= ENTRY_BYTES) this.close();
      if (this.count === this.source.marks[this.mark]?.records) await this.passMark();
    }
  }

  /** Everything was taken. @throws SOURCE_UNAVAILABLE unless it is what was compiled, also where all of it was there before. */
  async finish(): Promise<void> {
    const { records, digest } = this.source.info;
    if (this.count !== records) throw this.changed(`${this.count} records, ${records} were compiled`);
    if (this.digest !== digest) throw this.changed('its records are others than were compiled');
    await this.running;
  }

  /** @throws SOURCE_UNAVAILABLE when the records up to here are not those that were digested; then nothing since the mark before is committed. */
  private async passMark(): Promise<void> {
    this.close();
    if (this.digest !== this.source.marks[this.mark]?.digest)
      throw this.changed(`its first ${this.count} records are others than were compiled`);
    this.mark++;
    const { entries } = this;
    this.entries = [];
    await this.running;
    this.running = this.commitAll(entries);
    // It is awaited before the next one, or at the end; until then a failure must not count as unhandled.
    this.running.catch(() => undefined);
  }

  private get digest(): string {
    return this.hash.copy().digest('hex');
  }

  private async commitAll(entries: readonly Append[]): Promise<void> {
    for (let from = 0, to = 0; from < entries.length; from = to) {
      for (let bytes = 0; to < entries.length && bytes < COMMIT_BYTES; to++) bytes += entries[to]?.value.length ?? 0;
      const together = entries.slice(from, to);
      await this.committer.commit(together);
      for (const { value } of together) freeBytes(value);
    }
  }

  /** The entry is full, or a mark ends it. */
  private close(): void {
    const { count } = this.packer;
    if (count === 0) return;
    const value = this.packer.take();
    this.hash.update(value);
    this.entries.push({
      topic: this.topic,
      partition: 0,
      value,
      headers: { from: String(this.packed), count: String(count) },
    });
    this.packed += count;
  }

  private changed(how: string): MizuError {
    return new MizuError('SOURCE_UNAVAILABLE', `The source changed while it was copied: ${how}`, {
      component: this.topic,
      hint: 'Run again when the files are at rest; a changed source is a new generation (--new-generation).',
    });
  }
}

/** Entries that are read and passed over rather than looked for: looking takes as many reads as the source has binary digits. */
const PASSED_ENTRIES = 8;

/** Reads ranges of the copied source. What lies between ranges is read if it is short, else passed over. Owned by one role. */
export class SourceReader {
  private readonly log: Log;
  private readonly topic: string;
  private cursor: LogCursor;
  private current: { readonly from: number; readonly records: Uint8Array[] } | undefined;

  constructor(log: Log, topic: string) {
    this.log = log;
    this.topic = topic;
    this.cursor = this.cursorAt(offset(0));
  }

  /** Records [from, to). @throws SOURCE_UNAVAILABLE naming the range. */
  async range(from: number, to: number): Promise<Uint8Array[]> {
    const out: Uint8Array[] = [];
    if (from < to) await this.approach(from, to);
    for (let at = from; at < to; ) {
      const record = this.current?.records[at - this.current.from];
      if (record === undefined) await this.advance(at, to);
      else {
        out.push(record);
        at++;
      }
    }
    return out;
  }

  /** Until the current entry holds the record `from`, or the next one begins with it. */
  private async approach(from: number, to: number): Promise<void> {
    // Where nothing is known of what lies before the cursor, as after a read that failed, it is looked for from the begin.
    const ahead = this.current === undefined ? this.cursor.position === 0 : from >= this.current.from;
    for (let passed = 0; ahead && passed <= PASSED_ENTRIES; passed++) {
      if (this.current !== undefined && from <= this.current.from + this.current.records.length) return;
      if (passed < PASSED_ENTRIES) await this.advance(from, to);
    }
    this.cursor = this.cursorAt(await seekSource(this.log, this.topic, from, ahead ? this.cursor.position : offset(0)));
    this.current = undefined;
    await this.advance(from, to);
  }

  private async advance(at: number, to: number): Promise<void> {
    const entry = await this.cursor.take();
    const gone = (): MizuError =>
      new MizuError('SOURCE_UNAVAILABLE', `unavailable: ${this.topic}, partition 0, records ${at} to ${to}`, { component: this.topic });
    if (entry === undefined) throw gone();
    const where = `${this.topic}, partition 0`;
    const { from } = sourceHeaders(entry, where);
    // The log forgets from its begin on, and keeps the order of what it holds.
    if (from > at && this.current === undefined) throw gone();
    const expected = this.current === undefined ? from : this.current.from + this.current.records.length;
    if (from !== expected)
      throw new MizuError(
        'LOG_CORRUPT',
        `${where}, offset ${entry.offset}: it says that it begins with record ${from}; ${expected} comes next`,
      );
    this.current = unpackSource(entry, where);
  }

  private cursorAt(position: Offset): LogCursor {
    return new LogCursor(this.log, this.topic, 0, position, { maxEntries: 1 });
  }
}
