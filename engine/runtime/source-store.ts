/**
 * A finite source on the log (P13, `ingest: copy`): its exact records in the source topic, many to an entry, so that tasks and
 * replays need nothing else. Entry value: per record u32 big-endian length ‖ bytes; headers `from` and `count`.
 */
import { createHash } from 'node:crypto';
import { MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { SourceSpec } from '../contract/program.ts';
import { Committer } from './committer.ts';
import { LogCursor } from './log-cursor.ts';

/** An entry is closed when it holds this many bytes or records. */
const ENTRY_BYTES = 512 * 1024;
const ENTRY_RECORDS = 1000;

/** What a connector gives: records in order from a number on. */
export interface RecordStream {
  readonly info: SourceSpec;
  records(from: number): AsyncIterable<Uint8Array>;
}

/** A record as it stands in an entry and in the source's digest. */
export function lengthPrefixed(record: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(4 + record.length);
  out.writeUInt32BE(record.length, 0);
  out.set(record, 4);
  return out;
}

/** The records of one entry. @throws LOG_CORRUPT when their lengths do not add up. */
export function unpackSource(entry: LogEntry, where: string): { readonly from: number; readonly records: Uint8Array[] } {
  const bytes = Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.value.length);
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 <= bytes.length ? at + 4 + bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length)
      throw new MizuError('LOG_CORRUPT', `${where}, offset ${entry.offset}: it ends in the middle of record ${records.length}`);
    records.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return { from: Number(entry.headers['from'] ?? '0'), records };
}

/** Copies the source into the log, going on where an earlier copy stopped. @throws SOURCE_UNAVAILABLE if the bytes are not those that were compiled. */
export async function ingest(log: Log, topic: string, owner: string, source: RecordStream, signal: AbortSignal): Promise<void> {
  const committer = await Committer.open(log, owner);
  try {
    const hash = createHash('sha256');
    let count = 0;
    const present = new LogCursor(log, topic, 0);
    for (let entry = await present.take(); entry !== undefined; entry = await present.take()) {
      for (const record of unpackSource(entry, `${topic}, partition 0`).records) {
        hash.update(lengthPrefixed(record));
        count++;
      }
    }
    let chunk: Uint8Array[] = [];
    let bytes = 0;
    let from = count;
    const flush = async (): Promise<void> => {
      if (chunk.length === 0) return;
      await committer.commit([
        { topic, partition: 0, value: Buffer.concat(chunk), headers: { from: String(from), count: String(chunk.length) } },
      ]);
      from += chunk.length;
      chunk = [];
      bytes = 0;
    };
    for await (const record of source.records(count)) {
      if (signal.aborted)
        throw new MizuError('INTERRUPTED', 'The copy of the source was interrupted', {
          hint: 'The same command goes on where it stopped.',
        });
      const prefixed = lengthPrefixed(record);
      hash.update(prefixed);
      chunk.push(prefixed);
      bytes += prefixed.length;
      count++;
      if (chunk.length >= ENTRY_RECORDS || bytes >= ENTRY_BYTES) await flush();
    }
    await flush();
    if (count !== source.info.records || hash.digest('hex') !== source.info.digest) {
      throw new MizuError(
        'SOURCE_UNAVAILABLE',
        `The source changed while it was copied: ${count} records, ${source.info.records} were compiled`,
        {
          component: topic,
          hint: 'Run again when the files are at rest; a changed source is a new generation (--new-generation).',
        },
      );
    }
  } finally {
    await committer.close();
  }
}

/** Reads ranges of the copied source. Reads forwards; a step back starts over. Owned by one role. */
export class SourceReader {
  private readonly log: Log;
  private readonly topic: string;
  private cursor: LogCursor;
  private current: { readonly from: number; readonly records: Uint8Array[] } | undefined;

  constructor(log: Log, topic: string) {
    this.log = log;
    this.topic = topic;
    this.cursor = new LogCursor(log, topic, 0, offset(0), { maxEntries: 1 });
  }

  /** Records [from, to). @throws SOURCE_UNAVAILABLE naming the range. */
  async range(from: number, to: number): Promise<Uint8Array[]> {
    if (this.current !== undefined && from < this.current.from) {
      this.cursor = new LogCursor(this.log, this.topic, 0, offset(0), { maxEntries: 1 });
      this.current = undefined;
    }
    const out: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      if (this.current === undefined || at >= this.current.from + this.current.records.length) {
        const entry = await this.cursor.take();
        if (entry === undefined) {
          throw new MizuError('SOURCE_UNAVAILABLE', `unavailable: ${this.topic}, partition 0, records ${at} to ${to}`, {
            component: this.topic,
          });
        }
        this.current = unpackSource(entry, `${this.topic}, partition 0`);
        if (!(this.current.from >= 0 && this.current.from <= at)) {
          throw new MizuError(
            'LOG_CORRUPT',
            `${this.topic}, partition 0, offset ${entry.offset}: it says that it begins with record ${entry.headers['from']}`,
          );
        }
        continue;
      }
      out.push(this.current.records[at - this.current.from] as Uint8Array);
      at++;
    }
    return out;
  }
}
