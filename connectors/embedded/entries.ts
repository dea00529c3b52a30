/** Entries from their rows and segments, each checked against its sum. Values that stand together are read together. */
import { freeBytes, type LogEntry, type MizuError, offset } from '#engine';
import { entryChecksum, packedChecksum } from './checksum.ts';
import { SEGMENT_READ_BYTES } from './limits.ts';
import { unpackEntries } from './packed.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { Placement } from './segments.ts';
import { corrupt } from './sqlite-error.ts';
import { type EntryRow, placeOf, type TopicRow } from './tables.ts';

/** `file`: whose rows they are. `free`: gives back what values of segments took. @throws LOG_CORRUPT, naming the entry. */
export async function entriesOf(
  rows: readonly EntryRow[],
  topic: TopicRow,
  partition: number,
  segments: SegmentReader,
  file: string,
): Promise<{ readonly entries: LogEntry[]; readonly free: (() => void) | undefined }> {
  const read: Uint8Array[] = [];
  const values = await valuesOf(rows, segments, read);
  const entries: LogEntry[] = [];
  for (const [n, row] of rows.entries()) {
    const { at, key, headers } = row;
    const value = values[n] ?? new Uint8Array();
    if (row.crc !== checksumOf(row, value, topic, partition)) throw doesNotMatch(row, topic, partition, segments, file);
    if (row.count === 1) entries.push({ offset: offset(at), key, value, headers: parseHeaders(headers) });
    else entries.push(...unpacked(row, value, topic, partition, file));
  }
  const free = (): void => {
    for (const bytes of read) freeBytes(bytes);
  };
  return { entries, free: read.length === 0 ? undefined : free };
}

function checksumOf({ at, count, key, headers }: EntryRow, value: Uint8Array, topic: TopicRow, partition: number): number {
  if (count === 1) return entryChecksum(topic.name, partition, at, key, value, headers);
  return packedChecksum(topic.name, partition, at, count, value);
}

function doesNotMatch(
  { at, count, value }: EntryRow,
  topic: TopicRow,
  partition: number,
  segments: SegmentReader,
  file: string,
): MizuError {
  const beside = value instanceof Uint8Array ? '' : `, whose value stands in ${segments.pathOf(value)},`;
  const together = count === 1 ? '' : `, or one of the ${count - 1} that share its row,`;
  return corrupt(file, `${placeOf(topic, partition, at)}${together}${beside} does not match its check sum`);
}

function unpacked({ at, count }: EntryRow, value: Uint8Array, topic: TopicRow, partition: number, file: string): LogEntry[] {
  const entries = unpackEntries(value, count);
  if (entries === undefined) throw corrupt(file, `the row of ${placeOf(topic, partition, at)} does not hold ${count} entries`);
  let text = '';
  let headers = NO_HEADERS;
  return entries.map((entry, n) => {
    if (entry.headers !== text) {
      text = entry.headers;
      headers = parseHeaders(text);
    }
    return { offset: offset(at + n), key: entry.key, value: entry.value, headers };
  });
}

/** What is read from segments is added to `read`. */
async function valuesOf(rows: readonly EntryRow[], segments: SegmentReader, read: Uint8Array[]): Promise<Uint8Array[]> {
  const values: Uint8Array[] = [];
  const readings: Promise<void>[] = [];
  for (let n = 0; n < rows.length; ) {
    const value = rows[n]?.value;
    if (value instanceof Uint8Array || value === undefined) {
      values[n] = value ?? new Uint8Array();
      n++;
      continue;
    }
    const first = n;
    const sizes = [value.bytes];
    let bytes = value.bytes;
    for (n++; n < rows.length; n++) {
      const next = rows[n]?.value;
      if (!follows(next, value, bytes) || bytes + next.bytes > SEGMENT_READ_BYTES) break;
      sizes.push(next.bytes);
      bytes += next.bytes;
    }
    const take = async (): Promise<void> => {
      const together = await segments.read({ ...value, bytes });
      read.push(together);
      let at = 0;
      for (const [i, size] of sizes.entries()) {
        values[first + i] = together.subarray(at, at + size);
        at += size;
      }
    };
    readings.push(take());
  }
  await Promise.all(readings);
  return values;
}

function follows(value: EntryRow['value'] | undefined, first: Placement, bytes: number): value is Placement {
  if (value === undefined || value instanceof Uint8Array) return false;
  return value.segment === first.segment && value.position === first.position + bytes;
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** The text was written by us and has passed its check sum. */
function parseHeaders(text: string): Readonly<Record<string, string>> {
  return text === '' ? NO_HEADERS : (JSON.parse(text) as Record<string, string>);
}
