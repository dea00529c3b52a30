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
  const sizes = appends.map((append, n) => bodyBytes(append, n));
  const plain = options.allocate(HEADER_BYTES + sizes.reduce((sum, size) => sum + varintBytes(size) + size, 0));
  const out = new RecordWriter(plain);
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
function bodyBytes({ key, value, headers }: Append, delta: number): number {
  let bytes = 2 + varintBytes(delta) + field(key?.length) + field(value.length);
  const entries = headers === undefined ? [] : Object.entries(headers);
  bytes += varintBytes(entries.length);
  for (const [name, text] of entries) bytes += field(Buffer.byteLength(name)) + field(Buffer.byteLength(text));
  return bytes;
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

class RecordWriter {
  readonly #out: Buffer;
  #at = HEADER_BYTES;

  constructor(out: Buffer) {
    this.#out = out;
  }

  record({ key, value, headers }: Append, delta: number, size: number): void {
    this.#varint(size);
    this.#byte(0);
    this.#byte(0);
    this.#varint(delta);
    if (key === undefined) this.#byte(1);
    else this.#bytes(key);
    this.#bytes(value);
    const entries = headers === undefined ? [] : Object.entries(headers);
    this.#varint(entries.length);
    for (const [name, text] of entries) {
      this.#text(name);
      this.#text(text);
    }
  }

  #bytes(bytes: Uint8Array): void {
    this.#varint(bytes.length);
    this.#out.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #text(text: string): void {
    const length = Buffer.byteLength(text);
    this.#varint(length);
    this.#at += this.#out.write(text, this.#at, length, 'utf8');
  }

  #varint(value: number): void {
    let rest = value * 2;
    while (rest > 127) {
      this.#byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.#byte(rest);
  }

  #byte(value: number): void {
    this.#out[this.#at++] = value;
  }
}
