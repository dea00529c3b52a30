/**
 * How a message names its schema: the Confluent wire format (00 ‖ u32 big-endian schema id ‖ Avro), as plain Kafka consumers expect,
 * and Avro's single-object encoding (C3 01 ‖ CRC-64-AVRO little-endian ‖ Avro). Neither is part of a record's digest (P11).
 */
import { MizuError } from '../contract/errors.ts';
import type { ByteWriter } from './byte-writer.ts';
import { asBuffer, concatBytes, equalBytes } from './sha256.ts';

export const CONFLUENT_HEAD_BYTES = 5;
const CONFLUENT_MAGIC = 0;
const SINGLE_OBJECT_MARKER = Uint8Array.of(0xc3, 0x01);
const FINGERPRINT_BYTES = 8;

/** `schemaId`: 0 to 2^32−1. */
export function confluentFrame(schemaId: number, body: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(CONFLUENT_HEAD_BYTES + body.length);
  framed[0] = CONFLUENT_MAGIC;
  framed.writeUInt32BE(schemaId, 1);
  framed.set(body, CONFLUENT_HEAD_BYTES);
  return framed;
}

/** As `confluentFrame`, among others. */
export function writeConfluentFrame(writer: ByteWriter, schemaId: number, body: Uint8Array): void {
  writer.byte(CONFLUENT_MAGIC);
  for (let shift = 24; shift >= 0; shift -= 8) writer.byte((schemaId >>> shift) & 255);
  writer.raw(body);
}

/** Schema id and a view on the Avro bytes. @throws BYTES_INVALID. */
export function readConfluentFrame(bytes: Uint8Array): { readonly schemaId: number; readonly body: Uint8Array } {
  if (bytes.length < CONFLUENT_HEAD_BYTES)
    throw new MizuError('BYTES_INVALID', `Confluent frame: ${bytes.length} bytes are fewer than its head of 5`);
  if (bytes[0] !== CONFLUENT_MAGIC) throw new MizuError('BYTES_INVALID', `Confluent frame: the first byte is ${bytes[0]}, 0 was expected`);
  return { schemaId: asBuffer(bytes).readUInt32BE(1), body: bytes.subarray(CONFLUENT_HEAD_BYTES) };
}

/** `fingerprint`: 8 bytes as `schemaFingerprint` gives them. */
export function singleObject(fingerprint: Uint8Array, body: Uint8Array): Uint8Array {
  return concatBytes(SINGLE_OBJECT_MARKER, fingerprint, body);
}

/** Fingerprint and a view on the Avro bytes. @throws BYTES_INVALID. */
export function readSingleObject(bytes: Uint8Array): { readonly fingerprint: Uint8Array; readonly body: Uint8Array } {
  const head = SINGLE_OBJECT_MARKER.length + FINGERPRINT_BYTES;
  if (bytes.length < head)
    throw new MizuError('BYTES_INVALID', `Single-object encoding: ${bytes.length} bytes are fewer than its head of ${head}`);
  if (!equalBytes(bytes.subarray(0, 2), SINGLE_OBJECT_MARKER))
    throw new MizuError('BYTES_INVALID', 'Single-object encoding: it must begin with C3 01');
  return { fingerprint: bytes.subarray(2, head), body: bytes.subarray(head) };
}
