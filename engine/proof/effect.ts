/**
 * Effects: what an op did to one block, as canonical Avro (law 5: a dropped record carries rule, measured value and limit, or
 * error). Only the hash of an effect enters the leaf; a replay computes it again. Schema, in this order:
 * verdicts: bytes (one per record that was live before the op), drops: array of Drop without record bytes, changes: array of
 * {field: string, rows: bytes (u32 little-endian positions), values: bytes (concatenated canonical Avro)}, answers: bytes, delta: bytes, charge: long.
 */
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { MizuError } from '../contract/errors.ts';
import type { Measured } from '../contract/executor.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

export const VERDICT = { kept: 0, rejected: 1, failed: 2, duplicate: 3, flagged: 4 } as const;
export type DropKind = 'rejected' | 'failed' | 'duplicate';
const DROP_KINDS: readonly DropKind[] = ['rejected', 'failed', 'duplicate'];

/** Why a record left the stream. */
export interface DropReason {
  /** Step id. */
  readonly step: string;
  readonly rule: string;
  readonly measured: Measured | undefined;
  readonly limit: Measured | undefined;
  /** For failures: code and message. */
  readonly code: string;
  readonly message: string;
}

/** A record that left the stream, and why. Its bytes are its Avro encoding under the schema before the op (`schemaBefore`). */
export interface Drop extends DropReason {
  readonly kind: DropKind;
  /** Candidate within the task. */
  readonly i: number;
  readonly stage: number;
  /** Place of the op in its stage, kernel ops not counted; −1 where a kernel op dropped it. */
  readonly op: number;
  /** For duplicates: the candidate that won. */
  readonly winner: { readonly k: number; readonly i: number } | undefined;
  readonly record: Uint8Array;
}

function writeMeasured(writer: ByteWriter, value: Measured | undefined): void {
  if (value === undefined) writer.long(0);
  else if (typeof value === 'number') {
    writer.long(1);
    writer.double(value);
  } else {
    writer.long(2);
    writer.string(value);
  }
}

function readMeasured(reader: ByteReader): Measured | undefined {
  const branch = reader.long();
  if (branch === 0) return undefined;
  if (branch === 1) return reader.double();
  if (branch === 2) return reader.string();
  throw new MizuError('BYTES_INVALID', `Dropped record: measured value of branch ${branch}, expected 0 to 2`);
}

/** Avro: {kind: int, i: long, stage: int, op: int, step, rule: string, measured, limit: [null, double, string], code, message: string, winner: [null, {k, i: long}], record: bytes}. */
export function writeDrop(writer: ByteWriter, drop: Drop, withRecord = true): void {
  const read = withRecord ? ReadDrop.bytesOf(drop) : undefined;
  if (read !== undefined) {
    writer.raw(read);
    return;
  }
  writer.long(DROP_KINDS.indexOf(drop.kind));
  writer.long(drop.i);
  writer.long(drop.stage);
  writer.long(drop.op);
  writer.string(drop.step);
  writer.string(drop.rule);
  writeMeasured(writer, drop.measured);
  writeMeasured(writer, drop.limit);
  writer.string(drop.code);
  writer.string(drop.message);
  writer.long(drop.winner === undefined ? 0 : 1);
  if (drop.winner !== undefined) {
    writer.long(drop.winner.k);
    writer.long(drop.winner.i);
  }
  if (withRecord) writer.bytes(drop.record);
}

/** A drop that keeps the bytes that it was read from. They are what would be written of it, as nothing else is read: it travels on unchanged, and is written and hashed several times. */
class ReadDrop implements Drop {
  readonly kind: DropKind;
  readonly i: number;
  readonly stage: number;
  readonly op: number;
  readonly step: string;
  readonly rule: string;
  readonly measured: Measured | undefined;
  readonly limit: Measured | undefined;
  readonly code: string;
  readonly message: string;
  readonly winner: Drop['winner'];
  readonly record: Uint8Array;
  /** Private, so that no copy with another value of a field has them. */
  readonly #bytes: Uint8Array;
  /** The hash of its leaf, once a tree has asked for it. */
  #leafHash: Uint8Array | undefined;

  constructor(reader: ByteReader) {
    const start = reader.position;
    const kind = DROP_KINDS[reader.long()];
    if (kind === undefined) throw new MizuError('BYTES_INVALID', 'Dropped record: its kind is none of rejected, failed, duplicate');
    this.kind = kind;
    this.i = reader.long();
    this.stage = reader.long();
    this.op = reader.long();
    this.step = reader.string();
    this.rule = reader.string();
    this.measured = readMeasured(reader);
    this.limit = readMeasured(reader);
    this.code = reader.string();
    this.message = reader.string();
    this.winner = readWinner(reader);
    this.record = reader.bytes();
    this.#bytes = reader.since(start);
  }

  static bytesOf(drop: Drop): Uint8Array | undefined {
    return #bytes in drop ? drop.#bytes : undefined;
  }

  static leafHashOf(drop: Drop, hash: (drop: Drop) => Uint8Array): Uint8Array | undefined {
    if (!(#bytes in drop)) return undefined;
    drop.#leafHash ??= hash(drop);
    return drop.#leafHash;
  }
}

/** Of a drop that was read, what `hash` gives as the hash of its leaf. It is asked once: the same leaf stands in the tree of the frame and in that of the step that publishes it. */
export function rememberedLeafHash(drop: Drop, hash: (drop: Drop) => Uint8Array): Uint8Array | undefined {
  return ReadDrop.leafHashOf(drop, hash);
}

/** @throws BYTES_INVALID for anything that `writeDrop` would not write. */
export function readDrop(reader: ByteReader): Drop {
  return new ReadDrop(reader);
}

function readWinner(reader: ByteReader): Drop['winner'] {
  const branch = reader.long();
  if (branch === 0) return undefined;
  if (branch === 1) return { k: reader.long(), i: reader.long() };
  throw new MizuError('BYTES_INVALID', `Dropped record: winner of branch ${branch}, expected 0 or 1`);
}

/** One for all drops: a writer for each costs more than what it writes. */
const SCRATCH = new ByteWriter();

export function encodeDrop(drop: Drop): Uint8Array {
  SCRATCH.clear();
  writeDrop(SCRATCH, drop);
  return SCRATCH.take();
}

export function decodeDrop(bytes: Uint8Array): Drop {
  const reader = new ByteReader(bytes);
  const drop = readDrop(reader);
  if (!reader.done) throw new MizuError('BYTES_INVALID', 'Dropped record: bytes are left over');
  return drop;
}

export interface FieldChange {
  readonly field: string;
  /** Positions among the rows of the block. */
  readonly rows: Uint32Array;
  /** Concatenated canonical Avro values. */
  readonly values: Uint8Array;
}

export interface Effect {
  readonly verdicts: Uint8Array;
  readonly drops: readonly Drop[];
  readonly changes: readonly FieldChange[];
  /** External answers: per row u32 position, u32 draw, H(request), H(response). */
  readonly answers: Uint8Array;
  /** A keyed op's delta to its state. */
  readonly delta: Uint8Array;
  readonly charge: number;
}

const LITTLE_ENDIAN = endianness() === 'LE';

/** Bytes of a u32 array, little-endian on every platform. */
export function u32Bytes(values: Uint32Array): Uint8Array {
  if (LITTLE_ENDIAN) return Buffer.copyBytesFrom(values);
  const out = Buffer.allocUnsafe(values.length * 4);
  for (let n = 0; n < values.length; n++) out.writeUInt32LE(values[n] ?? 0, n * 4);
  return out;
}

export function u32FromBytes(bytes: Uint8Array): Uint32Array {
  const out = new Uint32Array(bytes.length >> 2);
  if (LITTLE_ENDIAN) {
    new Uint8Array(out.buffer).set(bytes.subarray(0, out.byteLength));
    return out;
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let n = 0; n < out.length; n++) out[n] = buffer.readUInt32LE(n * 4);
  return out;
}

export function encodeEffect(effect: Effect): Uint8Array {
  const parts: Uint8Array[] = [];
  writeEffect(effect, (part) => parts.push(Buffer.from(part)));
  return Buffer.concat(parts);
}

/** SHA-256 of the encoded effect. Large values are hashed where they are. */
export function hashEffect(effect: Effect): Uint8Array {
  const state = createHash('sha256');
  writeEffect(effect, (part) => state.update(part));
  return state.digest();
}

/** Gives the encoding part by part; a part is valid until `put` returns. */
function writeEffect(effect: Effect, put: (part: Uint8Array) => void): void {
  const writer = new ByteWriter();
  const large = (bytes: Uint8Array): void => {
    writer.long(bytes.length);
    put(writer.view());
    writer.clear();
    put(bytes);
  };
  writer.bytes(effect.verdicts);
  if (effect.drops.length > 0) writer.long(effect.drops.length);
  for (const drop of effect.drops) writeDrop(writer, drop, false);
  writer.long(0);
  if (effect.changes.length > 0) writer.long(effect.changes.length);
  for (const change of effect.changes) {
    writer.string(change.field);
    writer.bytes(u32Bytes(change.rows));
    large(change.values);
  }
  writer.long(0);
  writer.bytes(effect.answers);
  large(effect.delta);
  writer.long(effect.charge);
  put(writer.view());
}
