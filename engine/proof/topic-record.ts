/**
 * A record of an external topic as the source hands it over and the leaf commits to it (P13): where it stood and everything that it held, in
 * one form. uvarint partition ‖ uvarint offset ‖ long timestamp ‖ key ‖ headers ‖ value. Key and header values: 00, or 01 ‖ bytes. Headers:
 * uvarint count, then string name and value each. Value: 00 (tombstone), 01 ‖ the rest, or 02 ‖ uvarint length ‖ SHA-256 where it was too long to be taken.
 */
import { MizuError } from '../contract/errors.ts';
import type { ExternalRecord } from '../contract/source.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { sha256 } from './sha256.ts';

/**
 * Longest record of a topic, key and headers included, that is taken whole: Kafka's default limit is 1 MiB. Of a longer one only length and
 * digest are taken; it fails by itself, and its bytes stay where it stood.
 */
export const TOPIC_RECORD_LIMIT_BYTES = 4 * 1024 * 1024;

/** One for all records: a writer for each costs more than what it writes. Nothing is awaited between its clear and take. */
const SCRATCH = new ByteWriter();

const ABSENT = 0;
const PRESENT = 1;
const TOO_LONG = 2;

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array | undefined;
  /** A view; undefined for a tombstone. */
  readonly value: Uint8Array | undefined;
  /** Where it was too long to be taken: its length and digest. */
  readonly tooLong: { readonly bytes: number; readonly sha256: Uint8Array } | undefined;
}

export function encodeTopicRecord(partition: number, record: ExternalRecord): Uint8Array {
  SCRATCH.clear();
  writeTopicRecord(SCRATCH, partition, record);
  return SCRATCH.take();
}

export function writeTopicRecord(writer: ByteWriter, partition: number, record: ExternalRecord): void {
  const { value } = record;
  const held = (record.key?.length ?? 0) + record.headers.reduce((sum, [name, bytes]) => sum + name.length + (bytes?.length ?? 0), 0);
  const tooLong = held + (value?.length ?? 0) > TOPIC_RECORD_LIMIT_BYTES;
  // What stands beside the value may be what is too long: then nothing but places and digests is taken.
  const bare = tooLong && held > TOPIC_RECORD_LIMIT_BYTES / 2;
  writer.uvarint(partition);
  writer.uvarint(record.offset);
  writer.long(record.timestampMs);
  optional(writer, bare ? undefined : record.key);
  const headers = bare ? [] : record.headers;
  writer.uvarint(headers.length);
  for (const [name, bytes] of headers) {
    writer.string(name);
    optional(writer, bytes);
  }
  if (tooLong) {
    writer.byte(TOO_LONG);
    writer.uvarint(value?.length ?? 0);
    writer.raw(sha256(value ?? new Uint8Array(0)));
  } else if (value === undefined) writer.byte(ABSENT);
  else {
    writer.byte(PRESENT);
    writer.raw(value);
  }
}

/** @throws BYTES_INVALID. */
export function decodeTopicRecord(bytes: Uint8Array): TopicRecord {
  const reader = new ByteReader(bytes);
  const partition = reader.uvarint();
  const offset = reader.uvarint();
  const timestampMs = reader.long();
  const key = readOptional(reader);
  for (let n = reader.uvarint(); n > 0; n--) {
    reader.textBytes();
    readOptional(reader);
  }
  const head = { partition, offset, timestampMs, key };
  const kind = reader.byte();
  if (kind === PRESENT) return { ...head, value: reader.fixed(reader.remaining), tooLong: undefined };
  const tooLong = kind === TOO_LONG ? { bytes: reader.uvarint(), sha256: reader.fixed(32) } : undefined;
  if (kind > TOO_LONG || !reader.done)
    throw new MizuError('BYTES_INVALID', `A record of a topic ends wrongly (kind ${kind}, ${reader.remaining} bytes left)`);
  return { ...head, value: undefined, tooLong };
}

function optional(writer: ByteWriter, bytes: Uint8Array | undefined): void {
  writer.byte(bytes === undefined ? ABSENT : PRESENT);
  if (bytes !== undefined) writer.bytes(bytes);
}

function readOptional(reader: ByteReader): Uint8Array | undefined {
  const kind = reader.byte();
  if (kind > PRESENT) throw new MizuError('BYTES_INVALID', `A record of a topic holds a mark ${kind} where 0 or 1 was expected`);
  return kind === ABSENT ? undefined : reader.bytes();
}
