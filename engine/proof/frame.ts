/**
 * Frames: what task k (or an upstream partition) sends to one shuffle partition, possibly nothing (P10). Records stay final Avro
 * bytes with digest and length, so that a keyed stage reads 32 bytes and copies. Dropped records travel along, since only
 * the publishing stage may write their topics (P3). The RFC 6962 root over a frame's entries is what proofs go through (P11).
 */
import { MizuError } from '../contract/errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Drop } from './effect.ts';
import { encodeDrop, readDrop, u32Bytes, u32FromBytes, writeDrop } from './effect.ts';
import { leafHash, rootOf } from './merkle.ts';

const DIGEST_BYTES = 32;
const FRAME_VERSION = 1;

export interface Frame {
  readonly k: number;
  /** Upstream partition; 0 for a task. */
  readonly from: number;
  readonly to: number;
  /** Candidate within the task, ascending. */
  readonly candidates: Uint32Array;
  /** count × 32 bytes. */
  readonly keys: Uint8Array;
  readonly digests: Uint8Array;
  readonly lengths: Uint32Array;
  /** Records' Avro bytes, concatenated. */
  readonly records: Uint8Array;
  readonly drops: readonly Drop[];
}

/** Entry of a passed record in a frame's tree: 00 ‖ u32 big-endian i ‖ key ‖ digest. */
export function recordEntry(i: number, key: Uint8Array, digest: Uint8Array): Uint8Array {
  const entry = Buffer.allocUnsafe(1 + 4 + 2 * DIGEST_BYTES);
  entry[0] = 0;
  entry.writeUInt32BE(i, 1);
  entry.set(key, 5);
  entry.set(digest, 5 + DIGEST_BYTES);
  return entry;
}

/** Entry of a published record in its publish leaf's tree: 02 ‖ u32 big-endian i ‖ digest. The key is not needed to check it. */
export function publishedEntry(i: number, digest: Uint8Array): Uint8Array {
  const entry = Buffer.allocUnsafe(1 + 4 + DIGEST_BYTES);
  entry[0] = 2;
  entry.writeUInt32BE(i, 1);
  entry.set(digest, 5);
  return entry;
}

/** Entry of a dropped record: 01 ‖ its Avro bytes. */
export function dropEntry(drop: Drop): Uint8Array {
  return Buffer.concat([Buffer.of(1), encodeDrop(drop)]);
}

export function frameEntries(frame: Frame): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let n = 0; n < frame.candidates.length; n++) {
    const at = n * DIGEST_BYTES;
    entries.push(
      recordEntry(frame.candidates[n] ?? 0, frame.keys.subarray(at, at + DIGEST_BYTES), frame.digests.subarray(at, at + DIGEST_BYTES)),
    );
  }
  for (const drop of frame.drops) entries.push(dropEntry(drop));
  return entries;
}

export function frameRoot(frame: Frame): Uint8Array {
  return rootOf(frameEntries(frame).map(leafHash));
}

/** Root over the frame roots of one task or step, in order of partition. */
export function rootOfFrames(roots: readonly Uint8Array[]): Uint8Array {
  return rootOf(roots.map(leafHash));
}

/** Avro record: version, k, from, to: long; candidates, keys, digests, lengths, records: bytes; drops: array of Drop. */
export function encodeFrame(frame: Frame): Uint8Array {
  const writer = new ByteWriter(frame.records.length + frame.candidates.length * 80 + 64);
  writer.long(FRAME_VERSION);
  writer.long(frame.k);
  writer.long(frame.from);
  writer.long(frame.to);
  writer.bytes(u32Bytes(frame.candidates));
  writer.bytes(frame.keys);
  writer.bytes(frame.digests);
  writer.bytes(u32Bytes(frame.lengths));
  writer.bytes(frame.records);
  if (frame.drops.length > 0) writer.long(frame.drops.length);
  for (const drop of frame.drops) writeDrop(writer, drop);
  writer.long(0);
  return writer.take();
}

/** @throws BYTES_INVALID when lengths do not fit together. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const reader = new ByteReader(bytes);
  const version = reader.long();
  if (version !== FRAME_VERSION) throw new MizuError('BYTES_INVALID', `Frame has version ${version}, this program reads ${FRAME_VERSION}`);
  const head = { k: reader.long(), from: reader.long(), to: reader.long() };
  const candidates = u32FromBytes(reader.bytes());
  const keys = reader.bytes();
  const digests = reader.bytes();
  const lengths = u32FromBytes(reader.bytes());
  const records = reader.bytes();
  const drops: Drop[] = [];
  for (let count = reader.long(); count !== 0; count = reader.long()) {
    if (count < 0) throw new MizuError('BYTES_INVALID', 'Frame: block of drops in a form that is never written');
    for (let n = 0; n < count; n++) drops.push(readDrop(reader));
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const sized = keys.length === candidates.length * DIGEST_BYTES && digests.length === keys.length && lengths.length === candidates.length;
  if (!sized || total !== records.length || !reader.done)
    throw new MizuError('BYTES_INVALID', `Frame of task ${head.k}: its parts do not fit together`);
  return { ...head, candidates, keys, digests, lengths, records, drops };
}
