/**
 * Frames: what task k (or an upstream partition) sends to one shuffle partition, possibly nothing (P10). Records stay final Avro
 * bytes with digest and length, so that a keyed stage reads 32 bytes and copies. Dropped records travel along, since only
 * the publishing stage may write their topics (P3). The RFC 6962 root over a frame's entries is what proofs go through (P11).
 */
import { invariant, MizuError } from '../contract/errors.ts';
import { ByteParts } from './byte-parts.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { Drop } from './effect.ts';
import { encodeDrop, readDrop, rememberedLeafHash, u32Bytes, u32FromBytes, writeDrop } from './effect.ts';
import { leafHash, rootOf } from './merkle.ts';
import { RootBuilder } from './root-builder.ts';
import { sha256 } from './sha256.ts';

const DIGEST_BYTES = 32;
const FRAME_VERSION = 1;
/** What a frame takes beside the bytes of its records, about: once, for each record, for each drop. */
const FRAME_HEAD_BYTES = 64;
const RECORD_BYTES = 4 + 4 + 2 * DIGEST_BYTES;
const DROP_HEAD_BYTES = 128;
/** First byte of an entry: what became of the record. */
const RECORD_ENTRY = 0;
const DROP_ENTRY = 1;
const PUBLISHED_ENTRY = 2;
const RECORD_ENTRY_BYTES = 1 + 4 + 2 * DIGEST_BYTES;
const PUBLISHED_ENTRY_BYTES = 1 + 4 + DIGEST_BYTES;

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
  const entry = Buffer.allocUnsafe(RECORD_ENTRY_BYTES);
  entry[0] = RECORD_ENTRY;
  entry.writeUInt32BE(i, 1);
  entry.set(key, 5);
  entry.set(digest, 5 + DIGEST_BYTES);
  return entry;
}

/** Entry of a published record in its publish leaf's tree: 02 ‖ u32 big-endian i ‖ digest. The key is not needed to check it. */
export function publishedEntry(i: number, digest: Uint8Array): Uint8Array {
  const entry = Buffer.allocUnsafe(PUBLISHED_ENTRY_BYTES);
  entry[0] = PUBLISHED_ENTRY;
  entry.writeUInt32BE(i, 1);
  entry.set(digest, 5);
  return entry;
}

/** Entry of a dropped record: 01 ‖ its Avro bytes. */
export function dropEntry(drop: Drop): Uint8Array {
  return Buffer.concat([Buffer.of(DROP_ENTRY), encodeDrop(drop)]);
}

const LEAF_PREFIX = 0;
/** In a leaf: after its prefix, the entry's first byte and the candidate. */
const KEY_PLACE = 1 + 1 + 4;

/** The tree over what a frame or a published step holds: the same root as over the entries above, without making them. */
export class EntryTree {
  private readonly builder = new RootBuilder();
  private writer: ByteWriter | undefined;

  /** Records that were passed on, each with its key and digest. */
  addPassed(candidates: Uint32Array, keys: Uint8Array, digests: Uint8Array): void {
    const { builder } = this;
    const keyWords = viewOf(keys);
    const digestWords = viewOf(digests);
    for (let n = 0; n < candidates.length; n++) {
      const at = this.open(1 + RECORD_ENTRY_BYTES, RECORD_ENTRY, candidates[n] ?? 0);
      const { leaves } = builder;
      // Four bytes at a time: views to copy from take longer.
      for (let word = 0; word < DIGEST_BYTES; word += 4) {
        leaves.setInt32(at + word, keyWords.getInt32(n * DIGEST_BYTES + word));
        leaves.setInt32(at + DIGEST_BYTES + word, digestWords.getInt32(n * DIGEST_BYTES + word));
      }
    }
  }

  addPublished(i: number, digest: Uint8Array): void {
    const at = this.open(1 + PUBLISHED_ENTRY_BYTES, PUBLISHED_ENTRY, i);
    const { leaves } = this.builder;
    for (let byte = 0; byte < DIGEST_BYTES; byte++) leaves.setUint8(at + byte, digest[byte] as number);
  }

  addDrop(drop: Drop): void {
    const known = rememberedLeafHash(drop, (read) => sha256(this.dropLeaf(read)));
    if (known === undefined) this.builder.add(this.dropLeaf(drop));
    else this.builder.addHash(known);
  }

  /** Valid until the next one. */
  private dropLeaf(drop: Drop): Uint8Array {
    this.writer ??= new ByteWriter();
    const { writer } = this;
    writer.clear();
    writer.byte(LEAF_PREFIX);
    writer.byte(DROP_ENTRY);
    writeDrop(writer, drop);
    return writer.view();
  }

  /** Begins a leaf of a record. @returns where its digests go. */
  private open(length: number, kind: number, i: number): number {
    const { builder } = this;
    const at = builder.open(length);
    const { leaves } = builder;
    leaves.setUint8(at, LEAF_PREFIX);
    leaves.setUint8(at + 1, kind);
    leaves.setUint32(at + 2, i);
    return at + KEY_PLACE;
  }

  /** The root; the tree is used up. */
  finish(): Uint8Array {
    return this.builder.finish();
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function frameRoot(frame: Frame): Uint8Array {
  const tree = new EntryTree();
  tree.addPassed(frame.candidates, frame.keys, frame.digests);
  for (const drop of frame.drops) tree.addDrop(drop);
  return tree.finish();
}

/** Root over the frame roots of one task or step, in order of partition. */
export function rootOfFrames(roots: readonly Uint8Array[]): Uint8Array {
  return rootOf(roots.map(leafHash));
}

/** Avro record: version, k, from, to: long; candidates, keys, digests, lengths, records: bytes; drops: array of Drop. */
export function encodeFrame(frame: Frame): Uint8Array {
  const [bytes] = encodeFrames([frame]);
  invariant(bytes !== undefined, 'a frame has bytes');
  return bytes;
}

/** Each as `encodeFrame`, all of them on one buffer. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array[] {
  const parts = new ByteParts(frames.reduce((sum, frame) => sum + encodedBytes(frame), 0));
  for (const frame of frames) parts.add((writer) => writeFrame(writer, frame));
  return parts.take();
}

/** About as many as it takes, and seldom less. */
function encodedBytes(frame: Frame): number {
  let bytes = FRAME_HEAD_BYTES + frame.records.length + frame.candidates.length * RECORD_BYTES;
  for (const { record } of frame.drops) bytes += DROP_HEAD_BYTES + record.length;
  return bytes;
}

function writeFrame(writer: ByteWriter, frame: Frame): void {
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
  let total = 0;
  for (const length of lengths) total += length;
  const sized = keys.length === candidates.length * DIGEST_BYTES && digests.length === keys.length && lengths.length === candidates.length;
  if (!sized || total !== records.length || !reader.done)
    throw new MizuError('BYTES_INVALID', `Frame of task ${head.k}: its parts do not fit together`);
  return { ...head, candidates, keys, digests, lengths, records, drops };
}
