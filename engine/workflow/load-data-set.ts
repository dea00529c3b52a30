/**
 * Loads a list or a map: inline, or from a file of texts (.txt, one per line), .yaml, .json or .csv (records of text). What is
 * wrong comes back as problems; the file's own line is named where there is one.
 */
import { CsvError, parse } from 'csv-parse/sync';
import type { Problem } from '../contract/errors.ts';
import { MizuError, messageOf } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { Value } from '../contract/types.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { dataSetDigest } from './data-set.ts';
import { kindOf } from './explain-issues.ts';
import { conform, inferType } from './infer-type.ts';
import { problemAt, shorten } from './place.ts';
import type { Locate } from './place.ts';
import type { DataSource } from './workflow-schema.ts';
import { decodeText } from './workflow-text.ts';
import { parseYaml } from './yaml-document.ts';

/** Largest file of a list or map, bytes. */
export const DATA_FILE_LIMIT = 64 * 1024 * 1024;
/** Deepest nesting of an element: its type is nested twice as deep, and both stand in canonical JSON. */
export const DATA_DEPTH_LIMIT = 32;
/** Most elements. */
export const DATA_SIZE_LIMIT = 5_000_000;

export interface DataSetLoad {
  readonly data: DataSet | undefined;
  readonly problems: readonly Problem[];
}

type ReadFile = (path: string) => Promise<Uint8Array>;

/** Thrown inside this file only: one thing wrong with a data file. */
class DataFault {
  readonly problem: Omit<Problem, 'path'>;
  constructor(problem: Omit<Problem, 'path'>) {
    this.problem = problem;
  }
}

/** @param at path of the source in the document, such as `data.products`. */
export async function loadDataSet(source: DataSource, at: string, locate: Locate, readFile: ReadFile): Promise<DataSetLoad> {
  const path = `${at}.${source.kind}`;
  const place = locate(path);
  try {
    const { value, locate: inner } =
      typeof source.from === 'string'
        ? await readSource(source.kind, source.from, readFile)
        : { value: source.from as Json, locate: undefined };
    const data = makeDataSet(source.kind, value, typeof source.from === 'string' ? source.from : undefined, inner);
    return { data, problems: [] };
  } catch (error) {
    if (error instanceof DataFault)
      return {
        data: undefined,
        problems: [{ ...problemAt(path, error.problem.file === undefined ? place : {}, error.problem.message), ...error.problem, path }],
      };
    if (error instanceof MizuError && (error.code === 'NOT_FOUND' || error.code === 'FILE_UNREADABLE' || error.code === 'INPUT_INVALID')) {
      const hint = error.hint ?? 'paths are relative to the workflow file';
      return { data: undefined, problems: [problemAt(path, place, error.message, { hint })] };
    }
    throw error;
  }
}

interface Content {
  readonly value: Json;
  /** Place of an element of a list or an entry of a map. */
  readonly locate: ((key: string | number) => { line?: number; column?: number; excerpt?: string }) | undefined;
}

async function readSource(kind: 'list' | 'map', file: string, readFile: ReadFile): Promise<Content> {
  const extension = /\.([a-z0-9]+)$/i.exec(file)?.[1]?.toLowerCase() ?? '';
  const expected = kind === 'list' ? '.txt, .yaml, .json or .csv' : '.yaml or .json';
  const readers =
    kind === 'list'
      ? { txt: readText, yaml: readYaml, yml: readYaml, json: readJson, csv: readCsv }
      : { yaml: readYaml, yml: readYaml, json: readJson };
  const reader = (readers as Readonly<Record<string, (text: string, file: string) => Content>>)[extension];
  if (reader === undefined) throw new DataFault({ message: `A ${kind} can't be read from '${shorten(file)}'`, expected });
  const bytes = await readFile(file);
  if (bytes.length > DATA_FILE_LIMIT)
    throw new DataFault({
      file,
      message: `The file holds ${bytes.length} bytes`,
      expected: `at most ${DATA_FILE_LIMIT}`,
      hint: 'large data is a source: read it with the first generate step',
    });
  const text = decodeText(bytes, file);
  if (typeof text !== 'string') throw new DataFault(text);
  return reader(text, file);
}

function readText(text: string): Content {
  const lines = text.split(/\r?\n/).flatMap((line, i) => (/^[ \t]*$/.test(line) ? [] : [{ text: line, line: i + 1 }]));
  return { value: lines.map((line) => line.text), locate: (key) => ({ line: lines[Number(key)]?.line ?? 1, column: 1 }) };
}

function readYaml(text: string, file: string): Content {
  const yaml = parseYaml(text, file);
  const first = yaml.problems[0];
  if (first !== undefined || yaml.value === undefined) throw new DataFault(first ?? { file, message: 'The file could not be read' });
  const locate = yaml.locate;
  return {
    value: yaml.value,
    locate: (key) => {
      const { line, column, excerpt } = locate(
        typeof key === 'number' ? `[${key}]` : /^[\w-]+$/.test(key) ? key : `[${JSON.stringify(key)}]`,
      );
      return {
        ...(line === undefined ? {} : { line }),
        ...(column === undefined ? {} : { column }),
        ...(excerpt === undefined ? {} : { excerpt }),
      };
    },
  };
}

function readJson(text: string, file: string): Content {
  try {
    return { value: parseStrictJson(text), locate: undefined };
  } catch (error) {
    throw new DataFault({
      file,
      message: `Not JSON: ${shorten(messageOf(error), 160)}`,
      hint: 'strict JSON: no comments, no trailing commas, no repeated keys',
    });
  }
}

function readCsv(text: string, file: string): Content {
  try {
    const columns = (header: readonly string[]): string[] => columnNames(header, file);
    const rows: Record<string, string>[] = parse(text, { columns, skip_empty_lines: true, bom: true });
    return { value: rows, locate: undefined };
  } catch (error) {
    if (error instanceof DataFault) throw error;
    throw new DataFault({
      file,
      ...(error instanceof CsvError && typeof error['lines'] === 'number' ? { line: error['lines'] } : {}),
      message: `Not CSV: ${shorten(messageOf(error), 160)}`,
      expected: 'RFC 4180 with a header line',
      hint: 'give every row as many fields as the header, and put quotes around fields that hold commas, quotes or line ends',
    });
  }
}

/** Two columns of one name would be one field of each record, and the first lost. */
function columnNames(header: readonly string[], file: string): string[] {
  const wrong = header.find((name, column) => name === '__proto__' || header.indexOf(name) !== column);
  if (wrong === undefined) return [...header];
  throw new DataFault({
    file,
    line: 1,
    column: 1,
    message: wrong === '__proto__' ? "'__proto__' can't be the name of a column" : `Two columns have the name '${shorten(wrong)}'`,
    value: shorten(header.join(',')),
    expected: 'a name for each column, and no two the same',
    hint: 'rename it in the first line',
  });
}

function makeDataSet(kind: 'list' | 'map', value: Json, file: string | undefined, locate: Content['locate']): DataSet {
  const inFile = file === undefined ? {} : { file };
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (kind === 'list' ? !Array.isArray(value) : !isMap) {
    throw new DataFault({
      ...inFile,
      message: `The ${kind} is ${kindOf(value)}`,
      expected: `a ${kind}`,
      hint: kind === 'list' && isMap ? 'write `map:` instead of `list:`' : `check the file that \`${kind}:\` names`,
    });
  }
  const map = value as { readonly [key: string]: Json };
  const keys = kind === 'list' ? undefined : Object.keys(map).sort(byUtf8);
  const raw = (keys === undefined ? value : keys.map((key) => map[key] ?? null)) as readonly Value[];
  if (raw.length === 0 || raw.length > DATA_SIZE_LIMIT) {
    throw new DataFault({
      ...inFile,
      message: raw.length === 0 ? `The ${kind} is empty` : `The ${kind} has ${raw.length} elements`,
      expected: raw.length === 0 ? 'at least one element' : `at most ${DATA_SIZE_LIMIT}`,
      hint: raw.length === 0 ? 'add an element, or take the data set out' : 'large data is a source: read it with the first generate step',
    });
  }
  const tooDeep = raw.findIndex((element) => isDeeper(element, DATA_DEPTH_LIMIT));
  if (tooDeep >= 0) {
    throw new DataFault({
      ...inFile,
      ...locate?.(keys?.[tooDeep] ?? tooDeep),
      message: `Elements of the ${kind} are nested too deep`,
      expected: `at most ${DATA_DEPTH_LIMIT} levels`,
      hint: 'write flatter elements: a record of texts and numbers',
    });
  }
  const inferred = inferType(raw);
  if ('conflict' in inferred) {
    const key = keys?.[inferred.index] ?? inferred.index;
    throw new DataFault({
      ...inFile,
      ...locate?.(key),
      message: `Elements of the ${kind} are of different kinds: ${inferred.conflict}`,
      value: shorten(`${typeof key === 'string' ? `${key}: ` : ''}${JSON.stringify(raw[inferred.index])}`),
      expected: 'the same kind of value everywhere',
      hint: 'put quotes around numbers that are meant as text',
    });
  }
  const data = {
    kind,
    type: inferred.type,
    values: raw.map((element) => conform(inferred.type, element)),
    ...(keys === undefined ? {} : { keys }),
  };
  return { ...data, digest: dataSetDigest(data) };
}

function isDeeper(value: Value, levels: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  return levels === 0 || Object.values(value).some((inner: Value) => isDeeper(inner, levels - 1));
}

/** Order of UTF-8 bytes, which is the order of code points. */
export function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}
