/**
 * A Merkle tree that only grows, in O(log n) memory (law 6). State: the roots of the perfect subtrees that make up the leaves so
 * far, largest first, one for each 1 bit of the size. That suffices, as a new leaf joins equal subtrees from the right.
 */
import { MizuError } from '../contract/errors.ts';
import { EMPTY_ROOT, nodeHash } from './merkle.ts';
import { DIGEST_BYTES } from './sha256.ts';

const SIZE_BYTES = 8;

export class CompactRange {
  private count = 0;
  private readonly frontier: Uint8Array[] = [];

  /** Leaves so far. */
  get size(): number {
    return this.count;
  }

  /** `leafHash`: 32 bytes, see `leafHash()`. */
  append(leafHash: Uint8Array): void {
    let node = leafHash;
    for (let rest = this.count; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      const left = this.frontier.pop();
      if (left === undefined) throw new MizuError('INTERNAL', `Compact range of ${this.count} leaves lacks a subtree`);
      node = nodeHash(left, node);
    }
    this.frontier.push(node);
    this.count++;
  }

  /** Root of the tree of all leaves so far (RFC 6962 section 2.1). */
  root(): Uint8Array {
    return (
      this.frontier.reduceRight<Uint8Array | undefined>((right, left) => (right === undefined ? left : nodeHash(left, right)), undefined) ??
      EMPTY_ROOT
    );
  }

  /** u64 big-endian size ‖ subtree roots, largest first. */
  save(): Uint8Array {
    const head = Buffer.alloc(SIZE_BYTES);
    head.writeBigUInt64BE(BigInt(this.count));
    return Buffer.concat([head, ...this.frontier]);
  }

  /** Goes on from `save()`. @throws BYTES_INVALID when the bytes don't fit the size. */
  static load(state: Uint8Array): CompactRange {
    const bytes = Buffer.from(state);
    const size = bytes.length < SIZE_BYTES ? -1 : Number(bytes.readBigUInt64BE());
    const subtrees = size < 0 ? 0 : [...size.toString(2)].filter((bit) => bit === '1').length;
    if (!Number.isSafeInteger(size) || size < 0 || bytes.length !== SIZE_BYTES + subtrees * DIGEST_BYTES) {
      throw new MizuError('BYTES_INVALID', `Saved tree: ${bytes.length} bytes don't hold a tree of ${size} leaves`);
    }
    const range = new CompactRange();
    range.count = size;
    for (let at = SIZE_BYTES; at < bytes.length; at += DIGEST_BYTES) range.frontier.push(bytes.subarray(at, at + DIGEST_BYTES));
    return range;
  }
}
