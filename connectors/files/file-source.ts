/**
 * Files as a finite source (P7): opened once before any work starts, which numbers the records, digests them all and keeps the first ones
 * as a sample; then read as often as needed from any record on, pulled, with bounded memory (law 6). Nothing is parsed into fields here.
 */
import { createHash, type Hash } from 'node:crypto';
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { digestHex, MizuError, messageOf, SourcePacker } from '#kernel';
import type { DigestHex, Json, SourceInfo, SourceMark, SourceRequest, SourceSpec } from '#kernel';
import { delimitedRecords } from './delimited-reader.ts';
import { unreadable } from './file-errors.ts';
import { MARK_BYTES, MARKS_LIMIT, SAMPLE_BYTES, SAMPLE_RECORDS, SEEK_POINTS } from './limits.ts';
import { CsvSplitter, LineSplitter } from './record-splitter.ts';
import { resolveSourcePath } from './source-path.ts';
import { listTextFiles, textRecords } from './text-reader.ts';

export interface FileSource {
  /** `columns` are the names in the header row of a CSV source; absent for other formats and for `header: false`. */
  readonly info: SourceInfo;
  /** Absolute path of the file or folder. */
  readonly path: string;
  /** Ascending; the last one is that of all records. */
  readonly marks: readonly SourceMark[];
  /**
   * Exact bytes of the records from number `from` on, as many at once as were read together, which are there until the next are asked for. Each call
   * reads anew. Whoever needs the very records that were digested compares them at the marks.
   * @throws SOURCE_UNAVAILABLE when there are more records or fewer than there were.
   */
  records(from: number): AsyncIterable<readonly Uint8Array[]>;
}

type Format = SourceSpec['format'];

const FORMAT_OF_SUFFIX: Readonly<Record<string, Format>> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.parquet': 'parquet',
  '.txt': 'text',
  '.md': 'text',
  '.eml': 'text',
};
const FORMATS: readonly Format[] = ['jsonl', 'csv', 'parquet', 'text'];

/**
 * Options: `delimiter` (CSV, one ASCII character, default `,`), `header` (CSV, default true), `suffix` (text: a file name ending, or a list).
 * @param baseDir folder of the workflow file; relative paths start there. `package:NAME/PATH` lies in an installed npm package.
 * @throws FILE_UNREADABLE, INPUT_INVALID.
 */
export async function openFileSource(request: SourceRequest, baseDir: string): Promise<FileSource> {
  const path = resolveSourcePath(request.path, baseDir);
  const format = formatOf(path, request);
  const reader = await openReader(path, format, request.options ?? {});
  const { records, digest, marks, sample } = await survey(reader.from(0));
  if (records === 0) {
    throw new MizuError('INPUT_INVALID', `${path} holds no records`, { component: path, hint: reader.emptyHint });
  }
  const info: SourceInfo = {
    format,
    records,
    digest,
    sample,
    ...(reader.columns === undefined ? {} : { columns: reader.columns }),
  };
  return { info, path, marks, records: (from) => countedRecords(path, reader, info, from) };
}

interface Reader {
  readonly columns?: readonly string[];
  readonly emptyHint: string;
  from(record: number): AsyncIterable<readonly Uint8Array[]>;
}

function formatOf(path: string, request: SourceRequest): Format {
  if (request.format !== undefined) return request.format;
  const found = isFolder(path) ? 'text' : FORMAT_OF_SUFFIX[extname(path).toLowerCase()];
  if (found === undefined) {
    throw new MizuError('INPUT_INVALID', `The format of ${path} can't be told from its name`, {
      component: path,
      hint: `Give format: one of ${FORMATS.join(', ')}.`,
    });
  }
  return found;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function openReader(path: string, format: Format, options: Readonly<Record<string, Json>>): Promise<Reader> {
  if (format === 'jsonl')
    return { emptyHint: 'Each line that is not empty is a record.', from: seekable(path, () => new LineSplitter(), 0) };
  if (format === 'csv') return csvReader(path, options);
  if (format === 'parquet') {
    const { parquetRecords } = await import('./parquet-reader.ts');
    return { emptyHint: 'Each row is a record.', from: (record) => singly(parquetRecords(path, record)) };
  }
  const suffixes = suffixOption(options['suffix']);
  const files = await listTextFiles(path, suffixes);
  const emptyHint =
    suffixes.length === 0 ? 'Each file is a record.' : `No file name ends with ${suffixes.join(' or ')}; check the option suffix.`;
  return { emptyHint, from: (record) => singly(textRecords(files, record)) };
}

async function csvReader(path: string, options: Readonly<Record<string, Json>>): Promise<Reader> {
  const delimiter = options['delimiter'] ?? ',';
  if (typeof delimiter !== 'string' || delimiter.length !== 1 || delimiter.charCodeAt(0) >= 0x80 || delimiter === '"') {
    throw new MizuError(
      'INPUT_INVALID',
      `The CSV delimiter is ${JSON.stringify(delimiter)}, expected one ASCII character other than a quote`,
      {
        component: path,
      },
    );
  }
  const splitter = (): CsvSplitter => new CsvSplitter(delimiter);
  const emptyHint = 'The first row names the columns; each row after it is a record.';
  if (options['header'] === false) return { emptyHint: 'Each row is a record.', from: seekable(path, splitter, 0) };
  for await (const { records, next } of delimitedRecords(path, splitter(), 0)) {
    const [header, firstByte] = [records[0], next[0]];
    if (header === undefined || firstByte === undefined) continue;
    return { columns: columnNames(path, header, delimiter), emptyHint, from: seekable(path, splitter, firstByte) };
  }
  return { emptyHint, from: seekable(path, splitter, 0) };
}

function columnNames(path: string, header: Uint8Array, delimiter: string): readonly string[] {
  let names: readonly string[];
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(header);
    const rows: string[][] = parse(text, { delimiter });
    names = rows[0] ?? [];
  } catch (cause) {
    throw new MizuError('INPUT_INVALID', `${path}: the header row is no CSV in UTF-8: ${messageOf(cause)}`, {
      cause,
      component: path,
      hint: 'Mend the header row, or remove it and set header: false, which names the columns column1, column2, ….',
    });
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new MizuError('INPUT_INVALID', `${path}: the header row names the column ${JSON.stringify(twice)} twice`, {
      component: path,
      hint: 'Give every column its own name.',
    });
  }
  return names;
}

function suffixOption(value: Json | undefined): readonly string[] {
  if (value === undefined) return [];
  const list = typeof value === 'string' ? [value] : value;
  if (Array.isArray(list) && list.every((item): item is string => typeof item === 'string' && item !== '')) return list;
  throw new MizuError(
    'INPUT_INVALID',
    `The option suffix is ${JSON.stringify(value)}, expected a file name ending such as .txt, or a list of them`,
  );
}

/**
 * Reads delimited records from any number on. Remembers where every `stride`-th record starts; when that makes more than SEEK_POINTS
 * positions, every second is forgotten and the stride doubles, so memory does not grow with the file.
 */
function seekable(path: string, splitter: () => LineSplitter | CsvSplitter, firstByte: number): Reader['from'] {
  let stride = 1;
  let points = [firstByte];
  const remember = (record: number, next: number): void => {
    if (record !== points.length * stride) return;
    points.push(next);
    if (points.length <= SEEK_POINTS) return;
    points = points.filter((_, index) => index % 2 === 0);
    stride *= 2;
  };
  return async function* from(record: number): AsyncGenerator<readonly Uint8Array[]> {
    const point = Math.min(Math.floor(record / stride), points.length - 1);
    let number = point * stride;
    const start = points[point] ?? firstByte;
    for await (const { records, next } of delimitedRecords(path, splitter(), start)) {
      const first = number;
      for (const at of next) {
        number += 1;
        remember(number, at);
      }
      if (number > record) yield records.slice(Math.max(0, record - first));
    }
  };
}

/** Those that come one by one, as most of them are large or made one by one. */
async function* singly(records: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  for await (const record of records) yield [record];
}

/** Digests all records as SourceSpec asks, marks and counts them and keeps the first ones, each as its own copy. */
async function survey(batches: AsyncIterable<readonly Uint8Array[]>) {
  const hash = createHash('sha256');
  const packer = new SourcePacker();
  const marks = new Marks();
  const sample: Uint8Array[] = [];
  let records = 0;
  let sampled = 0;
  let sampling = true;
  for await (const batch of batches) {
    for (const record of batch) packer.add(record);
    hash.update(packer.view());
    records += batch.length;
    marks.passed(records, packer.length, hash);
    packer.clear();
    for (const bytes of sampling ? batch : []) {
      sampled += bytes.length;
      sampling &&= sample.length === 0 || (sample.length < SAMPLE_RECORDS && sampled <= SAMPLE_BYTES);
      if (sampling) sample.push(Uint8Array.from(bytes));
    }
  }
  const digest = hexOf(hash);
  return { records, digest, marks: [...marks.before(records), { records, digest }], sample };
}

/** Marks of a source that is digested, in bounded memory. */
class Marks {
  private marks: SourceMark[] = [];
  private stride = MARK_BYTES;
  /** Since the last mark. */
  private bytes = 0;

  /** `bytes`: what the hash took since it was here the last time. */
  passed(records: number, bytes: number, hash: Hash): void {
    this.bytes += bytes;
    if (this.bytes < this.stride) return;
    this.bytes = 0;
    this.marks.push({ records, digest: hexOf(hash.copy()) });
    if (this.marks.length <= MARKS_LIMIT) return;
    this.marks = this.marks.filter((_, index) => index % 2 === 1);
    this.stride *= 2;
  }

  before(records: number): readonly SourceMark[] {
    return this.marks.filter((mark) => mark.records < records);
  }
}

function hexOf(hash: Hash): DigestHex {
  return digestHex(hash.digest('hex'));
}

/** Ends with an error when the number of records is not the one of the opening. */
async function* countedRecords(path: string, reader: Reader, info: SourceInfo, from: number): AsyncGenerator<readonly Uint8Array[]> {
  let next = from;
  for await (const batch of reader.from(from)) {
    next += batch.length;
    if (next > info.records) throw changed(path);
    yield batch;
  }
  if (next !== Math.max(from, info.records)) throw changed(path);
}

function changed(path: string): MizuError {
  return new MizuError('SOURCE_UNAVAILABLE', `${path} changed after it was opened`, {
    component: path,
    hint: 'Leave a source as it is while a run reads it; check the workflow again to take the new content.',
  });
}
