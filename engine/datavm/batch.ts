/**
 * The records of one keyed step: the frames of task k, merged by candidate. They stay encoded until an op of the stage needs
 * their fields; then they become a block, and are encoded again only when they leave.
 */
import { invariant } from '../contract/errors.ts';
import type { KeyedBatch } from '../contract/executor.ts';
import type { Row, Schema } from '../contract/types.ts';
import { sameType } from '../contract/types.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Frame } from '../proof/frame.ts';
import { sha256 } from '../proof/sha256.ts';
import type { Block } from './block.ts';
import { decodeRecords, liveAfter } from './block.ts';

const DIGEST_BYTES = 32;

export class Batch implements KeyedBatch {
  readonly k: number;
  private readonly frames: readonly Frame[];
  /** By row: its frame, its position there, and where its bytes start. */
  private readonly frameOf: Uint32Array;
  private readonly positions: Uint32Array;
  private readonly starts: Uint32Array;
  private readonly schema: Schema;
  /** The last schema that records left in, and whether they leave as they are. */
  private leavingAs: { readonly output: Schema; readonly unchanged: boolean } | undefined;
  /** Candidate index in the run of the task's first candidate. */
  private readonly first: number;
  private readonly writer = new ByteWriter();
  private live: Uint32Array;
  private decoded: Block | undefined;
  /** Whether ops changed the block, so that the frames' bytes are stale. */
  private dirty = false;

  constructor(k: number, frames: readonly Frame[], schema: Schema, first: number) {
    this.k = k;
    this.first = first;
    this.schema = schema;
    this.frames = frames;
    const order = inOrder(frames);
    this.frameOf = order.frameOf;
    this.positions = order.positions;
    this.starts = order.starts;
    this.live = new Uint32Array(this.positions.length);
    for (let row = 0; row < this.live.length; row++) this.live[row] = row;
  }

  get rows(): Uint32Array {
    return this.decoded?.rows ?? this.live;
  }

  candidate(row: number): number {
    return this.frame(row).candidates[this.positions[row] ?? 0] ?? 0;
  }

  key(row: number): Uint8Array {
    const at = (this.positions[row] ?? 0) * DIGEST_BYTES;
    return this.frame(row).keys.subarray(at, at + DIGEST_BYTES);
  }

  digest(row: number): Uint8Array {
    if (this.dirty) return sha256(this.record(row));
    const at = (this.positions[row] ?? 0) * DIGEST_BYTES;
    return this.frame(row).digests.subarray(at, at + DIGEST_BYTES);
  }

  record(row: number): Uint8Array {
    if (this.dirty && this.decoded !== undefined) {
      this.decoded.encodeRow(this.writer, this.decoded.schema, row);
      return this.writer.take();
    }
    const { records, lengths } = this.frame(row);
    const start = this.starts[row] ?? 0;
    return records.subarray(start, start + (lengths[this.positions[row] ?? 0] ?? 0));
  }

  row(row: number): Row {
    return this.block().row(row);
  }

  /** Sets which fields `row` shows. */
  show(fields: readonly string[]): void {
    if (fields.length > 0) this.block().visible = fields;
  }

  /** The records as columns; changes made to the block are this batch's. */
  block(): Block {
    if (this.decoded === undefined) {
      const indices = Uint32Array.from(this.positions, (_, row) => this.candidate(row));
      this.decoded = decodeRecords(this.first, indices, this.schema, (row) => this.record(row));
      const gone = new Uint8Array(this.length).fill(1);
      for (const row of this.live) gone[row] = 0;
      this.decoded.drop(gone);
    }
    return this.decoded;
  }

  markChanged(): void {
    this.dirty = true;
  }

  drop(gone: Uint8Array): void {
    if (this.decoded !== undefined) this.decoded.drop(gone);
    else this.live = liveAfter(this.live, gone);
  }

  get length(): number {
    return this.positions.length;
  }

  /** The record under the schema in which it leaves the stage, with its digest. */
  leaving(row: number, output: Schema): { readonly record: Uint8Array; readonly digest: Uint8Array } {
    if (!this.dirty && this.leavesUnchanged(output)) return { record: this.record(row), digest: this.digest(row) };
    this.block().encodeRow(this.writer, output, row);
    const record = this.writer.take();
    return { record, digest: sha256(record) };
  }

  private leavesUnchanged(output: Schema): boolean {
    if (this.leavingAs?.output !== output) this.leavingAs = { output, unchanged: sameSchema(this.schema, output) };
    return this.leavingAs.unchanged;
  }

  private frame(row: number): Frame {
    const frame = this.frames[this.frameOf[row] ?? 0];
    invariant(frame !== undefined && row < this.length, `the batch has no row ${row}`);
    return frame;
  }
}

/** The records of all frames in order of candidate; each frame is in order already. */
function inOrder(frames: readonly Frame[]): { frameOf: Uint32Array; positions: Uint32Array; starts: Uint32Array } {
  const length = frames.reduce((sum, frame) => sum + frame.candidates.length, 0);
  const order = { frameOf: new Uint32Array(length), positions: new Uint32Array(length), starts: new Uint32Array(length) };
  const rows = rowsInOrder(frames, length);
  let n = 0;
  for (const [f, { candidates, lengths }] of frames.entries()) {
    let start = 0;
    for (let position = 0; position < candidates.length; position++) {
      const row = rows === undefined ? n : (rows[n] ?? 0);
      order.frameOf[row] = f;
      order.positions[row] = position;
      order.starts[row] = start;
      start += lengths[position] ?? 0;
      n++;
    }
  }
  return order;
}

/** The row of each record, counted through the frames; undefined: as they stand. */
function rowsInOrder(frames: readonly Frame[], length: number): Uint32Array | undefined {
  if (frames.length === 1) return undefined;
  // Candidate and count in one number sort as numbers do: tasks have less than 2^17 candidates.
  const sorted = new Float64Array(length);
  let n = 0;
  for (const { candidates } of frames) for (const candidate of candidates) sorted[n] = candidate * length + n++;
  sorted.sort();
  const rows = new Uint32Array(length);
  for (let row = 0; row < length; row++) rows[(sorted[row] ?? 0) % length] = row;
  return rows;
}

function sameSchema(a: Schema, b: Schema): boolean {
  return a.length === b.length && a.every((field, n) => field.name === b[n]?.name && sameType(field.type, b[n].type));
}
