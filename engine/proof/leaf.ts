/**
 * Leaves: the proof record of one op over one block (law 2). A leaf names no network, attempt or node, so the tree is the same
 * whoever did the work and on whichever log. Commitments chain: output = SHA-256(input ‖ op digest ‖ SHA-256(effect)).
 */
import { MizuError } from '../contract/errors.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { sha256 } from './sha256.ts';

export const LEAF_VERSION = 1;
const DIGEST_BYTES = 32;

export interface LeafCounts {
  readonly in: number;
  readonly kept: number;
  /** Records of which at least one existing field changed. */
  readonly changed: number;
  readonly rejected: number;
  readonly failed: number;
  readonly duplicates: number;
  readonly flagged: number;
}

export interface Leaf {
  /** Digest of the program, 32 bytes. */
  readonly program: Uint8Array;
  readonly stage: number;
  /** −1 for a task, which has no partition. */
  readonly partition: number;
  readonly k: number;
  /** Number of the block in its task; the count of blocks for ops over the whole task or step. */
  readonly block: number;
  /** Place in the stage, from 0, kernel ops included. */
  readonly op: number;
  /** Step id, or the name of a kernel op. */
  readonly step: string;
  readonly opDigest: Uint8Array;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  readonly counts: LeafCounts;
  readonly gas: number;
  /** Chained hash of a keyed op's state after this step. */
  readonly state: Uint8Array | undefined;
  /** RFC 6962 root: over frame roots for `shuffle`, over published entries for `publish`. */
  readonly root: Uint8Array | undefined;
}

export function outputCommitment(input: Uint8Array, opDigest: Uint8Array, effectHash: Uint8Array): Uint8Array {
  return sha256(input, opDigest, effectHash);
}

function writeOptionalDigest(writer: ByteWriter, digest: Uint8Array | undefined): void {
  writer.long(digest === undefined ? 0 : 1);
  if (digest !== undefined) writer.raw(digest);
}

/** Avro record in field order of `Leaf`; digests are fixed(32), `state` and `root` are [null, fixed(32)]. */
export function encodeLeaf(leaf: Leaf): Uint8Array {
  const writer = new ByteWriter();
  writer.long(LEAF_VERSION);
  writer.raw(leaf.program);
  writer.long(leaf.stage);
  writer.long(leaf.partition);
  writer.long(leaf.k);
  writer.long(leaf.block);
  writer.long(leaf.op);
  writer.string(leaf.step);
  writer.raw(leaf.opDigest);
  writer.raw(leaf.input);
  writer.raw(leaf.output);
  const { counts } = leaf;
  for (const n of [counts.in, counts.kept, counts.changed, counts.rejected, counts.failed, counts.duplicates, counts.flagged])
    writer.long(n);
  writer.long(leaf.gas);
  writeOptionalDigest(writer, leaf.state);
  writeOptionalDigest(writer, leaf.root);
  return writer.take();
}

function readOptionalDigest(reader: ByteReader): Uint8Array | undefined {
  const branch = reader.long();
  if (branch !== 0 && branch !== 1) throw new MizuError('BYTES_INVALID', `Leaf: union branch ${branch} does not exist`);
  return branch === 1 ? reader.fixed(DIGEST_BYTES) : undefined;
}

/** @throws BYTES_INVALID for anything that `encodeLeaf` would not write. */
export function decodeLeaf(bytes: Uint8Array): Leaf {
  const reader = new ByteReader(bytes);
  const version = reader.long();
  if (version !== LEAF_VERSION) throw new MizuError('BYTES_INVALID', `Leaf has version ${version}, this program reads ${LEAF_VERSION}`);
  const leaf: Leaf = {
    program: reader.fixed(DIGEST_BYTES),
    stage: reader.long(),
    partition: reader.long(),
    k: reader.long(),
    block: reader.long(),
    op: reader.long(),
    step: reader.string(),
    opDigest: reader.fixed(DIGEST_BYTES),
    input: reader.fixed(DIGEST_BYTES),
    output: reader.fixed(DIGEST_BYTES),
    counts: {
      in: reader.long(),
      kept: reader.long(),
      changed: reader.long(),
      rejected: reader.long(),
      failed: reader.long(),
      duplicates: reader.long(),
      flagged: reader.long(),
    },
    gas: reader.long(),
    state: readOptionalDigest(reader),
    root: readOptionalDigest(reader),
  };
  if (!reader.done) throw new MizuError('BYTES_INVALID', 'Leaf has bytes left over');
  return leaf;
}
