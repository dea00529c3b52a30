/**
 * Records of a JSONL or CSV file, pulled: one chunk is in memory, and one record of at most RECORD_BYTES_LIMIT (law 6). They come as chunks
 * hold them, a thousand at a time: one by one, waiting costs more than finding them. A record is a line's
 * exact bytes without its LF or CRLF; the last line may lack its end; an empty line is no record; a UTF-8 byte order mark is left out.
 */
import { open } from 'node:fs/promises';
import { freeBytes, MizuError } from '#kernel';
import { unreadable } from './file-errors.ts';
import { CHUNK_BYTES, RECORD_BYTES_LIMIT } from './limits.ts';
import { CR, type RecordSplitter } from './record-splitter.ts';

/** The records that end in one chunk of the file. */
export interface DelimitedRecords {
  /** There until the next are asked for: they look into the one buffer that the file is read into. */
  readonly records: readonly Uint8Array[];
  /** For each, the offset in the file of the byte after its line end: where the next one starts. */
  readonly next: readonly number[];
}

/**
 * @param start offset of the first byte of a record.
 * @throws FILE_UNREADABLE; INPUT_INVALID for a record beyond the limit, an unclosed quote, or UTF-16.
 */
export async function* delimitedRecords(path: string, splitter: RecordSplitter, start: number): AsyncGenerator<DelimitedRecords> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  let recordStart = start;
  for await (const { chunk, offset } of chunksOf(path, start)) {
    let from = offset === 0 ? byteOrderMark(chunk, path) : 0;
    const records: Uint8Array[] = [];
    const next: number[] = [];
    for (;;) {
      const end = splitter.findEnd(chunk, from);
      const piece = chunk.subarray(from, end < 0 ? chunk.length : end);
      length += piece.length;
      if (length > RECORD_BYTES_LIMIT) throw tooLong(path, recordStart);
      if (end < 0) {
        // The chunk goes, the beginning of the next record stays.
        pieces.push(Uint8Array.from(piece));
        break;
      }
      pieces.push(piece);
      from = end + 1;
      const bytes = withoutCR(pieces.length === 1 ? piece : joined(pieces, length));
      pieces = [];
      length = 0;
      recordStart = offset + from;
      if (bytes.length === 0) continue;
      records.push(bytes);
      next.push(recordStart);
    }
    if (records.length > 0) yield { records, next };
  }
  const problem = splitter.unfinished();
  if (problem !== undefined) {
    throw new MizuError('INPUT_INVALID', `${path}: ${problem} in the record that starts at byte ${recordStart}`, {
      component: path,
      hint: 'Close the quote; a quote inside a quoted field is written twice (RFC 4180).',
    });
  }
  if (length > 0) yield { records: [joined(pieces, length)], next: [recordStart + length] };
}

/** A chunk is there until the next one is asked for. Meanwhile the one behind it is read. */
async function* chunksOf(path: string, start: number): AsyncGenerator<{ readonly chunk: Uint8Array; readonly offset: number }> {
  const file = await open(path).catch((error: unknown) => Promise.reject(unreadable(path, error)));
  const buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)] as const;
  const read = async (buffer: Uint8Array, offset: number): Promise<Uint8Array> => {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, offset);
    return buffer.subarray(0, bytesRead);
  };
  let [buffer, other] = buffers;
  let reading = read(buffer, start);
  try {
    for (let offset = start; ; ) {
      const chunk = await reading.catch((error: unknown) => Promise.reject(unreadable(path, error)));
      if (chunk.length === 0) return;
      reading = read(other, offset + chunk.length);
      // It is awaited when this one was taken; until then a failure must not count as unhandled.
      reading.catch(() => undefined);
      yield { chunk, offset };
      offset += chunk.length;
      [buffer, other] = [other, buffer];
    }
  } finally {
    await reading.catch(() => undefined);
    await file.close();
    for (const used of buffers) freeBytes(used);
  }
}

/** Length of a UTF-8 byte order mark. @throws INPUT_INVALID when the file is UTF-16. */
function byteOrderMark(chunk: Uint8Array, path: string): number {
  const [a, b, c] = chunk;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw new MizuError('INPUT_INVALID', `${path} is written in UTF-16, expected UTF-8`, {
      component: path,
      hint: 'Convert it, for example: iconv -f UTF-16 -t UTF-8 IN > OUT',
    });
  }
  return a === 0xef && b === 0xbb && c === 0xbf ? 3 : 0;
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

const withoutCR = (line: Uint8Array): Uint8Array => (line[line.length - 1] === CR ? line.subarray(0, -1) : line);

function tooLong(path: string, at: number): MizuError {
  return new MizuError('INPUT_INVALID', `${path}: the record that starts at byte ${at} is longer than ${RECORD_BYTES_LIMIT} bytes`, {
    component: path,
    hint: 'Records end with a line feed; split the record, or check that the format is right.',
  });
}
