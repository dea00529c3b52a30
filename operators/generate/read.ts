/**
 * Records from files or from a topic. The source hands over each record's exact bytes in a hidden column; this op parses them into fields, so the
 * source's leaf commits to what was read and this op's leaf to what was made of it (P13). A malformed record fails alone.
 */
import type { EffectSink, Json, Row, TopicFormat } from '#kernel';
import { defineOperator, fromUtf8, TOPIC_FORMATS, TOPIC_PATTERN } from '#kernel';
import { z } from 'zod';
import { FIELD_NAME, newField, openParams } from '../fields.ts';
import { fieldTypeSchema } from '../field-type.ts';
import { ENCODINGS } from './encoding.ts';
import { FlatJsonReader, plainFields } from './flat-json.ts';
import type { ParsedRecord, PlannedRead } from './parse-record.ts';
import { recordParser } from './parse-record.ts';
import { topicParser, topicValue } from './parse-topic.ts';
import { FILE_FORMATS, type FileFormat, fileExamples, planFiles, plannedFiles } from './read-files.ts';
import { plannedTopic, planTopic, topicExamples } from './read-topic.ts';

type Parsed = Extract<ParsedRecord, { readonly row: Row }>;

/** Hidden column with the exact bytes of one record of the source. */
const SOURCE_FIELD = '$source';
/** Most fields of one record. */
export const FIELDS_LIMIT = 1000;

const metaField = newField('Field that receives it.').optional();

const params = z.strictObject({
  path: z
    .string()
    .min(1)
    .optional()
    .describe('File or folder, relative to the workflow file; `package:NAME/PATH` lies in an installed npm package.'),
  topic: z
    .string()
    .regex(TOPIC_PATTERN, 'a name of letters, digits, . _ and -')
    .optional()
    .describe('In place of path: a Kafka topic. Where it lies stands under `sources`; by default it is on the log of the run.'),
  format: z
    .enum([...new Set([...FILE_FORMATS, ...TOPIC_FORMATS])])
    .optional()
    .describe(
      'Files: jsonl (an object per line), csv (RFC 4180), parquet, or text (a file per record); told from the file name if left out. Topics: json (default), avro or json-schema (in the Confluent wire format, with a registry), text or bytes.',
    ),
  ingest: z
    .enum(['copy', 'reference'])
    .optional()
    .describe('topic: `copy` (default) keeps its records with the run; `reference` reads them where they are, as long as they are there.'),
  until: z.literal('end').optional().describe('topic: stop at the end that it has when the run is deployed; without it the run goes on.'),
  meta: z
    .strictObject({ key: metaField, timestamp: metaField, partition: metaField, offset: metaField })
    .optional()
    .describe('topic: fields that receive what stands beside a value: its key (text), timestamp (milliseconds), partition, offset.'),
  fields: z
    .record(
      z.string().regex(FIELD_NAME),
      z.union([fieldTypeSchema, z.strictObject({ type: fieldTypeSchema, from: z.string().describe('Name in the source.') })]),
    )
    .refine((fields) => Object.keys(fields).length <= FIELDS_LIMIT, { error: `at most ${FIELDS_LIMIT} fields` })
    .optional()
    .describe(
      'The fields to read and their types, or { from, type } where the source has another name; the rest of the source is left out. Without it, types are inferred from the first records, and a record that does not fit fails. A topic has them from the newest schema of its registry; of json they must be given.',
    ),
  as: newField('Record field that receives all fields; without it, each stands by itself.').optional(),
  encoding: z.enum(ENCODINGS).default('utf-8').describe('Of text and csv: `utf-8` (strict), `latin1` or `windows-1252`.'),
  header: z.boolean().default(true).describe('csv: the first row names the columns; false: they are column1, column2, …'),
  delimiter: z.string().length(1).default(',').describe('csv: one ASCII character between fields.'),
  suffix: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('text: only files whose names end so.'),
});
type Params = z.infer<typeof params>;

export const read = defineOperator({
  name: 'read',
  version: 1,
  group: 'generate',
  kind: 'row',
  summary: 'Read records from JSONL, CSV, Parquet or text files, or from a topic.',
  description:
    'Each line, row or file is one record. Nothing is bent to fit: bad syntax fails the record with MALFORMED_JSON or MALFORMED_CSV, bytes that are not in the encoding with MALFORMED_TEXT, ' +
    'a value of another type, a missing or (where types are inferred) an unknown field with MISFIT; the original bytes are kept. Whole numbers beyond 2^52 and repeated JSON keys are refused. ' +
    'Text files become the fields `path` and `text`. Of a topic, a record without a value fails with TOMBSTONE, one in a schema that the program was not compiled with with UNKNOWN_SCHEMA, ' +
    'one above 4 MiB with TOO_LARGE (its bytes stay in the topic), one whose framing or Avro is broken with MALFORMED_FRAME or MALFORMED_AVRO.',
  params,
  examples: [...fileExamples, ...topicExamples],
  gas: { perRecord: 2, per64Bytes: 4 },
  defaultId: (p) => p.as ?? 'read',
  source(p) {
    const named = namedSource(p);
    if (typeof named === 'string') return undefined;
    if ('path' in named) return { path: named.path, format: named.format, options: toOptions(p) };
    return { topic: named.topic, format: named.format, ingest: p.ingest ?? 'copy', until: p.until };
  },
  plan(p, context) {
    const named = namedSource(p);
    if (typeof named === 'string') {
      context.problem('', named, { expected: 'a path with the options of files, or a topic with those of topics' });
      return [];
    }
    const fields = givenFields(p);
    if ('path' in named) return planFiles({ ...p, ...named, fields, as: p.as }, context);
    return planTopic({ ...named, fields, meta: p.meta ?? {}, encoding: p.encoding, as: p.as }, context);
  },
  open(op) {
    const parser = openParser(op.params);
    return {
      execute(input, out) {
        const quick = parser.plain === undefined ? undefined : new FlatJsonReader(parser.plain, out);
        for (const row of input.rows) {
          const raw = input.slice(SOURCE_FIELD, row);
          const line = quick === undefined ? undefined : parser.line(raw);
          if (line !== undefined && quick?.take(row, line) === true) continue;
          const record = parser.parse(raw);
          if ('code' in record) out.fail(row, record.code, record.message);
          else parser.write(row, record, out);
        }
      },
    };
  },
});

/** Files or a topic, with the formats that they have; or what is wrong with that. */
function namedSource(
  p: Params,
): { readonly path: string; readonly format: FileFormat | undefined } | { readonly topic: string; readonly format: TopicFormat } | string {
  if (p.path !== undefined && p.topic !== undefined) return 'A step reads files or a topic, not both';
  if (p.path !== undefined) {
    const foreign = (['ingest', 'until', 'meta'] as const).find((name) => p[name] !== undefined);
    if (foreign !== undefined) return `'${foreign}' is for topics, and files are read`;
    if (!isFileFormat(p.format)) return `Files are not read as ${p.format}: ${FILE_FORMATS.join(', ')}`;
    return { path: p.path, format: p.format };
  }
  if (p.topic === undefined) return "Neither 'path' nor 'topic' says what to read";
  const format = p.format ?? 'json';
  if (!isTopicFormat(format)) return `Topics are not read as ${format}: ${TOPIC_FORMATS.join(', ')}`;
  return { topic: p.topic, format };
}

function isFileFormat(format: Params['format']): format is FileFormat | undefined {
  return format === undefined || (FILE_FORMATS as readonly string[]).includes(format);
}

function isTopicFormat(format: string): format is TopicFormat {
  return (TOPIC_FORMATS as readonly string[]).includes(format);
}

/** The parser of a planned op, and where what it parsed goes. */
function openParser(params: Json): {
  /** The fields, where lines may be read in the quick way. */
  readonly plain: ReturnType<typeof plainFields>;
  /** The JSON text of a record, where it has one. */
  line(raw: Uint8Array): Uint8Array | undefined;
  parse(raw: Uint8Array): ParsedRecord;
  write(row: number, record: Parsed, out: EffectSink): void;
} {
  const ofTopic = typeof params === 'object' && params !== null && 'topic' in params;
  const topic = ofTopic ? openParams(plannedTopic, params, 'read') : undefined;
  const p = topic ?? openParams(plannedFiles, params, 'read');
  const beside = topic?.meta.map(({ name }) => name) ?? [];
  const names = [...(p.as === undefined ? p.fields.map(({ name }) => name) : []), ...beside];
  const { as } = p;
  const isJson =
    topic === undefined ? openParams(plannedFiles, params, 'read').format === 'jsonl' : topic.topic === 'json' && beside.length === 0;
  return {
    plain: isJson && as === undefined ? plainFields(p.fields) : undefined,
    line: topic === undefined ? (raw) => raw : topicValue,
    parse: topic === undefined ? recordParser(openParams(plannedFiles, params, 'read')) : topicParser(topic),
    write(row, record, out) {
      if (as !== undefined) out.setValue(as, row, wholeRow(record, beside));
      for (const name of names) {
        const text = record.utf8?.[name];
        if (text === undefined) out.setValue(name, row, record.row[name] ?? null);
        else out.setBytes(name, row, text);
      }
    },
  };
}

function wholeRow(record: Parsed, beside: readonly string[]): Row {
  const texts = Object.entries(record.utf8 ?? {}).map(([name, text]) => [name, fromUtf8(text)]);
  const values = Object.entries(record.row).filter(([name]) => !beside.includes(name));
  return Object.fromEntries([...values, ...texts]);
}

function toOptions(p: Params): Readonly<Record<string, string | boolean | readonly string[]>> {
  return { header: p.header, delimiter: p.delimiter, ...(p.suffix === undefined ? {} : { suffix: p.suffix }) };
}

function givenFields(p: Params): PlannedRead['fields'] | undefined {
  if (p.fields === undefined) return undefined;
  return Object.entries(p.fields).map(([name, given]) =>
    typeof given === 'object' && 'from' in given ? { name, from: given.from, type: given.type } : { name, from: name, type: given },
  );
}
