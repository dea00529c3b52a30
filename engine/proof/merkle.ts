/**
 * Merkle trees (RFC 6962 section 2.1): leaf = H(00 ‖ entry), node = H(01 ‖ left ‖ right). Roots bind every leaf and its place;
 * paths show one leaf, or that a log only grew. Verifying follows RFC 9162 sections 2.1.3.2 and 2.1.4.2.
 */
import { MizuError } from '../contract/errors.ts';
import { DIGEST_BYTES, equalBytes, sha256 } from './sha256.ts';

/** Root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

const LEAF_PREFIX = Uint8Array.of(0);
const nodeScratch = Buffer.allocUnsafeSlow(1 + 2 * DIGEST_BYTES);
nodeScratch[0] = 1;

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(LEAF_PREFIX, entry);
}

/** `left` and `right`: 32 bytes each. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeScratch.set(left, 1);
  nodeScratch.set(right, 1 + DIGEST_BYTES);
  return sha256(nodeScratch);
}

/** Root over leaf hashes (not entries). */
export function rootOf(leafHashes: readonly Uint8Array[]): Uint8Array {
  return rangeRoot(leafHashes, 0, leafHashes.length);
}

function rangeRoot(leafHashes: readonly Uint8Array[], from: number, to: number): Uint8Array {
  if (from === to) return EMPTY_ROOT;
  const size = to - from;
  if (size === 1) return at(leafHashes, from);
  const k = splitPoint(size);
  return nodeHash(rangeRoot(leafHashes, from, from + k), rangeRoot(leafHashes, from + k, to));
}

function at(hashes: readonly Uint8Array[], index: number): Uint8Array {
  const hash = hashes[index];
  if (hash === undefined) throw new MizuError('INTERNAL', `Merkle tree: hash ${index} of ${hashes.length} was asked for`);
  return hash;
}

/** Leaves `from` up to, not including, `to`. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** The subtrees whose roots make up the path of leaf `index`, from the leaf up (RFC 6962 section 2.1.1). @throws INTERNAL for an index outside the tree. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new MizuError('INTERNAL', `Merkle tree of ${size} leaves has no leaf ${index}`);
  }
  const ranges: LeafRange[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + splitPoint(to - from);
    if (index < middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
    }
  }
  return ranges.reverse();
}

/** The subtrees of a consistency path from size `old` (1 to `size`) to `size` (RFC 6962 section 2.1.2). @throws INTERNAL. */
export function consistencyRanges(old: number, size: number): LeafRange[] {
  if (!Number.isSafeInteger(old) || old < 1 || old > size) {
    throw new MizuError('INTERNAL', `A tree of ${size} leaves has no consistency path from size ${old}`);
  }
  const ranges: LeafRange[] = [];
  let from = 0;
  let to = size;
  while (old < to) {
    const middle = from + splitPoint(to - from);
    if (old <= middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
    }
  }
  // Where the older tree is one whole subtree from leaf 0, the verifier has its root already.
  if (from > 0) ranges.push({ from, to });
  return ranges.reverse();
}

/** Largest power of two below n (n > 1): where RFC 6962 splits a tree of n leaves. */
export function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** Path of leaf `index`, from the leaf up. */
export function inclusionPath(leafHashes: readonly Uint8Array[], index: number): Uint8Array[] {
  return inclusionRanges(index, leafHashes.length).map(({ from, to }) => rangeRoot(leafHashes, from, to));
}

/** Proof that the tree of all leaves extends that of the first `from`. `from`: 1 to the size. */
export function consistencyPath(leafHashes: readonly Uint8Array[], from: number): Uint8Array[] {
  return consistencyRanges(from, leafHashes.length).map((range) => rangeRoot(leafHashes, range.from, range.to));
}

export interface InclusionProof {
  readonly index: number | bigint;
  readonly size: number | bigint;
  readonly leafHash: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Numbers of leaves may pass 2^53 in a foreign checkpoint, so they are counted exactly. */
function whole(n: number | bigint): bigint | undefined {
  if (typeof n === 'bigint') return n >= 0n ? n : undefined;
  return Number.isInteger(n) && n >= 0 ? BigInt(n) : undefined;
}

function allHashes(...lists: (readonly Uint8Array[])[]): boolean {
  return lists.every((list) => list.every((hash) => hash.length === DIGEST_BYTES));
}

/** True if the leaf stands at `index` of the tree with this size and root (RFC 9162 section 2.1.3.2). Never throws. */
export function verifyInclusion(proof: InclusionProof): boolean {
  const index = whole(proof.index);
  const size = whole(proof.size);
  if (index === undefined || size === undefined || index >= size) return false;
  if (!allHashes(proof.path, [proof.leafHash, proof.root])) return false;
  let node = index;
  let last = size - 1n;
  let hash = proof.leafHash;
  for (const sibling of proof.path) {
    if (last === 0n) return false;
    if ((node & 1n) === 1n || node === last) {
      hash = nodeHash(sibling, hash);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else hash = nodeHash(hash, sibling);
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n && equalBytes(hash, proof.root);
}

export interface ConsistencyProof {
  /** Size of the older tree, at least 1. */
  readonly size1: number | bigint;
  readonly size2: number | bigint;
  readonly root1: Uint8Array;
  readonly root2: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** True if the newer tree begins with all leaves of the older one (RFC 9162 section 2.1.4.2). Size 0 proves nothing: false. Never throws. */
export function verifyConsistency(proof: ConsistencyProof): boolean {
  const size1 = whole(proof.size1);
  const size2 = whole(proof.size2);
  if (size1 === undefined || size2 === undefined || size1 === 0n || size1 > size2) return false;
  // Equal sizes: the published vectors compare the roots as they are, whatever their length.
  if (size1 === size2) return proof.path.length === 0 && equalBytes(proof.root1, proof.root2);
  if (!allHashes(proof.path, [proof.root1, proof.root2])) return false;
  // A power of two is a whole subtree of the newer tree, so its root is not repeated in the path.
  const path = (size1 & (size1 - 1n)) === 0n ? [proof.root1, ...proof.path] : proof.path;
  const [first] = path;
  if (first === undefined || proof.path.length === 0) return false;
  let node = size1 - 1n;
  let last = size2 - 1n;
  while ((node & 1n) === 1n) {
    node >>= 1n;
    last >>= 1n;
  }
  let older = first;
  let newer = first;
  for (const sibling of path.slice(1)) {
    if (last === 0n) return false;
    if ((node & 1n) === 1n || node === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else newer = nodeHash(newer, sibling);
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n && equalBytes(older, proof.root1) && equalBytes(newer, proof.root2);
}
