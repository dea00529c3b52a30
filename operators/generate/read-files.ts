/** Plans the reading of files: which fields their records give. They follow from the workflow, or from the first records of the source. */
import type { FieldType, GoldenCase, OpPlan, PlanContext, Schema, SourceSpec } from '#kernel';
import { LONG_LIMIT } from '#kernel';
import { z } from 'zod';
import { fieldTypeSchema } from '../field-type.ts';
import { FIELD_NAME, planWrite, toJson } from '../fields.ts';
import { ENCODINGS, type Encoding } from './encoding.ts';
import { inferColumn, inferFields } from './infer.ts';
import type { PlannedRead } from './parse-record.ts';
import { cellsOf, jsonOf } from './parse-record.ts';

export type FileFormat = SourceSpec['format'];

export const FILE_FORMATS = ['jsonl', 'csv', 'parquet', 'text'] as const;

/** Hidden column with the exact bytes of one record of the source. */
const SOURCE_FIELD = '$source';

export interface FileParams {
  readonly path: string;
  readonly format: FileFormat | undefined;
  readonly fields: PlannedRead['fields'] | undefined;
  readonly encoding: Encoding;
  readonly header: boolean;
  readonly delimiter: string;
  readonly as: string | undefined;
}

export const plannedFiles = z.strictObject({
  format: z.enum(FILE_FORMATS),
  encoding: z.enum(ENCODINGS),
  delimiter: z.string(),
  columns: z.array(z.string()).optional(),
  fields: z.array(z.strictObject({ name: z.string(), from: z.string(), type: fieldTypeSchema })),
  extra: z.enum(['fail', 'ignore']),
  as: z.string().optional(),
});

const TEXT_FIELDS: Schema = [
  { name: 'path', type: 'string' },
  { name: 'text', type: 'string' },
];

export function planFiles(p: FileParams, context: PlanContext): readonly OpPlan[] {
  const format = p.format ?? context.source?.format;
  if (format === undefined) {
    context.problem('format', `The format of '${p.path}' is not known`, { expected: FILE_FORMATS.join(', ') });
    return [];
  }
  const columns = format === 'csv' ? columnsOf(p, context) : undefined;
  const fields = planFields(p, format, columns, context);
  if (fields === undefined) return [];
  const schema = fields.map(({ name, type }) => ({ name, type }));
  const writes: Schema = p.as === undefined ? schema : [{ name: p.as, type: { record: schema } }];
  if (writes.map((field) => planWrite(context, field.name, field.type, p.as === undefined ? 'fields' : 'as')).includes(false)) return [];
  const pinned: PlannedRead = {
    format,
    encoding: p.encoding,
    delimiter: p.delimiter,
    columns,
    fields,
    extra: p.fields === undefined ? 'fail' : 'ignore',
    as: p.as,
  };
  return [{ params: toJson(pinned), reads: [SOURCE_FIELD], writes }];
}

/** Column names: the header row, or column1, column2, … as many as the first record has. */
function columnsOf(p: FileParams, context: PlanContext): readonly string[] | undefined {
  if (p.header && context.source?.columns !== undefined) return context.source.columns;
  const [first] = context.source?.sample ?? [];
  if (first === undefined) return undefined;
  const cells = cellsOf(first, p);
  return 'cells' in cells ? cells.cells.map((_, index) => `column${index + 1}`) : undefined;
}

function planFields(
  p: FileParams,
  format: PlannedRead['format'],
  columns: readonly string[] | undefined,
  context: PlanContext,
): PlannedRead['fields'] | undefined {
  if (format === 'text') {
    if (p.fields === undefined) return TEXT_FIELDS.map((field) => ({ ...field, from: field.name }));
    context.problem('fields', 'Text files have the fields path and text, and no others', { hint: 'leave `fields` out' });
    return undefined;
  }
  if (p.fields === undefined) return format === 'csv' ? inferredColumns(p, columns ?? [], context) : inferredJson(context);
  const { fields } = p;
  if (fields.length === 0)
    context.problem('fields', 'The list of fields is empty', { expected: 'at least one field, or no `fields` at all' });
  return fields.length > 0 && (format !== 'csv' || fields.every((field) => fitsCsv(field, columns, context))) ? fields : undefined;
}

function fitsCsv(
  field: { name: string; from: string; type: FieldType },
  columns: readonly string[] | undefined,
  context: PlanContext,
): boolean {
  const plain = typeof field.type === 'object' && 'optional' in field.type ? field.type.optional : field.type;
  if (typeof plain !== 'string' || plain === 'bytes') {
    context.problem(`fields.${field.name}`, 'A CSV cell is no list, record or bytes', { expected: 'string, long, double or boolean' });
    return false;
  }
  if (columns === undefined || columns.includes(field.from)) return true;
  const hint = context.nearest(field.from, columns);
  context.problem(`fields.${field.name}`, `The CSV file has no column '${field.from}'`, {
    expected: columns.join(', '),
    ...(hint === undefined ? {} : { hint }),
  });
  return false;
}

function inferredColumns(p: FileParams, columns: readonly string[], context: PlanContext): PlannedRead['fields'] | undefined {
  const rows = (context.source?.sample ?? []).map((raw) => cellsOf(raw, p)).flatMap((result) => ('cells' in result ? [result.cells] : []));
  const bad = columns.filter((name) => !FIELD_NAME.test(name));
  for (const name of bad) {
    context.problem('fields', `Column '${name}' has no field name`, {
      expected: 'letters, digits and _, not starting with a digit',
      hint: `say what to read: fields: { my_name: { from: ${JSON.stringify(name)}, type: string } }`,
    });
  }
  if (columns.length === 0) context.problem('path', `'${p.path}' gives no columns to infer types from`, { hint: 'give `fields`' });
  if (bad.length > 0 || columns.length === 0) return undefined;
  return columns.map((name, index) => ({ name, from: name, type: inferColumn(rows.map((cells) => cells[index] ?? '')) }));
}

function inferredJson(context: PlanContext): PlannedRead['fields'] | undefined {
  const samples = (context.source?.sample ?? []).map(jsonOf).flatMap((result) => ('object' in result ? [result.object] : []));
  if (samples.length === 0) {
    context.problem('fields', 'No record of the source could be read to infer types from', {
      expected: `JSON objects with whole numbers within ±${LONG_LIMIT}`,
      hint: 'give `fields`',
    });
    return undefined;
  }
  return inferFields(samples, context)?.map((field) => ({ ...field, from: field.name }));
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const rawSource: Schema = [{ name: SOURCE_FIELD, type: 'bytes' }];

export const fileExamples: readonly GoldenCase[] = [
  {
    title: 'JSON lines with declared fields',
    params: { path: 'a.jsonl', format: 'jsonl', fields: { id: 'long', sign: 'string?', name: { from: 'full name', type: 'string' } } },
    schema: rawSource,
    input: [
      { [SOURCE_FIELD]: bytes('{"id":1,"sign":"\\ud83d\\ude00","full name":"Ada","other":true}') },
      { [SOURCE_FIELD]: bytes('{"id":2,"full name":""}') },
      { [SOURCE_FIELD]: bytes('{"id":3,') },
      { [SOURCE_FIELD]: bytes('{"id":9007199254740993,"full name":"x"}') },
      { [SOURCE_FIELD]: bytes('{"id":"4","full name":"x"}') },
    ],
    output: [
      { row: { id: 1, sign: '😀', name: 'Ada' } },
      { row: { id: 2, sign: null, name: '' } },
      { failed: 'MALFORMED_JSON' },
      { failed: 'MALFORMED_JSON' },
      { failed: 'MISFIT' },
    ],
  },
  {
    title: 'CSV rows without a header',
    params: {
      path: 'a.csv',
      format: 'csv',
      header: false,
      fields: { label: { from: 'column1', type: 'string' }, n: { from: 'column2', type: 'double' } },
    },
    schema: rawSource,
    input: [
      { [SOURCE_FIELD]: bytes('"a ""b"", c",0.5') },
      { [SOURCE_FIELD]: bytes(',1') },
      { [SOURCE_FIELD]: bytes('"open,1') },
      { [SOURCE_FIELD]: bytes('x,many') },
      { [SOURCE_FIELD]: bytes('x') },
    ],
    output: [
      { row: { label: 'a "b", c', n: 0.5 } },
      { row: { label: '', n: 1 } },
      { failed: 'MALFORMED_CSV' },
      { failed: 'MISFIT' },
      { failed: 'MISFIT' },
    ],
  },
  {
    title: 'text files in an old encoding',
    params: { path: 'mails', format: 'text', encoding: 'windows-1252', as: 'file' },
    schema: rawSource,
    input: [{ [SOURCE_FIELD]: Uint8Array.of(3, 0x61, 0x2f, 0x62, 0x80, 0xe9) }, { [SOURCE_FIELD]: Uint8Array.of(1, 0x61) }],
    output: [{ row: { file: { path: 'a/b', text: '€é' } } }, { row: { file: { path: 'a', text: '' } } }],
  },
  {
    title: 'text files in strict UTF-8',
    params: { path: 'mails', format: 'text' },
    schema: rawSource,
    input: [{ [SOURCE_FIELD]: Uint8Array.of(1, 0x61, 0xf0, 0x9f, 0x98, 0x80) }, { [SOURCE_FIELD]: Uint8Array.of(1, 0x61, 0xff) }],
    output: [{ row: { path: 'a', text: '😀' } }, { failed: 'MALFORMED_TEXT' }],
  },
];
