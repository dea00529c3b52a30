/**
 * The records of one keyed step: the frames of task k, merged by candidate. They stay encoded until an op of the stage needs
 * their fields; then they become a block, and are encoded again only when they leave.
 */
import { invariant } from '../contract/errors.ts';
import type { KeyedBatch } from '../contract/operator.ts';
import type { Row, Schema } from '../contract/types.ts';
import { sameType } from '../contract/types.ts';
import { ByteWriter } from '../proof/bytes.ts';
import type { Frame } from '../proof/frame.ts';
import { sha256 } from '../proof/sha256.ts';
import type { Block } from './block.ts';
import { decodeRecords } from './block.ts';

const DIGEST_BYTES = 32;

interface Place {
  readonly frame: Frame;
  readonly position: number;
  readonly start: number;
}

export class Batch implements KeyedBatch {
  readonly k: number;
  private readonly places: readonly Place[];
  private readonly schema: Schema;
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
    const places: Place[] = [];
    for (const frame of frames) {
      let start = 0;
      for (let position = 0; position < frame.candidates.length; position++) {
        places.push({ frame, position, start });
        start += frame.lengths[position] ?? 0;
      }
    }
    if (frames.length > 1) places.sort((a, b) => (a.frame.candidates[a.position] ?? 0) - (b.frame.candidates[b.position] ?? 0));
    this.places = places;
    this.live = Uint32Array.from(places, (_, row) => row);
  }

  get rows(): Uint32Array {
    return this.decoded?.rows ?? this.live;
  }

  candidate(row: number): number {
    const { frame, position } = this.place(row);
    return frame.candidates[position] ?? 0;
  }

  key(row: number): Uint8Array {
    const { frame, position } = this.place(row);
    return frame.keys.subarray(position * DIGEST_BYTES, (position + 1) * DIGEST_BYTES);
  }

  digest(row: number): Uint8Array {
    if (this.dirty) return sha256(this.record(row));
    const { frame, position } = this.place(row);
    return frame.digests.subarray(position * DIGEST_BYTES, (position + 1) * DIGEST_BYTES);
  }

  record(row: number): Uint8Array {
    if (this.dirty && this.decoded !== undefined) {
      this.decoded.encodeRow(this.writer, this.decoded.schema, row);
      return this.writer.take();
    }
    const { frame, position, start } = this.place(row);
    return frame.records.subarray(start, start + (frame.lengths[position] ?? 0));
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
      const indices = Uint32Array.from(this.places, (_, row) => this.candidate(row));
      this.decoded = decodeRecords(this.first, indices, this.schema, (row) => this.record(row));
      const gone = new Uint8Array(this.places.length).fill(1);
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
    else this.live = this.live.filter((row) => gone[row] === 0);
  }

  get length(): number {
    return this.places.length;
  }

  /** The record under the schema in which it leaves the stage, with its digest. */
  leaving(row: number, output: Schema): { readonly record: Uint8Array; readonly digest: Uint8Array } {
    if (!this.dirty && sameSchema(this.schema, output)) return { record: this.record(row), digest: this.digest(row) };
    this.block().encodeRow(this.writer, output, row);
    const record = this.writer.take();
    return { record, digest: sha256(record) };
  }

  private place(row: number): Place {
    const place = this.places[row];
    invariant(place !== undefined, `the batch has no row ${row}`);
    return place;
  }
}

function sameSchema(a: Schema, b: Schema): boolean {
  return a.length === b.length && a.every((field, n) => field.name === b[n]?.name && sameType(field.type, b[n].type));
}
