import avsc from 'avsc';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../../engine/contract/program.ts';
import type { Datum } from '../../../engine/proof/avro.ts';
import { avroType } from '../../../engine/proof/avro.ts';
import { UnionDatum } from '../../../engine/proof/avro.ts';
import { canonicalSchema, parseAvroSchema, schemaFingerprint } from '../../../engine/proof/avro-schema.ts';
import { confluentFrame, readConfluentFrame, readSingleObject, singleObject } from '../../../engine/proof/framing.ts';
import { fromHex, sha256, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { compareUtf8 } from '../../../engine/proof/value-codec.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

/** A datum as the vector files write it; `sorted` turns false when a map in it is not in canonical order. */
function datumOf(json: unknown, seen: { sorted: boolean }): Datum {
  if (Array.isArray(json)) return json.map((one) => datumOf(one, seen));
  if (typeof json !== 'object' || json === null) return json as Datum;
  const special = json as Record<string, unknown>;
  if ('$long' in special) return BigInt(String(special.$long));
  if ('$double' in special) return Number(special.$double);
  if ('$hex' in special) return Buffer.from(String(special.$hex), 'hex');
  if ('$union' in special) {
    const [branch, value] = special.$union as [number, unknown];
    return new UnionDatum(branch, datumOf(value, seen));
  }
  if ('$map' in special) {
    const entries = special.$map as [string, unknown][];
    entries.forEach(([key], n) => {
      if (n > 0 && compareUtf8(entries[n - 1]?.[0] ?? '', key) > 0) seen.sorted = false;
    });
    return Object.fromEntries(entries.map(([key, value]) => [key, datumOf(value, seen)]));
  }
  return Object.fromEntries(Object.entries(special).map(([key, value]) => [key, datumOf(value, seen)]));
}

/** A form to compare data in: no branches, whole numbers as text with their type left out, −0 told apart. */
function plain(datum: Datum): unknown {
  if (datum instanceof UnionDatum) return plain(datum.value);
  if (typeof datum === 'bigint') return `n${datum}`;
  if (typeof datum === 'number') return Object.is(datum, -0) ? '-0' : Number.isInteger(datum) ? `n${BigInt(datum)}` : `n${datum}`;
  if (datum instanceof Uint8Array) return `x${toHex(datum)}`;
  if (Array.isArray(datum)) return datum.map(plain);
  if (typeof datum === 'object' && datum !== null)
    return Object.fromEntries(Object.entries(datum).map(([key, value]) => [key, plain(value)]));
  return datum;
}

interface EncodingCase {
  readonly id: string;
  readonly why: string;
  readonly schema: Json;
  readonly datum: unknown;
  readonly hex: string;
}

describeVectors<{ schemas: Record<string, Json>; primitives: EncodingCase[]; records: EncodingCase[] }>('avro/encoding.json', (data) => {
  test('every datum has the published bytes; where a map there is unsorted, ours is sorted and both decode to the datum', () => {
    let unsorted = 0;
    const cases = [...data.primitives, ...data.records.map((one) => ({ ...one, schema: data.schemas[String(one.schema)] ?? null }))];
    everyCase(
      cases,
      (one) => `${one.id} ${one.why}`,
      (one) => {
        const type = avroType(one.schema);
        const seen = { sorted: true };
        const datum = datumOf(one.datum, seen);
        const bytes = type.encode(datum);
        if (seen.sorted) expect(toHex(bytes)).toBe(one.hex);
        else {
          unsorted++;
          expect(bytes.length).toBe(one.hex.length / 2);
        }
        expect(type.isCanonical(fromHex(one.hex))).toBe(seen.sorted);
        expect(type.isCanonical(bytes)).toBe(true);
        expect(plain(type.decode(fromHex(one.hex)))).toEqual(plain(datum));
        expect(plain(type.decode(bytes, { canonical: true }))).toEqual(plain(datum));
      },
    );
    expect(cases.length).toBe(83);
    expect(unsorted).toBe(3);
  });
});

interface DecodingCase {
  readonly id: string;
  readonly why: string;
  readonly schema: Json;
  readonly hex: string;
  readonly expect: 'accept' | 'reject';
  readonly datum?: unknown;
  readonly canonical?: boolean;
}

describeVectors<{ cases: DecodingCase[] }>('avro/decoding.json', (data) => {
  test('other valid forms decode and are told apart from the canonical one; broken bytes are refused', () => {
    everyCase(
      data.cases,
      (one) => `${one.id} ${one.why}`,
      (one) => {
        const type = avroType(one.schema);
        const bytes = fromHex(one.hex);
        if (one.expect === 'reject') {
          expect(() => type.decode(bytes)).toThrow(expect.objectContaining({ code: 'BYTES_INVALID' }));
          expect(type.isCanonical(bytes)).toBe(false);
          return;
        }
        expect(plain(type.decode(bytes))).toEqual(plain(datumOf(one.datum, { sorted: true })));
        expect(type.isCanonical(bytes)).toBe(one.canonical);
        if (one.canonical === false) expect(() => type.decode(bytes, { canonical: true })).toThrow(/canonical/);
      },
    );
  });
});

interface FingerprintCase {
  readonly id: string;
  readonly schema: Json;
  readonly canonical: string;
  readonly crc64avro: string;
  readonly crc64avroLE: string;
  readonly sha256: string;
}

describeVectors<{ schemas: FingerprintCase[] }>('avro/fingerprints.json', (data) => {
  test('schemas have the published canonical form and fingerprints', () => {
    everyCase(
      data.schemas,
      (one) => one.id,
      (one) => {
        const type = avroType(one.schema);
        expect(type.canonical).toBe(one.canonical);
        expect(toHex(type.fingerprint)).toBe(one.crc64avroLE);
        expect(toHex(sha256(utf8(type.canonical)))).toBe(one.sha256);
      },
    );
  });
});

interface ApacheData {
  readonly schemaTests: {
    readonly input: string;
    readonly canonical: string;
    readonly crc64avro?: string;
    readonly fingerprint?: string;
  }[];
  readonly singleObject: { readonly schema: Json; readonly hex: string; readonly datum: Json };
}

describeVectors<ApacheData>('avro/apache.json', (data) => {
  test("Apache's own schema tests come out the same", () => {
    everyCase(
      data.schemaTests,
      (one) => one.input,
      (one) => {
        const canonical = canonicalSchema(parseAvroSchema(JSON.parse(one.input) as Json));
        expect(canonical).toBe(one.canonical);
        if (one.crc64avro === undefined) return;
        const fingerprint = Buffer.from(schemaFingerprint(canonical));
        expect(fingerprint.readBigUInt64LE().toString(16).padStart(16, '0')).toBe(one.crc64avro);
        expect(String(fingerprint.readBigInt64LE())).toBe(one.fingerprint);
      },
    );
    expect(data.schemaTests.filter((one) => one.fingerprint !== undefined).length).toBeGreaterThan(20);
  });
  test("Apache's single-object message reads and is written the same", () => {
    const type = avroType(data.singleObject.schema);
    const { fingerprint, body } = readSingleObject(fromHex(data.singleObject.hex));
    expect(toHex(fingerprint)).toBe(toHex(type.fingerprint));
    expect(plain(type.decode(body))).toEqual(plain(data.singleObject.datum as Datum));
    expect(toHex(singleObject(type.fingerprint, type.encode(data.singleObject.datum as Datum)))).toBe(data.singleObject.hex);
  });
});

interface FramingCase {
  readonly schema: string;
  readonly schemaId?: number;
  readonly why?: string;
  readonly datum?: unknown;
  readonly hex: string;
  readonly expect: 'accept' | 'reject';
}

describeVectors<{ schemas: Record<string, Json>; singleObject: FramingCase[]; confluent: FramingCase[] }>('avro/framing.json', (data) => {
  function check(one: FramingCase, open: (bytes: Uint8Array) => Uint8Array, frame: (body: Uint8Array) => Uint8Array): void {
    const type = avroType(data.schemas[one.schema] ?? null);
    if (one.expect === 'reject') {
      expect(() => type.decode(open(fromHex(one.hex)))).toThrow();
      return;
    }
    const body = open(fromHex(one.hex));
    const datum = datumOf(one.datum, { sorted: true });
    expect(plain(type.decode(body))).toEqual(plain(datum));
    expect(toHex(frame(body))).toBe(one.hex);
    if (type.isCanonical(body)) expect(toHex(frame(type.encode(datum)))).toBe(one.hex);
  }
  test('single-object messages get their verdict', () => {
    everyCase(
      data.singleObject,
      (one) => one.why ?? one.hex,
      (one) => {
        const { fingerprint } = avroType(data.schemas[one.schema] ?? null);
        check(
          one,
          (bytes) => {
            const opened = readSingleObject(bytes);
            expect(toHex(opened.fingerprint)).toBe(toHex(fingerprint));
            return opened.body;
          },
          (body) => singleObject(fingerprint, body),
        );
      },
    );
  });
  test('Confluent frames get their verdict', () => {
    everyCase(
      data.confluent,
      (one) => one.why ?? one.hex,
      (one) => {
        check(
          one,
          (bytes) => {
            const opened = readConfluentFrame(bytes);
            expect(opened.schemaId).toBe(one.schemaId);
            return opened.body;
          },
          (body) => confluentFrame(one.schemaId ?? 0, body),
        );
      },
    );
  });
});

interface ResolutionCase {
  readonly id: string;
  readonly why: string;
  readonly writer: Json;
  readonly reader: Json;
  readonly hex: string;
  readonly expect: 'accept' | 'reject';
  readonly result?: unknown;
}

describeVectors<{ cases: ResolutionCase[] }>('avro/resolution.json', (data) => {
  // Mizu reads records only under the schema they were written with, so resolution stays with consumers; theirs must understand our bytes.
  test('a reader with another schema resolves the bytes as Avro says (consumers use avsc)', () => {
    everyCase(
      data.cases,
      (one) => `${one.id} ${one.why}`,
      (one) => {
        const resolve = (): unknown => {
          const writer = avsc.Type.forSchema(one.writer as avsc.Schema);
          const reader = avsc.Type.forSchema(one.reader as avsc.Schema);
          return reader.fromBuffer(Buffer.from(one.hex, 'hex'), reader.createResolver(writer));
        };
        if (one.expect === 'reject') expect(resolve).toThrow();
        else expect({ ...(resolve() as object) }).toEqual(one.result);
      },
    );
  });
});

describe('Avro', () => {
  test('hostile bytes end in an error, not in memory or in an endless stack', () => {
    const list = avroType({ type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] });
    expect(() => list.decode(new Uint8Array(100_000).fill(2))).toThrow(/deeper than 128/);
    const nulls = avroType({ type: 'array', items: 'null' });
    expect(() => nulls.decode(fromHex('feffffffffff1f00'))).toThrow(/items without bytes/);
    expect(() => avroType('bytes').decode(fromHex('feffffffffff1f'))).toThrow(/needs/);
    expect(() => avroType({ type: 'map', values: 'int' }).decode(fromHex('04026100026100 00'.replaceAll(' ', '')))).toThrow(/twice/);
  });
  test('map keys keep their order by bytes, whatever they look like, and __proto__ is one of them', () => {
    const type = avroType({ type: 'map', values: 'int' });
    const datum = JSON.parse('{"10":1,"9":2,"__proto__":3,"\uffff":4,"\u{1f600}":5}') as Datum;
    const bytes = type.encode(datum);
    expect(plain(type.decode(bytes, { canonical: true }))).toEqual(plain(datum));
    const order = [
      ...Buffer.from(bytes)
        .toString('latin1')
        .matchAll(/10|9|__proto__|\u00ef\u00bf\u00bf|\u00f0\u009f/g),
    ].map((match) => match[0].slice(0, 2));
    expect(order).toEqual(['10', '9', '__', '\u00ef\u00bf', '\u00f0\u009f']);
  });
  test('a datum that does not fit is refused', () => {
    const type = avroType({ type: 'record', name: 'R', fields: [{ name: 'a', type: ['null', 'int'] }] });
    for (const bad of [{ a: 1.5 }, { a: 2 ** 31 }, { a: 'x' }, { b: 1 }, { a: 1, b: 2 }, [], null, 1]) {
      expect(() => type.encode(bad as Datum), JSON.stringify(bad)).toThrow(/Avro/);
    }
    expect(() => avroType(['int', 'string']).encode(1)).toThrow(/names the branch/);
  });
  test('a schema that Avro forbids is refused', () => {
    const bad: Json[] = [
      'nope',
      ['int', 'int'],
      ['int', ['null']],
      { type: 'record', name: '1', fields: [] },
      { type: 'record', name: 'int', fields: [] },
      { type: 'enum', name: 'E', symbols: [] },
      { type: 'fixed', name: 'F', size: -1 },
      null,
      1,
      {},
    ];
    for (const schema of bad) expect(() => avroType(schema), JSON.stringify(schema)).toThrow(/Avro schema/);
  });
});
