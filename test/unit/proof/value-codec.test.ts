import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldType, Schema, Value } from '../../../engine/contract/types.ts';
import { LONG_LIMIT } from '../../../engine/contract/types.ts';
import { avroType } from '../../../engine/proof/avro.ts';
import { toAvroSchema } from '../../../engine/proof/avro-mapping.ts';
import { ByteReader } from '../../../engine/proof/byte-reader.ts';
import { ByteWriter } from '../../../engine/proof/byte-writer.ts';
import { toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { compareUtf8, recordCodec, valueCodec } from '../../../engine/proof/value-codec.ts';

function encode(type: FieldType, value: Value): Uint8Array {
  const writer = new ByteWriter();
  valueCodec(type).encode(writer, value);
  return writer.take();
}

function decode(type: FieldType, bytes: Uint8Array): Value {
  const reader = new ByteReader(bytes);
  const value = valueCodec(type).decode(reader);
  if (!reader.done) throw new Error('left over');
  return value;
}

const SCHEMA: Schema = [
  { name: 'id', type: 'long' },
  { name: 'text', type: 'string' },
  { name: 'score', type: 'double' },
  { name: 'ok', type: 'boolean' },
  { name: 'raw', type: 'bytes' },
  { name: 'tags', type: { array: 'string' } },
  { name: 'meta', type: { map: { record: [{ name: 'n', type: { optional: 'long' } }] } } },
  { name: 'persona', type: { optional: { record: [{ name: 'voice', type: 'string' }] } } },
];

const text = fc.string({ unit: 'binary', maxLength: 20 });
const long = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -LONG_LIMIT, max: LONG_LIMIT }));
const record = fc.record({
  id: long,
  text,
  score: fc.double({ noNaN: true }),
  ok: fc.boolean(),
  raw: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  tags: fc.array(text, { maxLength: 4 }),
  meta: fc.dictionary(text, fc.record({ n: fc.option(long) }), { maxKeys: 4, noNullPrototype: true }),
  persona: fc.option(fc.record({ voice: text })),
});

describe('values in Avro', () => {
  test('whatever is written is read back the same, and its bytes are canonical Avro of the mapped schema (avsc reads them too)', () => {
    const codec = recordCodec(SCHEMA);
    const schema = toAvroSchema(SCHEMA, 'Sample');
    const own = avroType(schema);
    const peer = avsc.Type.forSchema(schema as avsc.Schema);
    fc.assert(
      fc.property(record, (value) => {
        const writer = new ByteWriter(16);
        codec.encode(writer, value);
        const bytes = writer.take();
        const reader = new ByteReader(bytes);
        expect(codec.decode(reader)).toEqual(value);
        expect(reader.done).toBe(true);
        expect(own.isCanonical(bytes)).toBe(true);
        if (!Object.keys(value.meta).includes('__proto__')) {
          const read = peer.fromBuffer(Buffer.from(bytes)) as typeof value;
          expect([read.id, read.text, read.score, read.ok, read.tags, Object.keys(read.meta).length]).toEqual([
            value.id,
            value.text,
            value.score,
            value.ok,
            value.tags,
            Object.keys(value.meta).length,
          ]);
        }
      }),
      { numRuns: 300 },
    );
  });
  test('the order in which a map was filled does not show', () => {
    expect(toHex(encode({ map: 'long' }, { b: 1, 10: 2, 9: 3 }))).toBe(toHex(encode({ map: 'long' }, { 9: 3, 10: 2, b: 1 })));
  });
  test('texts are ordered as their UTF-8 bytes are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(utf8(a), utf8(b)));
      }),
      {
        numRuns: 300,
        examples: [
          ['\u{10000}', '\uffff'],
          ['\ue000', '\u{1f600}'],
          ['a', 'a\u{1f600}'],
        ],
      },
    );
  });
  test('a value that does not fit is refused with its place', () => {
    const nested: FieldType = { record: [{ name: 'list', type: { array: { map: 'long' } } }] };
    expect(() => encode(nested, { list: [{}, { k: 'x' }] })).toThrow("Value at .list[1].k: Value 'x' does not fit the type long");
    const bad: [FieldType, Value][] = [
      ['long', 1.5],
      ['long', LONG_LIMIT + 2],
      ['long', null],
      ['string', 1],
      ['string', '\ud800'],
      ['boolean', 0],
      ['bytes', 'x'],
      ['double', '1'],
      [{ array: 'long' }, { 0: 1 }],
      [{ map: 'long' }, [1]],
      [{ record: [{ name: 'a', type: 'long' }] }, { a: 1, b: 2 }],
      [{ record: [{ name: 'a', type: 'long' }] }, {}],
    ];
    for (const [type, value] of bad)
      expect(() => encode(type, value), JSON.stringify([type, value])).toThrow(expect.objectContaining({ code: 'BYTES_INVALID' }));
  });
  test('a second form of a value is refused', () => {
    const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');
    const bad: [FieldType, string][] = [
      ['long', '8000'],
      ['long', 'ffffffffffffffffff01'],
      ['long', '808080808080808080808001'],
      ['boolean', '02'],
      ['string', '02ff'],
      ['double', '010000000000f87f'],
      [{ array: 'string' }, '02026102026200'],
      [{ array: 'string' }, '03080261026200'],
      [{ map: 'long' }, '04026200026100 00'.replace(' ', '')],
      [{ map: 'long' }, '0402610002610000'],
      [{ optional: 'long' }, '04'],
      [{ optional: 'long' }, '01'],
    ];
    for (const [type, bytes] of bad)
      expect(() => decode(type, hex(bytes)), `${JSON.stringify(type)} ${bytes}`).toThrow(
        expect.objectContaining({ code: 'BYTES_INVALID' }),
      );
  });
  test('a key named __proto__ is a key like any other', () => {
    const value = JSON.parse('{"__proto__":1,"a":2}') as Value;
    const back = decode({ map: 'long' }, encode({ map: 'long' }, value));
    expect(Object.keys(back as object).sort()).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });
});

describe('mapped schemas', () => {
  test('names of nested records follow from their path and never meet', () => {
    const inner: FieldType = { record: [{ name: 'x', type: 'long' }] };
    const schema: Schema = [
      { name: 'a', type: { record: [{ name: 'b_c', type: inner }] } },
      { name: 'a_b', type: { record: [{ name: 'c', type: inner }] } },
      { name: 'list', type: { array: inner } },
      { name: 'map', type: { map: { optional: inner } } },
    ];
    const names = [...JSON.stringify(toAvroSchema(schema, 'R')).matchAll(/"type":"record","name":"(\w+)"/g)].map((match) => match[1]);
    expect(names).toEqual(['R', 'R_a', 'R_a_b_c', 'R_a_b', 'R_a_b_c_2', 'R_list_item', 'R_map_value']);
    expect(() => avroType(toAvroSchema(schema, 'R'))).not.toThrow();
  });
  test('a name or type that Avro can not hold is refused', () => {
    expect(() => toAvroSchema([{ name: 'a-b', type: 'long' }], 'R')).toThrow(/no Avro name/);
    expect(() => toAvroSchema([], 'a.b')).toThrow(/no Avro name/);
    expect(() => toAvroSchema([{ name: 'a', type: { optional: { optional: 'long' } } }], 'R')).toThrow(/optional of an optional/);
  });
});

describe('bytes', () => {
  test('a whole number has the varint of its zigzag form, at every border', () => {
    const borders = Array.from({ length: 53 }, (_, bit) => [
      2 ** bit - 1,
      2 ** bit,
      2 ** bit + 1,
      -(2 ** bit),
      -(2 ** bit) - 1,
      -(2 ** bit) + 1,
    ]).flat();
    for (const value of borders.filter(Number.isSafeInteger)) {
      const [a, b] = [new ByteWriter(), new ByteWriter()];
      a.long(value);
      b.bigLong(BigInt(value));
      const bytes = a.take();
      expect(toHex(bytes), String(value)).toBe(toHex(b.take()));
      expect(BigInt(new ByteReader(bytes).anyLong())).toBe(BigInt(value));
      if (Math.abs(value) <= LONG_LIMIT) expect(new ByteReader(bytes).long()).toBe(value === 0 ? 0 : value);
      else expect(() => new ByteReader(bytes).long()).toThrow(/2\^52/);
      if (value < 0) continue;
      a.uvarint(value);
      expect(new ByteReader(a.take()).uvarint()).toBe(value);
    }
    for (const value of [1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
      expect(() => new ByteWriter().long(value)).toThrow(/whole number/);
    expect(() => new ByteWriter().uvarint(-1)).toThrow(/whole number/);
  });
  test('bytes taken from a writer stay the same while it is used on, whatever their size', () => {
    for (const size of [0, 10, 300, 20_000, 100_000]) {
      const writer = new ByteWriter(16);
      writer.raw(new Uint8Array(size).fill(1));
      const taken = writer.take();
      writer.raw(new Uint8Array(size + 5).fill(2));
      expect(taken.length).toBe(size);
      expect(taken.every((byte) => byte === 1)).toBe(true);
      expect(writer.length).toBe(size + 5);
    }
  });
  test('nothing is read beyond the end', () => {
    const reads: ((reader: ByteReader) => unknown)[] = [
      (r) => r.byte(),
      (r) => r.boolean(),
      (r) => r.long(),
      (r) => r.double(),
      (r) => r.float(),
      (r) => r.fixed(1),
      (r) => r.uvarint(),
    ];
    for (const read of reads)
      expect(() => read(new ByteReader(new Uint8Array(0)))).toThrow(expect.objectContaining({ code: 'BYTES_INVALID' }));
    expect(() => new ByteReader(Uint8Array.of(0x80)).long()).toThrow(/missing/);
    expect(() => new ByteReader(Uint8Array.of(4, 1)).bytes()).toThrow(/needs 2 bytes/);
    expect(() => new ByteReader(Uint8Array.of(1)).bytes()).toThrow(/length is -1/);
  });
});

test('short texts and digits, which are written character by character, have the bytes of all others', () => {
  for (let length = 0; length <= 70; length++) {
    for (const value of ['a'.repeat(length), `${'a'.repeat(length)}é`, `\u{1f600}${'a'.repeat(length)}`]) {
      const writer = new ByteWriter(16);
      writer.bytes(utf8(value));
      const expected = writer.take();
      writer.string(value);
      expect(toHex(writer.view()), value).toBe(toHex(expected));
      expect(new ByteReader(expected).string()).toBe(value);
      expect(() => new ByteReader(expected.subarray(0, -1)).string()).toThrow(expect.objectContaining({ code: 'BYTES_INVALID' }));
    }
  }
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (value) => {
      const writer = new ByteWriter(16);
      writer.digits(value);
      expect(Buffer.from(writer.view()).toString()).toBe(String(value));
    }),
  );
});
