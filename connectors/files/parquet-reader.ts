/**
 * Rows of a Parquet file as canonical JSON objects, one row group in memory at a time (law 6). Codecs: uncompressed, Snappy, and
 * what node:zlib decompresses. What can't be represented exactly is an error that names column and row, before any work starts (law 10).
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { canonicalJson, MizuError, messageOf } from '#kernel';
import type { Json } from '#kernel';
import { unreadable } from './file-errors.ts';
import { RECORD_BYTES_LIMIT, ROW_GROUP_SOURCE_BYTES } from './limits.ts';
import { jsonValue, PARQUET_PARSERS, ValueProblem } from './parquet-values.ts';

const COMPRESSORS: Compressors = {
  GZIP: (input) => zlib.gunzipSync(input),
  BROTLI: (input) => zlib.brotliDecompressSync(input),
  ZSTD: (input) => zlib.zstdDecompressSync(input),
};
const CODECS = ['UNCOMPRESSED', 'SNAPPY', ...Object.keys(COMPRESSORS)];
/** Their decoded form would be inexact (DECIMAL) or is not decoded at all. */
const REFUSED_TYPES = ['DECIMAL', 'INTERVAL', 'BSON'];

/** @throws FILE_UNREADABLE; INPUT_INVALID when it is no Parquet file, or holds what is not supported. */
export async function* parquetRecords(path: string, from: number): AsyncGenerator<Uint8Array> {
  const handle = await open(path).catch((error: unknown) => Promise.reject(unreadable(path, error)));
  try {
    const { size } = await handle.stat();
    const file = bufferOf(handle, size);
    const metadata = await checkedMetadata(path, file);
    let groupStart = 0;
    for (const group of metadata.row_groups) {
      const groupEnd = groupStart + Number(group.num_rows);
      if (groupEnd > from) yield* groupRecords(path, file, metadata, Math.max(groupStart, from), groupEnd);
      groupStart = groupEnd;
    }
  } finally {
    await handle.close();
  }
}

function bufferOf(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

async function checkedMetadata(path: string, file: AsyncBuffer): Promise<FileMetaData> {
  // With its own, loose parsers: statistics hold texts cut in the middle of a character.
  const metadata = await parquetMetadataAsync(file, { geoparquet: false }).catch((cause: unknown) => {
    throw invalid(path, `is not a readable Parquet file: ${messageOf(cause)}`, 'Check that the file is whole and of this format.', cause);
  });
  const refused = metadata.schema.find((element) => REFUSED_TYPES.includes(element.converted_type ?? element.logical_type?.type ?? ''));
  if (refused !== undefined) {
    const type = refused.converted_type ?? refused.logical_type?.type ?? '';
    throw invalid(path, `column ${refused.name} is of type ${type}, which is not supported`, 'Cast the column to text or to double.');
  }
  for (const group of metadata.row_groups) {
    if (Number(group.total_byte_size) > ROW_GROUP_SOURCE_BYTES) {
      throw invalid(
        path,
        `has a row group of ${group.total_byte_size} bytes; at most ${ROW_GROUP_SOURCE_BYTES}`,
        'Write it with smaller row groups.',
      );
    }
    const codec = group.columns.map((column) => column.meta_data?.codec ?? 'UNCOMPRESSED').find((name) => !CODECS.includes(name));
    if (codec !== undefined) throw invalid(path, `is compressed with ${codec}`, `Write it with one of ${CODECS.join(', ')}.`);
  }
  return metadata;
}

async function* groupRecords(
  path: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): AsyncGenerator<Uint8Array> {
  const options = { file, metadata, rowStart, rowEnd, compressors: COMPRESSORS, parsers: PARQUET_PARSERS, utf8: false, geoparquet: false };
  const rows = await parquetReadObjects(options).catch((cause: unknown) => {
    const hint = cause instanceof ValueProblem ? cause.hint : 'Check that the file is whole.';
    throw invalid(path, `rows ${rowStart} to ${rowEnd - 1} can't be read: ${messageOf(cause)}`, hint, cause);
  });
  for (const [index, row] of rows.entries()) yield rowRecord(path, row, rowStart + index);
}

function rowRecord(path: string, row: Readonly<Record<string, unknown>>, rowNumber: number): Uint8Array {
  const members = Object.entries(row).map(([column, value]): [string, Json] => {
    try {
      return [column, jsonValue(value)];
    } catch (cause) {
      const hint = cause instanceof ValueProblem ? cause.hint : 'Leave the column out.';
      throw invalid(path, `row ${rowNumber}, column ${column}: ${messageOf(cause)}`, hint, cause);
    }
  });
  // Doubles that happen to be whole numbers beyond 2^53 are exact; whole-number columns were checked above.
  const bytes = new TextEncoder().encode(canonicalJson(Object.fromEntries(members), { wideNumbers: true }));
  if (bytes.length > RECORD_BYTES_LIMIT) {
    throw invalid(
      path,
      `row ${rowNumber} makes a record of ${bytes.length} bytes; at most ${RECORD_BYTES_LIMIT}`,
      'Leave large columns out.',
    );
  }
  return bytes;
}

function invalid(path: string, what: string, hint: string, cause?: unknown): MizuError {
  return new MizuError('INPUT_INVALID', `${path} ${what}`, { component: path, hint, cause });
}
