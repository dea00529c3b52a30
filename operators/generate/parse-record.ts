/** From one record's exact bytes to its planned fields, or why it failed. Pure; one parser per format. */
import type { FieldType, Json, Row, Value } from '#kernel';
import { ByteReader, fromUtf8, messageOf, MizuError, parseStrictJson, tryUtf8 } from '#kernel';
import { fromCell, fromJson, isObject, Misfit, ownValue } from './convert.ts';
import type { CsvResult } from './csv.ts';
import { parseCsvRecord } from './csv.ts';
import type { Encoding } from './encoding.ts';
import { toUtf8 } from './encoding.ts';

export interface PlannedRead {
  readonly format: 'jsonl' | 'csv' | 'parquet' | 'text';
  readonly encoding: Encoding;
  readonly delimiter: string;
  /** csv: names of the columns; undefined: column1, column2, … */
  readonly columns?: readonly string[] | undefined;
  readonly fields: readonly { readonly name: string; readonly from: string; readonly type: FieldType }[];
  /** What a field of the source that is not planned does to its record. */
  readonly extra: 'fail' | 'ignore';
  readonly as?: string | undefined;
}

/** `utf8`: texts that need not be decoded, by field; the row has the other fields. */
export type ParsedRecord =
  | { readonly row: Row; readonly utf8?: Readonly<Record<string, Uint8Array>> }
  | { readonly code: string; readonly message: string };

export function recordParser(plan: PlannedRead): (raw: Uint8Array) => ParsedRecord {
  if (plan.format === 'text') return (raw) => parseText(raw, plan.encoding);
  if (plan.format === 'csv') return (raw) => parseCsv(raw, plan);
  return (raw) => parseJson(raw, plan);
}

export function jsonOf(raw: Uint8Array): { readonly object: { readonly [key: string]: Json } } | { readonly error: string } {
  try {
    const value = parseStrictJson(raw);
    return isObject(value) ? { object: value } : { error: 'the line holds no JSON object' };
  } catch (error) {
    if (error instanceof MizuError && error.code === 'BYTES_INVALID') return { error: error.message };
    throw error;
  }
}

export function cellsOf(raw: Uint8Array, plan: { readonly encoding: Encoding; readonly delimiter: string }): CsvResult {
  const decoded = toUtf8(raw, plan.encoding);
  if ('malformedAt' in decoded) return { error: `byte ${decoded.malformedAt + 1} is not ${plan.encoding}` };
  return parseCsvRecord(fromUtf8(decoded.text), plan.delimiter);
}

function parseJson(raw: Uint8Array, plan: PlannedRead): ParsedRecord {
  const parsed = jsonOf(raw);
  if ('error' in parsed) return { code: 'MALFORMED_JSON', message: parsed.error };
  const { object } = parsed;
  if (plan.extra === 'fail') {
    const extra = Object.keys(object).find((name) => !plan.fields.some((field) => field.from === name));
    if (extra !== undefined)
      return { code: 'MISFIT', message: `'${extra}' is a field that the first records did not have; name it under \`fields\`` };
  }
  return fitted(() => rowOf(plan, (field) => fromJson(ownValue(object, field.from), field.type, field.from)));
}

function parseCsv(raw: Uint8Array, plan: PlannedRead): ParsedRecord {
  const parsed = cellsOf(raw, plan);
  if ('error' in parsed) return { code: 'MALFORMED_CSV', message: parsed.error };
  const { cells } = parsed;
  const columns = plan.columns ?? cells.map((_, index) => `column${index + 1}`);
  if (cells.length !== columns.length)
    return { code: 'MISFIT', message: `the row has ${cells.length} cells, the table ${columns.length} columns` };
  return fitted(() =>
    rowOf(plan, (field) => {
      const cell = cells[columns.indexOf(field.from)];
      if (cell === undefined) throw new Misfit(`there is no column '${field.from}'`);
      return fromCell(cell, field.type, field.from);
    }),
  );
}

function rowOf(plan: PlannedRead, take: (field: PlannedRead['fields'][number]) => Value): Row {
  const row: Record<string, Value> = {};
  for (const field of plan.fields) row[field.name] = take(field);
  return row;
}

function fitted(make: () => Row): ParsedRecord {
  try {
    return { row: make() };
  } catch (error) {
    if (error instanceof Misfit) return { code: 'MISFIT', message: error.message };
    throw error;
  }
}

/** uvarint path length ‖ path ‖ file bytes. */
function parseText(raw: Uint8Array, encoding: Encoding): ParsedRecord {
  let path: Uint8Array;
  let body: Uint8Array;
  try {
    const reader = new ByteReader(raw);
    path = reader.fixed(reader.uvarint());
    body = reader.fixed(reader.remaining);
  } catch (error) {
    return { code: 'MALFORMED_TEXT', message: `the source's record has no path: ${messageOf(error)}` };
  }
  const name = tryUtf8(path);
  if (name === undefined) return { code: 'MALFORMED_TEXT', message: 'the path of the file is not UTF-8' };
  const decoded = toUtf8(body, encoding);
  if ('malformedAt' in decoded) {
    return {
      code: 'MALFORMED_TEXT',
      message: `byte ${decoded.malformedAt + 1} of '${name}' is not ${encoding}; the step can read another encoding`,
    };
  }
  return { row: {}, utf8: { path, text: decoded.text } };
}
