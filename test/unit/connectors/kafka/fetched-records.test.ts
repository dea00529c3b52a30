/** Records of a fetch: what compaction, markers, aborted transactions, compression, cuts and damage leave for a reader. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { AbortedTransaction } from '../../../../connectors/kafka/api-data.ts';
import { crc32c, plainCrc32c } from '../../../../connectors/kafka/crc32c.ts';
import { FetchedRecords } from '../../../../connectors/kafka/fetched-records.ts';
import { AT, CONTROL, encodeBatch, HEADER_BYTES } from '../../../../connectors/kafka/record-batch.ts';
import { bytes, text } from '../../../support/log-tools.ts';

const ONE = 7n;
const TWO = 8n;

interface BatchSpec {
  readonly base: number;
  readonly values: readonly string[];
  readonly producer?: bigint;
  readonly compress?: boolean;
  /** Last offset − base, where compaction took records away at the end. */
  readonly lastDelta?: number;
  /** What the writer's clock said. */
  readonly timestamp?: number;
}

function batch({ base, values, producer = ONE, compress = false, lastDelta = values.length - 1, timestamp = 1_000 }: BatchSpec): Buffer {
  const appends = values.map((value) => ({ topic: 't', partition: 0, value: bytes(value) }));
  const encoded = encodeBatch(appends, {
    producer: { id: producer, epoch: 0 },
    sequence: 0,
    timestamp,
    compress,
    allocate: Buffer.allocUnsafe,
  });
  encoded.writeBigInt64BE(BigInt(base), 0);
  encoded.writeInt32BE(lastDelta, AT.lastDelta);
  return sealed(encoded);
}

function marker(base: number, producer: bigint, type: 'abort' | 'commit'): Buffer {
  const key = Uint8Array.from([0, 0, 0, type === 'abort' ? 0 : 1]);
  const encoded = encodeBatch([{ topic: 't', partition: 0, key, value: new Uint8Array(6) }], {
    producer: { id: producer, epoch: 0 },
    sequence: -1,
    timestamp: 1_000,
    compress: false,
    allocate: Buffer.allocUnsafe,
  });
  encoded.writeBigInt64BE(BigInt(base), 0);
  encoded.writeInt16BE(encoded.readInt16BE(AT.attributes) | CONTROL, AT.attributes);
  return sealed(encoded);
}

function sealed(encoded: Buffer): Buffer {
  encoded.writeUInt32BE(crc32c(encoded, AT.attributes, encoded.length), AT.crc);
  return encoded;
}

function readAll(
  chunks: readonly Buffer[],
  from = 0,
  aborted: readonly AbortedTransaction[] = [],
): { offsets: number[]; values: string[]; next: number } {
  const records = new FetchedRecords('t/0', Buffer.concat(chunks), aborted, from);
  const [offsets, values]: [number[], string[]] = [[], []];
  for (let record = records.take(); record !== undefined; record = records.take()) {
    offsets.push(record.offset);
    values.push(text(record.value ?? undefined));
  }
  expect(records.hasMore).toBe(false);
  return { offsets, values, next: records.next };
}

it.each([
  ['as it is loaded', crc32c],
  ['without anything native', plainCrc32c],
])('CRC-32C is the one of the standard (RFC 3720, B.4), wherever it begins, %s', (_, crc) => {
  const check = (values: Iterable<number>): string => {
    const padded = Buffer.from([1, 2, 3, ...values, 9]);
    return crc(padded, 3, padded.length - 1).toString(16);
  };
  expect(check(new Uint8Array(32))).toBe('8a9136aa');
  expect(check(new Uint8Array(32).fill(255))).toBe('62a8ab43');
  expect(check(Array.from({ length: 32 }, (_, n) => n))).toBe('46dd794e');
  expect(check(Buffer.from('123456789'))).toBe('e3069283');
});

it('whatever is written is read, compressed or not', () => {
  const append = fc.record({
    key: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
    value: fc.uint8Array({ maxLength: 20_000 }),
    headers: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), { maxKeys: 3 }),
  });
  fc.assert(
    fc.property(fc.array(append, { minLength: 1, maxLength: 80 }), fc.boolean(), fc.maxSafeNat(), (appends, compress, base) => {
      const encoded = encodeBatch(
        appends.map((one) => ({ topic: 't', partition: 0, ...one })),
        { producer: { id: ONE, epoch: 3 }, sequence: 5, timestamp: 1_000, compress, allocate: Buffer.allocUnsafe },
      );
      const start = Math.min(base, Number.MAX_SAFE_INTEGER - 100);
      encoded.writeBigInt64BE(BigInt(start), 0);
      const records = new FetchedRecords('t/0', encoded, [], start);
      for (const [n, { key, value, headers }] of appends.entries()) {
        const record = records.take();
        expect(record?.offset).toBe(start + n);
        expect(record?.key && [...record.key]).toEqual(key && [...key]);
        expect([...(record?.value ?? [])]).toEqual([...value]);
        expect({ ...record?.headers }).toEqual({ ...headers });
      }
      expect(records.take()).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});

it('a batch that begins before the wanted offset gives only what was wanted', () => {
  expect(readAll([batch({ base: 10, values: ['a', 'b', 'c', 'd'] })], 12)).toEqual({ offsets: [12, 13], values: ['c', 'd'], next: 14 });
});

it('entries stand in the order of their offsets, though the clock of their writer was set back between them', () => {
  const chunks = [3_600_000, 7_200_000, 0, 1].map((timestamp, base) => batch({ base, values: [String(base)], timestamp }));
  expect(readAll(chunks)).toEqual({ offsets: [0, 1, 2, 3], values: ['0', '1', '2', '3'], next: 4 });
});

it('records that compaction took away leave gaps, and the next offset lies behind them', () => {
  const chunks = [batch({ base: 0, values: ['a'], lastDelta: 9 }), batch({ base: 20, values: ['b', 'c'], lastDelta: 5 })];
  expect(readAll(chunks)).toEqual({ offsets: [0, 20, 21], values: ['a', 'b', 'c'], next: 26 });
});

it('markers are passed over, and so is everything of an aborted transaction, whoever writes in between', () => {
  const chunks = [
    batch({ base: 0, values: ['lost'], producer: ONE }),
    batch({ base: 1, values: ['kept'], producer: TWO }),
    batch({ base: 2, values: ['lost too'], producer: ONE }),
    marker(3, TWO, 'commit'),
    marker(4, ONE, 'abort'),
    batch({ base: 5, values: ['the next one is kept'], producer: ONE }),
    marker(6, ONE, 'commit'),
  ];
  const aborted = [{ producerId: ONE, firstOffset: 0 }];
  expect(readAll(chunks, 0, aborted)).toEqual({ offsets: [1, 5], values: ['kept', 'the next one is kept'], next: 7 });
});

it('a producer that aborted before and aborts again loses only what was aborted', () => {
  const chunks = [
    batch({ base: 0, values: ['lost'] }),
    marker(1, ONE, 'abort'),
    batch({ base: 2, values: ['kept'] }),
    marker(3, ONE, 'commit'),
    batch({ base: 4, values: ['lost'] }),
    marker(5, ONE, 'abort'),
  ];
  const aborted = [
    { producerId: ONE, firstOffset: 4 },
    { producerId: ONE, firstOffset: 0 },
  ];
  expect(readAll(chunks, 0, aborted)).toEqual({ offsets: [2], values: ['kept'], next: 6 });
});

it('markers alone move the reader on', () => {
  expect(readAll([marker(5, ONE, 'commit'), marker(6, TWO, 'abort')], 5)).toEqual({ offsets: [], values: [], next: 7 });
});

it('a fetch that ends in the middle of a batch gives the whole ones', () => {
  const second = batch({ base: 1, values: ['b'] });
  for (let cut = 0; cut < second.length; cut++) {
    expect(readAll([batch({ base: 0, values: ['a'] }), second.subarray(0, cut)]).values).toEqual(['a']);
  }
});

it('every changed byte that a checksum covers is found, and nothing of that batch is served', () => {
  const good = batch({ base: 0, values: ['first'] });
  const bad = batch({ base: 1, values: ['second'] });
  for (let at = AT.attributes; at < bad.length; at++) {
    const changed = Buffer.from(bad);
    changed[at] = (changed[at] ?? 0) ^ 4;
    const records = new FetchedRecords('t/0', Buffer.concat([good, changed]), [], 0);
    expect(text(records.take()?.value ?? undefined)).toBe('first');
    expect(() => records.take()).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT', message: expect.stringContaining('t/0') }));
  }
});

it('a length that can not be is damage, not an endless loop', () => {
  const changed = batch({ base: 0, values: ['a'] });
  changed.writeInt32BE(-12, AT.length);
  expect(() => readAll([changed])).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }));
});

function recompressed(codec: number, pack: (plain: Buffer) => Buffer): Buffer {
  const plain = batch({ base: 0, values: ['from', 'another', 'producer'] });
  const packed = Buffer.concat([plain.subarray(0, HEADER_BYTES), pack(plain.subarray(HEADER_BYTES))]);
  packed.writeInt32BE(packed.length - 12, AT.length);
  packed.writeInt16BE(packed.readInt16BE(AT.attributes) | codec, AT.attributes);
  return sealed(packed);
}

it.each([
  ['gzip', 1, gzipSync],
  ['zstd', 4, zstdCompressSync],
] as const)('batches that others compressed with %s are read', (_, codec, pack) => {
  expect(readAll([recompressed(codec, (plain) => pack(plain))]).values).toEqual(['from', 'another', 'producer']);
});

it('batches compressed with a codec that is not known are refused by its number', () => {
  expect(() => readAll([recompressed(6, (plain) => plain)])).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('codec 6') }),
  );
});

it.each([
  ['snappy', 2],
  ['lz4', 3],
] as const)('whatever bytes stand for %s, they end in an error or in records, in bounded time', (_, codec) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      try {
        readAll([recompressed(codec, () => Buffer.from(noise))]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'LOG_CORRUPT' });
      }
    }),
  );
});

it('a compressed batch that is none, or unpacks to more than memory should hold, is damage', () => {
  expect(() => readAll([recompressed(1, () => Buffer.from('not gzip'))])).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }));
  const bomb = gzipSync(Buffer.alloc(300 * 1024 * 1024));
  expect(() => readAll([recompressed(1, () => bomb)])).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }));
});
