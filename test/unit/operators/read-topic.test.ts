/** What a topic's values become: by the schemas of the plan, one by one, and nothing of them vanishes (laws 5, 7). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CompileHost, Json, Row, SchemaVersion } from '#engine';
import {
  avroType,
  ByteReader,
  compileWorkflow,
  confluentFrame,
  decodeFrame,
  decodeTopicRecord,
  encodeTopicRecord,
  globalStorage,
  offset,
  recordCodec,
  TaskMachine,
  TOPIC_RECORD_LIMIT_BYTES,
  utf8,
} from '#engine';
import { registry, temporaryStorage } from '#topologies';
import { read } from '../../../operators/generate/read.ts';
import { memoryHost } from '../../support/memory-host.ts';
import { planOver } from './plan-context.ts';

const SOURCE = [{ name: '$source', type: 'bytes' }] as const;
const V1 = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'text', type: ['null', 'string'] },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
    { name: 'tags', type: { type: 'array', items: 'string' } },
  ],
};
const V2 = { ...V1, fields: [...V1.fields.filter((field) => field.name !== 'tags'), { name: 'more', type: 'int' }] };
const avro = (id: number, schema: Json): SchemaVersion => ({ id, version: id, type: 'AVRO', schema: JSON.stringify(schema) });

const recordOf = (value: Uint8Array | undefined): Uint8Array =>
  encodeTopicRecord(1, { offset: offset(5), key: utf8('k'), value, timestampMs: 9, headers: [] });

type Outcome = { readonly row: Row } | { readonly failed: string };

/** What the compiled workflow makes of the values, as a task of it does. */
async function rowsOf(
  params: Readonly<Record<string, Json>>,
  schemas: readonly SchemaVersion[],
  values: readonly (Uint8Array | undefined)[],
): Promise<readonly Outcome[]> {
  const text = `mizu: 1\nname: w\nsources: { t: { registry: "http://127.0.0.1:1" } }\ngenerate:\n  - read: ${JSON.stringify(params)}\n`;
  const host: CompileHost = { ...memoryHost(), readSchemas: async () => schemas };
  const { program, digest } = await compileWorkflow({ text, file: 'w.yaml' }, host, registry);
  const local = temporaryStorage();
  const machine = await TaskMachine.open({ program, registry, storage: globalStorage([]), local, expectedRecords: values.length }, digest);
  const task = { k: 0, first: 0, count: values.length, poison: [], records: values.map(recordOf), ranges: [] };
  const frames = (await machine.execute(task, () => Promise.resolve([]))).frames.map(decodeFrame);
  await local.close();
  const outcomes: Outcome[] = [];
  for (const frame of frames) {
    for (const drop of frame.drops) outcomes[drop.i] = { failed: drop.code };
    const reader = new ByteReader(frame.records);
    for (const i of frame.candidates) outcomes[i] = { row: recordCodec(program.published).decode(reader) as Row };
  }
  return outcomes;
}

const problemsOf = (params: Json, schemas: readonly SchemaVersion[] = []): readonly string[] =>
  planOver(read, params, SOURCE, { topic: { schemas } }).problems;

describe('Avro in the Confluent wire format', () => {
  const order = { id: 7, text: 'two pears', kind: 'B', tags: ['x'] };
  const bytes = avroType(V1).encode(order);

  it('gives the fields of the newest schema, and a record in an older one by the names that both have', async () => {
    const fields = { id: 'long', text: 'string?', more: 'long?' };
    const second = avroType(V2).encode({ id: 8, text: null, kind: 'A', more: 3 });
    const rows = await rowsOf(
      { topic: 't', format: 'avro', fields },
      [avro(1, V1), avro(2, V2)],
      [confluentFrame(1, bytes), confluentFrame(2, second)],
    );
    expect(rows).toEqual([{ row: { id: 7, text: 'two pears', more: null } }, { row: { id: 8, text: null, more: 3 } }]);
  });

  it('fails a record in a schema that the program does not know, and one that is broken, each by itself', async () => {
    const rows = await rowsOf(
      { topic: 't', format: 'avro' },
      [avro(1, V1)],
      [
        confluentFrame(9, bytes),
        bytes.subarray(1),
        confluentFrame(1, bytes.subarray(0, 4)),
        confluentFrame(1, Buffer.concat([bytes, Buffer.of(0)])),
        confluentFrame(1, bytes),
        undefined,
        new Uint8Array(0),
      ],
    );
    expect(rows).toEqual([
      { failed: 'UNKNOWN_SCHEMA' },
      { failed: 'MALFORMED_FRAME' },
      { failed: 'MALFORMED_AVRO' },
      { failed: 'MALFORMED_AVRO' },
      { row: order },
      { failed: 'TOMBSTONE' },
      { failed: 'MALFORMED_FRAME' },
    ]);
  });

  it('never ends in anything but a row or a failure, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 20 }), async (tails) => {
        const rows = await rowsOf(
          { topic: 't', format: 'avro' },
          [avro(1, V1)],
          tails.flatMap((tail) => [tail, confluentFrame(1, tail)]),
        );
        expect(rows.length).toBe(2 * tails.length);
      }),
      { numRuns: 50 },
    );
  });

  it('is held against the fields that the author names', () => {
    const wrong = { topic: 't', format: 'avro', fields: { id: 'string', txt: 'string' } };
    expect(problemsOf(wrong, [avro(1, V1)])).toEqual([
      "fields.id: 'id' is long in the registry's schema, not string",
      "fields.txt: The schema in the registry has no field 'txt'",
    ]);
    expect(problemsOf({ topic: 't', format: 'avro' })).toEqual(["format: The registry has no schema for the values of 't'"]);
    expect(problemsOf({ topic: 't', format: 'json-schema' }, [avro(1, V1)])).toEqual([
      'format: Version 1 of the schema in the registry is AVRO',
    ]);
  });
});

describe('JSON Schema in the Confluent wire format', () => {
  const schema = {
    type: 'object',
    properties: { id: { type: 'integer' }, price: { type: ['number', 'null'] }, tags: { type: 'array', items: { type: 'string' } } },
    required: ['id', 'price'],
  };
  const version: SchemaVersion = { id: 4, version: 1, type: 'JSON', schema: JSON.stringify(schema) };

  it('gives its properties, those that are not required as optional ones', async () => {
    const rows = await rowsOf(
      { topic: 't', format: 'json-schema' },
      [version],
      ['{"id":1,"price":2.5,"tags":["a"]}', '{"id":1,"price":null}', '{"id":"1","price":null}'].map((text) =>
        confluentFrame(4, utf8(text)),
      ),
    );
    expect(rows).toEqual([{ row: { id: 1, price: 2.5, tags: ['a'] } }, { row: { id: 1, price: null, tags: null } }, { failed: 'MISFIT' }]);
  });

  it('without plain types asks for the fields', () => {
    const vague: SchemaVersion = { ...version, schema: '{"type":"object","properties":{"a":{"oneOf":[]}}}' };
    expect(problemsOf({ topic: 't', format: 'json-schema' }, [vague])[0]).toMatch(/^fields: .*field 'a'/);
  });
});

describe('the parameters of a topic', () => {
  it('are told from those of files, and JSON needs its fields', () => {
    expect(problemsOf({ topic: 't', format: 'json' })[0]).toMatch(/^fields: .*not known/);
    expect(problemsOf({ topic: 't', path: 'a.csv' })[0]).toMatch(/not both/);
    expect(problemsOf({})[0]).toMatch(/Neither 'path' nor 'topic'/);
    expect(problemsOf({ topic: 't', format: 'csv' })[0]).toMatch(/not read as csv/);
    expect(problemsOf({ path: 'a.csv', until: 'end' })[0]).toMatch(/'until' is for topics/);
    expect(problemsOf({ topic: 't', format: 'text', meta: { key: 'text' } })[0]).toMatch(/made twice/);
  });
});

describe('a record of a topic as bytes', () => {
  it('is read back as it was, tombstones, empty values and headers among them', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 30 }), { nil: undefined });
    const records = fc.record({
      offset: fc.nat().map((n) => offset(n)),
      key: bytes,
      value: bytes,
      timestampMs: fc.integer({ min: -1, max: 2 ** 42 }),
      headers: fc.array(fc.tuple(fc.string(), bytes), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.nat(1_000), records, (partition, given) => {
        const decoded = decodeTopicRecord(encodeTopicRecord(partition, given));
        const plain = (value: Uint8Array | undefined): number[] | undefined => (value === undefined ? undefined : [...value]);
        expect({ ...decoded, key: plain(decoded.key), value: plain(decoded.value) }).toEqual({
          partition,
          offset: given.offset,
          timestampMs: given.timestampMs,
          key: plain(given.key),
          value: plain(given.value),
          tooLong: undefined,
        });
      }),
    );
  });

  it('that is too long is taken as length and digest, and fails by itself', async () => {
    const long = new Uint8Array(TOPIC_RECORD_LIMIT_BYTES + 1);
    const encoded = encodeTopicRecord(0, { offset: offset(3), key: undefined, value: long, timestampMs: 0, headers: [] });
    expect(encoded.length).toBeLessThan(100);
    expect(decodeTopicRecord(encoded).tooLong?.bytes).toBe(long.length);
    expect(await rowsOf({ topic: 't', format: 'text' }, [], [long, utf8('short')])).toEqual([
      { failed: 'TOO_LARGE' },
      { row: { text: 'short' } },
    ]);
  });
});
