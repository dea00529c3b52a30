/**
 * From one record of a topic to its planned fields, or why it failed. Schemas come from the plan, never from a registry: a record whose schema
 * the program does not know fails with its bytes kept, and the next generation takes it (law 7).
 */
import type { AvroType, Datum, FieldType, Row, TopicRecord, Value } from '#kernel';
import {
  avroType,
  decodeTopicRecord,
  describeType,
  LONG_LIMIT,
  messageOf,
  MizuError,
  readConfluentFrame,
  toHex,
  tryUtf8,
  UnionDatum,
} from '#kernel';
import { fromJson, Misfit, ownValue } from './convert.ts';
import type { Encoding } from './encoding.ts';
import { toUtf8 } from './encoding.ts';
import { jsonOf, type ParsedRecord } from './parse-record.ts';
import { schemaJson } from './topic-fields.ts';

export const META_NAMES = ['key', 'timestamp', 'partition', 'offset'] as const;

export interface PlannedTopic {
  readonly topic: 'json' | 'avro' | 'json-schema' | 'text' | 'bytes';
  readonly encoding: Encoding;
  readonly fields: readonly { readonly name: string; readonly from: string; readonly type: FieldType }[];
  /** What stands beside the value, by the field that receives it. */
  readonly meta: readonly { readonly name: string; readonly from: (typeof META_NAMES)[number] }[];
  readonly schemas: readonly { readonly id: number; readonly schema: string }[];
  readonly as?: string | undefined;
}

type Fields = { readonly row: Row; readonly utf8?: Readonly<Record<string, Uint8Array>> };
type ValueParser = (value: Uint8Array) => ParsedRecord;

export function topicParser(plan: PlannedTopic): (raw: Uint8Array) => ParsedRecord {
  const parseValue = valueParser(plan);
  return (raw) => {
    let record: TopicRecord;
    try {
      record = decodeTopicRecord(raw);
    } catch (error) {
      return { code: 'MALFORMED_RECORD', message: messageOf(error) };
    }
    if (record.tooLong !== undefined) {
      const { bytes, sha256 } = record.tooLong;
      return {
        code: 'TOO_LARGE',
        message: `partition ${record.partition}, offset ${record.offset}: a value of ${bytes} bytes (SHA-256 ${toHex(sha256)}), left where it stands`,
      };
    }
    if (record.value === undefined) return { code: 'TOMBSTONE', message: 'the record has no value' };
    const parsed = parseValue(record.value);
    return 'code' in parsed || plan.meta.length === 0 ? parsed : withMeta(plan, record, parsed);
  };
}

/** The value of a record that is whole and has one. */
export function topicValue(raw: Uint8Array): Uint8Array | undefined {
  try {
    return decodeTopicRecord(raw).value;
  } catch (error) {
    if (error instanceof MizuError && error.code === 'BYTES_INVALID') return undefined;
    throw error;
  }
}

function withMeta(plan: PlannedTopic, record: TopicRecord, parsed: Fields): ParsedRecord {
  const beside: Record<string, Value> = {};
  for (const { name, from } of plan.meta) {
    if (from !== 'key') beside[name] = { timestamp: record.timestampMs, partition: record.partition, offset: record.offset }[from];
    else if (record.key === undefined) beside[name] = null;
    else {
      const key = tryUtf8(record.key);
      if (key === undefined) return { code: 'MALFORMED_TEXT', message: 'the key is not UTF-8' };
      beside[name] = key;
    }
  }
  return { ...parsed, row: { ...parsed.row, ...beside } };
}

function valueParser(plan: PlannedTopic): ValueParser {
  const [only] = plan.fields;
  switch (plan.topic) {
    case 'json':
      return (value) => jsonRow(plan, value);
    case 'text':
      return (value) => {
        const decoded = toUtf8(value, plan.encoding);
        if ('malformedAt' in decoded) return { code: 'MALFORMED_TEXT', message: `byte ${decoded.malformedAt + 1} is not ${plan.encoding}` };
        return { row: {}, utf8: { [only?.name ?? '']: decoded.text } };
      };
    case 'bytes':
      return (value) => ({ row: { [only?.name ?? '']: value } });
    case 'json-schema': {
      const known = new Set(plan.schemas.map(({ id }) => id));
      return (value) => framed(value, (id, body) => (known.has(id) ? jsonRow(plan, body) : unknownSchema(id, plan)));
    }
    case 'avro': {
      const types = new Map(plan.schemas.map(({ id, schema }) => [id, avroType(schemaJson(schema))]));
      return (value) =>
        framed(value, (id, body) => {
          const type = types.get(id);
          return type === undefined ? unknownSchema(id, plan) : avroRow(plan, type, body);
        });
    }
  }
}

function framed(value: Uint8Array, parse: (id: number, body: Uint8Array) => ParsedRecord): ParsedRecord {
  let frame: ReturnType<typeof readConfluentFrame>;
  try {
    frame = readConfluentFrame(value);
  } catch (error) {
    return { code: 'MALFORMED_FRAME', message: messageOf(error) };
  }
  return parse(frame.schemaId, frame.body);
}

function unknownSchema(id: number, { schemas }: PlannedTopic): ParsedRecord {
  const known = schemas.map((schema) => schema.id).join(', ');
  return {
    code: 'UNKNOWN_SCHEMA',
    message: `its schema has the id ${id}; the program was compiled with ${known}: a new generation takes it`,
  };
}

function jsonRow(plan: PlannedTopic, value: Uint8Array): ParsedRecord {
  const parsed = jsonOf(value);
  if ('error' in parsed) return { code: 'MALFORMED_JSON', message: parsed.error };
  return rowOf(plan, (from, type) => fromJson(ownValue(parsed.object, from), type, from));
}

function avroRow(plan: PlannedTopic, type: AvroType, body: Uint8Array): ParsedRecord {
  let datum: Datum;
  try {
    datum = type.decode(body);
  } catch (error) {
    if (error instanceof MizuError && error.code === 'BYTES_INVALID') return { code: 'MALFORMED_AVRO', message: error.message };
    throw error;
  }
  if (!isMap(datum)) return { code: 'MISFIT', message: 'the datum is no record' };
  return rowOf(plan, (from, wanted) => fromDatum(Object.hasOwn(datum, from) ? datum[from] : undefined, wanted, from));
}

function rowOf({ fields }: PlannedTopic, take: (from: string, type: FieldType) => Value): ParsedRecord {
  const row: Record<string, Value> = {};
  try {
    for (const field of fields) row[field.name] = take(field.from, field.type);
  } catch (error) {
    if (error instanceof Misfit) return { code: 'MISFIT', message: error.message };
    throw error;
  }
  return { row };
}

function isMap(datum: Datum | undefined): datum is { readonly [key: string]: Datum } {
  return (
    typeof datum === 'object' && datum !== null && !Array.isArray(datum) && !(datum instanceof Uint8Array) && !(datum instanceof UnionDatum)
  );
}

/** @throws Misfit */
function fromDatum(given: Datum | undefined, type: FieldType, place: string): Value {
  const datum = given instanceof UnionDatum ? given.value : given;
  if (typeof type === 'object' && 'optional' in type)
    return datum === null || datum === undefined ? null : fromDatum(datum, type.optional, place);
  if (datum === undefined) throw new Misfit(`'${place}' is missing`);
  if (typeof type === 'string') return scalarOf(datum, type, place);
  if ('array' in type) {
    if (!Array.isArray(datum)) throw misfit(type, place);
    return (datum as readonly Datum[]).map((element, index) => fromDatum(element, type.array, `${place}[${index}]`));
  }
  if (!isMap(datum)) throw misfit(type, place);
  if ('map' in type)
    return Object.fromEntries(Object.entries(datum).map(([key, inner]) => [key, fromDatum(inner, type.map, `${place}.${key}`)]));
  const known = new Set(type.record.map((field) => field.name));
  const extra = Object.keys(datum).find((name) => !known.has(name));
  if (extra !== undefined) throw new Misfit(`'${place}' has a field '${extra}' that is not planned`);
  return Object.fromEntries(
    type.record.map((field) => [
      field.name,
      fromDatum(Object.hasOwn(datum, field.name) ? datum[field.name] : undefined, field.type, `${place}.${field.name}`),
    ]),
  );
}

function scalarOf(datum: Datum, type: 'string' | 'long' | 'double' | 'boolean' | 'bytes', place: string): Value {
  if (type === 'bytes' ? datum instanceof Uint8Array : typeof datum === (type === 'string' || type === 'boolean' ? type : 'number')) {
    if (type === 'long' && !(Number.isInteger(datum) && Math.abs(Number(datum)) <= LONG_LIMIT)) throw misfit(type, place);
    return datum as Value;
  }
  throw misfit(type, place, typeof datum === 'bigint' ? ` within ±2^52, found ${datum}` : '');
}

function misfit(type: FieldType, place: string, more = ''): Misfit {
  return new Misfit(`'${place}' is not ${describeType(type)}${more}`);
}
