/** Sorts the live records and drops of a task or step into frames, one per partition of the next stage (P10). */
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Drop } from '../proof/effect.ts';
import type { Frame } from '../proof/frame.ts';
import { DIGEST_BYTES, sha256 } from '../proof/sha256.ts';

/** Partition of a key: its first four bytes, big-endian, modulo the partitions. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return Buffer.from(key.buffer, key.byteOffset, 4).readUInt32BE(0) % partitions;
}

/** Where dropped records travel: they have no key, so the candidate spreads them. */
export function partitionOfDrop(i: number, partitions: number): number {
  return i % partitions;
}

export interface FrameRoom {
  readonly records: number;
  readonly bytes: number;
}

/** Hashes spread evenly; what is over the expected is grown for. */
const SPARE = 1.125;

interface Bucket {
  readonly candidates: number[];
  readonly keys: ByteWriter;
  readonly digests: ByteWriter;
  readonly lengths: number[];
  readonly records: ByteWriter;
  readonly drops: Drop[];
}

export class FrameBuilder {
  private readonly buckets: Bucket[];

  /** `room`: records and their bytes that each partition is expected to get. */
  constructor(partitions: number, room: FrameRoom = { records: 0, bytes: 0 }) {
    const digests = room.records * DIGEST_BYTES;
    this.buckets = Array.from({ length: partitions }, () => ({
      candidates: [],
      keys: new ByteWriter(digests),
      digests: new ByteWriter(digests),
      lengths: [],
      records: new ByteWriter(room.bytes),
      drops: [],
    }));
  }

  /** Room for as much again, and an eighth more. */
  get used(): FrameRoom {
    const most = (of: (bucket: Bucket) => number): number => Math.ceil(Math.max(0, ...this.buckets.map(of)) * SPARE);
    return { records: most((bucket) => bucket.lengths.length), bytes: most((bucket) => bucket.records.length) };
  }

  /** `key` undefined: the record's own digest. Records come in ascending order of candidate. */
  addRecord(i: number, record: Uint8Array, key: Uint8Array | undefined, digest: Uint8Array = sha256(record)): void {
    const owner = key ?? digest;
    const bucket = this.bucket(partitionOf(owner, this.buckets.length));
    bucket.candidates.push(i);
    bucket.keys.raw(owner);
    bucket.digests.raw(digest);
    bucket.lengths.push(record.length);
    bucket.records.raw(record);
  }

  addDrop(drop: Drop): void {
    this.bucket(partitionOfDrop(drop.i, this.buckets.length)).drops.push(drop);
  }

  private bucket(partition: number): Bucket {
    return this.buckets[partition] as Bucket;
  }

  /** The frames, whose bytes are the builder's own: it is used up. */
  finish(k: number, from: number): Frame[] {
    return this.buckets.map((bucket, to) => ({
      k,
      from,
      to,
      candidates: Uint32Array.from(bucket.candidates),
      keys: bucket.keys.view(),
      digests: bucket.digests.view(),
      lengths: Uint32Array.from(bucket.lengths),
      records: bucket.records.view(),
      drops: bucket.drops.toSorted((a, b) => a.i - b.i),
    }));
  }

  /** Gives the memory of the frames back: they were encoded. */
  free(): void {
    for (const { keys, digests, records } of this.buckets) for (const writer of [keys, digests, records]) writer.free();
  }
}
