/**
 * A Merkle tree that only grows, in O(log n) memory (law 6). State: the roots of the perfect subtrees that make up the leaves so
 * far, largest first, one for each 1 bit of the size. That suffices, as a new leaf joins equal subtrees from the right.
 */
import { MizuError } from '../contract/errors.ts';
import { EMPTY_ROOT, nodeHash } from './merkle.ts';

export class CompactRange {
  private count = 0;
  private readonly frontier: Uint8Array[] = [];

  /** A tree of `size` leaves from the roots of its subtrees, largest first. @throws BYTES_INVALID when there are not as many as the size has 1 bits. */
  static of(size: number, subtrees: readonly Uint8Array[]): CompactRange {
    const expected = [...size.toString(2)].filter((bit) => bit === '1').length;
    if (!Number.isSafeInteger(size) || size < 0 || subtrees.length !== expected)
      throw new MizuError('BYTES_INVALID', `Saved tree: ${subtrees.length} subtrees don't make a tree of ${size} leaves`);
    const range = new CompactRange();
    range.count = size;
    range.frontier.push(...subtrees);
    return range;
  }

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

  /** Roots of the subtrees, largest first: `of` goes on from them. */
  get subtrees(): readonly Uint8Array[] {
    return this.frontier;
  }
}
