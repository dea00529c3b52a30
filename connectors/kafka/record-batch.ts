/**
 * Record batches, version 2, as Kafka keeps them on disk (documentation, "Record Batch"): written here for one producer and one
 * partition. The layout of the 61 bytes before the records:
 * base offset 8 | length 4 | leader epoch 4 | magic 1 | crc 4 | attributes 2 | last offset delta 4 | first and last timestamp 8 + 8 |
 * producer id 8 | producer epoch 2 | first sequence 4 | records 4
 */
import { zstdCompressSync } from 'node:zlib';
import type { Append } from '#engine';
import type { ProducerIdentity } from './api-transactions.ts';
import { CODEC_ZSTD } from './compression.ts';
import { crc32c } from './crc32c.ts';

export const HEADER_BYTES = 61;
/** At most what a record takes beside key, value and headers: lengths, deltas, counts. */
export const RECORD_BESIDE_BYTES = 24;
export const AT = {
  length: 8,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastDelta: 23,
  firstTimestamp: 27,
  lastTimestamp: 35,
  producer: 43,
  epoch: 51,
  sequence: 53,
  records: 57,
} as const;
/** Bytes before and with the length field, which the length does not count. */
export const BEFORE_LENGTH = 12;
export const MAGIC = 2;
export const TRANSACTIONAL = 16;
export const CONTROL = 32;

export interface BatchOptions {
  readonly producer: ProducerIdentity;
  readonly sequence: number;
  readonly timestamp: number;
  readonly compress: boolean;
  /** Makes the buffer of the batch. */
  readonly allocate: (bytes: number) => Buffer;
}

/** A buffer that is ready to be sent: the values were copied, so callers may use theirs again. */
export function encodeBatch(appends: readonly Append[], options: BatchOptions): Buffer {
  const heads = new EncodedHeaders();
  const sizes = appends.map((append, n) => bodyBytes(append, n, heads));
  const plain = options.allocate(HEADER_BYTES + sizes.reduce((sum, size) => sum + varintBytes(size) + size, 0));
  const out = new RecordWriter(plain, heads);
  for (const [n, append] of appends.entries()) out.record(append, n, sizes[n] ?? 0);
  if (!options.compress) return seal(plain, appends.length, 0, options);
  const packed = zstdCompressSync(plain.subarray(HEADER_BYTES));
  if (packed.length >= plain.length - HEADER_BYTES) return seal(plain, appends.length, 0, options);
  return seal(Buffer.concat([plain.subarray(0, HEADER_BYTES), packed]), appends.length, CODEC_ZSTD, options);
}

function seal(batch: Buffer, records: number, codec: number, { producer, sequence, timestamp }: BatchOptions): Buffer {
  batch.fill(0, 0, HEADER_BYTES);
  batch.writeInt32BE(batch.length - BEFORE_LENGTH, AT.length);
  batch.writeInt8(MAGIC, AT.magic);
  batch.writeInt16BE(TRANSACTIONAL | codec, AT.attributes);
  batch.writeInt32BE(records - 1, AT.lastDelta);
  batch.writeBigInt64BE(BigInt(timestamp), AT.firstTimestamp);
  batch.writeBigInt64BE(BigInt(timestamp), AT.lastTimestamp);
  batch.writeBigInt64BE(producer.id, AT.producer);
  batch.writeInt16BE(producer.epoch, AT.epoch);
  batch.writeInt32BE(sequence, AT.sequence);
  batch.writeInt32BE(records, AT.records);
  batch.writeUInt32BE(crc32c(batch, AT.attributes, batch.length), AT.crc);
  return batch;
}

/** Bytes of a record after its own length. Every record has the timestamp of its batch. */
function bodyBytes({ key, value, headers }: Append, delta: number, heads: EncodedHeaders): number {
  return 2 + varintBytes(delta) + field(key?.length) + field(value.length) + heads.of(headers).length;
}

const NO_HEADERS = Uint8Array.of(0);

/** Headers as records hold them: their count, then names and values. Records of one step share theirs, so each is encoded once. */
class EncodedHeaders {
  readonly #known = new Map<object, Uint8Array>();
  #last: Append['headers'];
  #encoded: Uint8Array = NO_HEADERS;

  of(headers: Append['headers']): Uint8Array {
    if (headers === undefined) return NO_HEADERS;
    if (headers === this.#last) return this.#encoded;
    this.#last = headers;
    this.#encoded = this.#known.get(headers) ?? encodeHeaders(headers);
    this.#known.set(headers, this.#encoded);
    return this.#encoded;
  }
}

function encodeHeaders(headers: NonNullable<Append['headers']>): Uint8Array {
  const texts = Object.entries(headers).flat();
  const bytes = varintBytes(texts.length / 2) + texts.reduce((sum, text) => sum + field(Buffer.byteLength(text)), 0);
  const out = new VarintWriter(Buffer.allocUnsafe(bytes), 0);
  out.varint(texts.length / 2);
  for (const text of texts) out.text(text);
  return out.bytes;
}

function field(length: number | undefined): number {
  return length === undefined ? 1 : varintBytes(length) + length;
}

/** Of a number from 0 on, zigzag: twice the number in groups of 7 bits. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 64; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

class VarintWriter {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  field(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.varint(length);
    this.at += this.bytes.write(text, this.at, length, 'utf8');
  }

  varint(value: number): void {
    let rest = value * 2;
    while (rest > 127) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }
}

class RecordWriter {
  readonly #out: VarintWriter;
  readonly #heads: EncodedHeaders;

  constructor(out: Buffer, heads: EncodedHeaders) {
    this.#out = new VarintWriter(out, HEADER_BYTES);
    this.#heads = heads;
  }

  record({ key, value, headers }: Append, delta: number, size: number): void {
    const out = this.#out;
    out.varint(size);
    out.byte(0);
    out.byte(0);
    out.varint(delta);
    if (key === undefined) out.byte(1);
    else out.field(key);
    out.field(value);
    out.raw(this.#heads.of(headers));
  }
}
