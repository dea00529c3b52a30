/** Plans the reading of a topic: which fields its values give. They follow from the workflow and the registered schemas, never from what the topic holds today. */
import type { FieldType, GoldenCase, OpPlan, PlanContext, Schema } from '#kernel';
import { describeType, encodeTopicRecord, messageOf, MizuError, offset, TOPIC_FORMATS, utf8 } from '#kernel';
import { z } from 'zod';
import { fieldTypeSchema } from '../field-type.ts';
import { FIELD_NAME, planWrite, toJson } from '../fields.ts';
import { ENCODINGS, type Encoding } from './encoding.ts';
import { META_NAMES, type PlannedTopic } from './parse-topic.ts';
import { fieldsOfSchema, fitsType } from './topic-fields.ts';

/** Hidden column with one record of the source. */
const SOURCE_FIELD = '$source';

export interface TopicParams {
  readonly topic: string;
  readonly format: PlannedTopic['topic'];
  readonly fields: readonly { readonly name: string; readonly from: string; readonly type: FieldType }[] | undefined;
  readonly meta: { readonly [Name in (typeof META_NAMES)[number]]?: string | undefined };
  readonly encoding: Encoding;
  readonly as: string | undefined;
}

export const plannedTopic = z.strictObject({
  topic: z.enum(TOPIC_FORMATS),
  encoding: z.enum(ENCODINGS),
  fields: z.array(z.strictObject({ name: z.string(), from: z.string(), type: fieldTypeSchema })),
  meta: z.array(z.strictObject({ name: z.string(), from: z.enum(META_NAMES) })),
  schemas: z.array(z.strictObject({ id: z.int().nonnegative(), schema: z.string() })),
  as: z.string().optional(),
});

const META_TYPES: Readonly<Record<(typeof META_NAMES)[number], FieldType>> = {
  key: { optional: 'string' },
  timestamp: 'long',
  partition: 'long',
  offset: 'long',
};

export function planTopic(p: TopicParams, context: PlanContext): readonly OpPlan[] {
  const fields = p.format === 'text' || p.format === 'bytes' ? wholeValue(p, context) : valueFields(p, context);
  if (fields === undefined) return [];
  const schema: Schema = fields.map(({ name, type }) => ({ name, type }));
  const meta = META_NAMES.flatMap((from) => (p.meta[from] === undefined ? [] : [{ name: p.meta[from], from }]));
  const writes: Schema = [
    ...(p.as === undefined ? schema : [{ name: p.as, type: { record: schema } }]),
    ...meta.map(({ name, from }) => ({ name, type: META_TYPES[from] })),
  ];
  const twice = writes.find(({ name }, n) => writes.findIndex((field) => field.name === name) !== n);
  if (twice !== undefined) context.problem('meta', `The field '${twice.name}' is made twice`, { hint: 'give one of them another name' });
  const at = (n: number): string => (n >= writes.length - meta.length ? 'meta' : p.as === undefined ? 'fields' : 'as');
  if (twice !== undefined || writes.map((field, n) => planWrite(context, field.name, field.type, at(n))).includes(false)) return [];
  const schemas = (context.topic?.schemas ?? []).map(({ id, schema: text }) => ({ id, schema: text }));
  const pinned: PlannedTopic = { topic: p.format, encoding: p.encoding, fields, meta, schemas, as: p.as };
  return [{ params: toJson(pinned), reads: [SOURCE_FIELD], writes }];
}

function wholeValue(p: TopicParams, context: PlanContext): PlannedTopic['fields'] | undefined {
  if (p.fields === undefined) return [{ name: p.format, from: '', type: p.format === 'text' ? 'string' : 'bytes' }];
  context.problem('fields', `Values read as ${p.format} have one field, '${p.format}', and no others`, { hint: 'leave `fields` out' });
  return undefined;
}

function valueFields(p: TopicParams, context: PlanContext): PlannedTopic['fields'] | undefined {
  if (p.fields !== undefined && p.fields.length === 0) {
    context.problem('fields', 'The list of fields is empty', { expected: 'at least one field' });
    return undefined;
  }
  if (p.format === 'json') {
    if (p.fields === undefined) {
      context.problem(
        'fields',
        `The fields of topic '${p.topic}' are not known: a program does not depend on what a topic happens to hold`,
        {
          hint: 'say what to read: `fields: { id: long, text: string }`',
        },
      );
    }
    return p.fields;
  }
  const found = latestFields(p, p.format === 'avro' ? 'avro' : 'json-schema', context);
  if (found === undefined) return undefined;
  if (p.fields === undefined) return namedFields(found, context);
  return p.fields.map((field) => isThere(field, found, context)).includes(false) ? undefined : p.fields;
}

/** The fields of the newest version. Older and newer ones are held against the plan record by record. */
function latestFields(p: TopicParams, format: 'avro' | 'json-schema', context: PlanContext): Schema | undefined {
  const type = format === 'avro' ? 'AVRO' : 'JSON';
  const latest = context.topic?.schemas.at(-1);
  if (latest === undefined) {
    context.problem('format', `The registry has no schema for the values of '${p.topic}'`, {
      hint: 'register one, or read the values as json, text or bytes',
    });
    return undefined;
  }
  const other = context.topic?.schemas.find((schema) => schema.type !== type);
  if (other !== undefined) {
    context.problem('format', `Version ${other.version} of the schema in the registry is ${other.type}`, { expected: type });
    return undefined;
  }
  let found: Schema | string;
  try {
    for (const { schema } of context.topic?.schemas ?? []) fieldsOfSchema(format, schema);
    found = fieldsOfSchema(format, latest.schema);
  } catch (error) {
    if (!(error instanceof MizuError)) throw error;
    context.problem('format', `A schema of '${p.topic}' in the registry can't be read: ${messageOf(error)}`);
    return undefined;
  }
  if (typeof found !== 'string') return found;
  if (p.fields !== undefined) return [];
  context.problem('fields', `The schema in the registry gives no fields: ${found}`, { hint: 'give `fields`' });
  return undefined;
}

function namedFields(found: Schema, context: PlanContext): PlannedTopic['fields'] | undefined {
  const bad = found.find(({ name }) => !FIELD_NAME.test(name));
  if (bad === undefined) return found.map((field) => ({ ...field, from: field.name }));
  context.problem('fields', `'${bad.name}' of the schema is no field name`, {
    hint: `say what to read: fields: { my_name: { from: ${JSON.stringify(bad.name)}, type: string } }`,
  });
  return undefined;
}

function isThere(
  { name, from, type }: { readonly name: string; readonly from: string; readonly type: FieldType },
  found: Schema,
  context: PlanContext,
): boolean {
  // A schema that has no field types as a whole may still hold this one: its records tell.
  if (found.length === 0) return true;
  const field = found.find((candidate) => candidate.name === from);
  if (field === undefined) {
    if (typeof type === 'object' && 'optional' in type) return true;
    const hint = context.nearest(
      from,
      found.map((candidate) => candidate.name),
    );
    context.problem(`fields.${name}`, `The schema in the registry has no field '${from}'`, {
      expected: found.map((candidate) => candidate.name).join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
    return false;
  }
  if (fitsType(field.type, type)) return true;
  context.problem(`fields.${name}`, `'${from}' is ${describeType(field.type)} in the registry's schema, not ${describeType(type)}`, {
    expected: describeType(field.type),
  });
  return false;
}

const rawSource: Schema = [{ name: SOURCE_FIELD, type: 'bytes' }];
const record = (value: Uint8Array | undefined, n: number, key?: string): { readonly [SOURCE_FIELD]: Uint8Array } => ({
  [SOURCE_FIELD]: encodeTopicRecord(0, {
    offset: offset(n),
    key: key === undefined ? undefined : utf8(key),
    value,
    timestampMs: 1_700_000_000_000 + n,
    headers: [['trace', utf8('a')]],
  }),
});

export const topicExamples: readonly GoldenCase[] = [
  {
    title: 'JSON values of a topic, with their keys',
    params: { topic: 'orders', format: 'json', fields: { id: 'long', text: 'string?' }, meta: { key: 'customer', offset: 'at' } },
    schema: rawSource,
    input: [
      record(utf8('{"id":1,"text":"two pears","other":true}'), 7, 'ada'),
      record(utf8('{"id":2}'), 8),
      record(undefined, 9, 'ada'),
      record(utf8('{"id":'), 10),
      record(new Uint8Array(0), 11),
      { [SOURCE_FIELD]: Uint8Array.of(9) },
    ],
    output: [
      { row: { id: 1, text: 'two pears', customer: 'ada', at: 7 } },
      { row: { id: 2, text: null, customer: null, at: 8 } },
      { failed: 'TOMBSTONE' },
      { failed: 'MALFORMED_JSON' },
      { failed: 'MALFORMED_JSON' },
      { failed: 'MALFORMED_RECORD' },
    ],
  },
  {
    title: 'plain text of a topic',
    params: { topic: 'lines', format: 'text' },
    schema: rawSource,
    input: [record(utf8('a line'), 0), record(Uint8Array.of(0xff), 1)],
    output: [{ row: { text: 'a line' } }, { failed: 'MALFORMED_TEXT' }],
  },
];
