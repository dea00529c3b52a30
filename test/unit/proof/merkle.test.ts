import { describe, expect, test } from 'vitest';
import { CompactRange } from '../../../engine/proof/compact-range.ts';
import {
  consistencyPath,
  EMPTY_ROOT,
  inclusionPath,
  leafHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../../engine/proof/merkle.ts';
import { fromBase64, sha256, toBase64, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

const hash = (text: string | null): Uint8Array => fromBase64(text ?? '');
const hashes = (list: readonly string[] | null): Uint8Array[] => (list ?? []).map(hash);
const leaf = (n: number): Uint8Array => leafHash(utf8(`mizu leaf ${n}\n`));
const leaves = (size: number): Uint8Array[] => Array.from({ length: size }, (_, n) => leaf(n));

interface PublishedInclusion {
  readonly file: string;
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string | null;
  readonly leafHash: string | null;
  readonly proof: string[] | null;
  readonly wantErr: boolean;
}
interface PublishedConsistency {
  readonly file: string;
  readonly size1: number;
  readonly size2: number;
  readonly root1: string | null;
  readonly root2: string | null;
  readonly proof: string[] | null;
  readonly wantErr: boolean;
}

describeVectors<{ inclusion: PublishedInclusion[]; consistency: PublishedConsistency[] }>('merkle/published.json', (data) => {
  test('every published inclusion proof gets its verdict', () => {
    everyCase(
      data.inclusion,
      (one) => one.file,
      (one) => {
        const verdict = verifyInclusion({
          index: one.leafIdx,
          size: one.treeSize,
          leafHash: hash(one.leafHash),
          path: hashes(one.proof),
          root: hash(one.root),
        });
        expect(verdict).toBe(!one.wantErr);
      },
    );
  });
  test('every published consistency proof gets its verdict', () => {
    everyCase(
      data.consistency,
      (one) => one.file,
      (one) => {
        const verdict = verifyConsistency({
          size1: one.size1,
          size2: one.size2,
          root1: hash(one.root1),
          root2: hash(one.root2),
          path: hashes(one.proof),
        });
        expect(verdict).toBe(!one.wantErr);
      },
    );
  });
});

describeVectors<{ leafInputsHex: string[]; nodeHashes: string[][]; rootHashes: string[] }>('merkle/eight-leaves.json', (data) => {
  test('the eight-leaf tree has the published hashes and roots', () => {
    const own = data.leafInputsHex.map((hex) => leafHash(Buffer.from(hex, 'hex')));
    expect(own.map(toHex)).toEqual(data.nodeHashes[0]);
    expect(data.rootHashes.map((_, size) => toHex(rootOf(own.slice(0, size))))).toEqual(data.rootHashes);
    expect(data.nodeHashes[1]?.map((_, n) => toHex(rootOf(own.slice(2 * n, 2 * n + 2))))).toEqual(data.nodeHashes[1]);
  });
});

type Expect = 'accept' | 'reject' | 'either';
interface Inclusion {
  readonly id: string;
  readonly why: string;
  readonly expect: Expect;
  readonly leafHash: string;
  readonly leafIndex: number;
  readonly treeSize: number;
  readonly proof: string[];
  readonly root: string;
}
interface Consistency {
  readonly id: string;
  readonly why: string;
  readonly expect: Expect;
  readonly proof: string[];
  readonly root1: string;
  readonly root2: string;
  readonly size1: number;
  readonly size2: number;
}

function expectVerdict(verdict: boolean, wanted: Expect): void {
  if (wanted !== 'either') expect(verdict ? 'accept' : 'reject').toBe(wanted);
}

describeVectors<{ roots: { root: string; size: number }[]; inclusion: Inclusion[]; consistency: Consistency[] }>(
  'merkle/generated.json',
  (data) => {
    test('a growing tree has every generated root on its way', () => {
      const wanted = new Map(data.roots.map((one) => [one.size, one.root]));
      const last = Math.max(...wanted.keys());
      const range = new CompactRange();
      let met = 0;
      for (let size = 0; ; size++) {
        const root = wanted.get(size);
        if (root !== undefined) {
          expect(`${size} ${toBase64(range.root())}`).toBe(`${size} ${root}`);
          met++;
        }
        if (size === last) break;
        range.append(leaf(size));
      }
      expect(met).toBe(data.roots.length);
    });
    test('every generated inclusion proof gets its verdict', () => {
      everyCase(
        data.inclusion,
        (one) => `${one.id} ${one.why}`,
        (one) => {
          const verdict = verifyInclusion({
            index: one.leafIndex,
            size: one.treeSize,
            leafHash: hash(one.leafHash),
            path: hashes(one.proof),
            root: hash(one.root),
          });
          expectVerdict(verdict, one.expect);
        },
      );
    });
    test('every generated consistency proof gets its verdict', () => {
      everyCase(
        data.consistency,
        (one) => `${one.id} ${one.why}`,
        (one) => {
          const verdict = verifyConsistency({
            size1: one.size1,
            size2: one.size2,
            root1: hash(one.root1),
            root2: hash(one.root2),
            path: hashes(one.proof),
          });
          expectVerdict(verdict, one.expect);
        },
      );
    });
    test('our own paths are the generated ones', () => {
      const all = leaves(300);
      const good = data.inclusion.filter((one) => one.why === 'good' && one.treeSize <= 300);
      everyCase(
        good,
        (one) => one.id,
        (one) => expect(inclusionPath(all.slice(0, one.treeSize), one.leafIndex).map(toBase64)).toEqual(one.proof),
      );
      const grown = data.consistency.filter((one) => one.why === 'good' && one.size2 <= 300 && one.size1 > 0);
      everyCase(
        grown,
        (one) => one.id,
        (one) => expect(consistencyPath(all.slice(0, one.size2), one.size1).map(toBase64)).toEqual(one.proof),
      );
    });
  },
);

describe('Merkle trees', () => {
  test('every path of every small tree verifies, and no path verifies for another leaf or root', () => {
    for (let size = 1; size <= 17; size++) {
      const all = leaves(size);
      const root = rootOf(all);
      for (let index = 0; index < size; index++) {
        const proof = { index, size, leafHash: leaf(index), path: inclusionPath(all, index), root };
        expect(verifyInclusion(proof)).toBe(true);
        expect(verifyInclusion({ ...proof, index: BigInt(index), size: BigInt(size) })).toBe(true);
        expect(verifyInclusion({ ...proof, leafHash: leaf(size) })).toBe(false);
        expect(verifyInclusion({ ...proof, root: leaf(0) === root ? leaf(1) : sha256(root) })).toBe(false);
        expect(verifyInclusion({ ...proof, path: [...proof.path, root] })).toBe(false);
        expect(verifyInclusion({ ...proof, path: proof.path.slice(1) })).toBe(proof.path.length === 0);
      }
      for (let from = 1; from <= size; from++) {
        const proof = { size1: from, size2: size, root1: rootOf(all.slice(0, from)), root2: root, path: consistencyPath(all, from) };
        expect(verifyConsistency(proof)).toBe(true);
        expect(verifyConsistency({ ...proof, root1: sha256(root) })).toBe(false);
        expect(verifyConsistency({ ...proof, root2: sha256(root) })).toBe(false);
      }
    }
  });
  test('a path longer than the size allows is refused, even where it leads to the root', () => {
    const [a, b] = [leaf(0), leaf(1)];
    const root = rootOf([a, b]);
    expect(verifyInclusion({ index: 0, size: 2, leafHash: a, path: [b], root })).toBe(true);
    expect(verifyInclusion({ index: 0, size: 1, leafHash: a, path: [b], root })).toBe(false);
    expect(verifyInclusion({ index: 0, size: 1, leafHash: root, path: [], root })).toBe(true);
  });
  test('an incremental tree equals the tree over the whole list, also after it was taken apart and put together', () => {
    let range = new CompactRange();
    expect(range.root()).toEqual(EMPTY_ROOT);
    const all = leaves(70);
    for (let size = 1; size <= all.length; size++) {
      range.append(all[size - 1] ?? EMPTY_ROOT);
      range = CompactRange.of(range.size, range.subtrees);
      expect(range.size).toBe(size);
      expect(toHex(range.root())).toBe(toHex(rootOf(all.slice(0, size))));
    }
    expect(() => CompactRange.of(range.size, range.subtrees.slice(1))).toThrow(/Saved tree/);
    expect(() => CompactRange.of(-1, [])).toThrow(/Saved tree/);
  });
});
