/** A tree goes on from the partial files of any of its heads, and from nothing else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompactRange } from '../../../engine/proof/compact-range.ts';
import { leafHash } from '../../../engine/proof/merkle.ts';
import { toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { type TileFile, TileBuilder } from '../../../engine/proof/tiles.ts';
import { openEdge } from '../../../engine/proof/tree-edge.ts';

const entry = (n: number): Uint8Array => utf8(`leaf ${n}`);
const filesOf = (files: readonly TileFile[]): Map<string, Uint8Array> => new Map(files.map(({ path, bytes }) => [path, bytes]));
const plain = (files: readonly TileFile[]) => files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString('base64')]);

function grow(tree: CompactRange, tiles: TileBuilder, from: number, to: number): TileFile[] {
  const made: TileFile[] = [];
  for (let n = from; n < to; n++) {
    tree.append(leafHash(entry(n)));
    made.push(...tiles.append(entry(n)));
  }
  return made;
}

function grown(size: number): { readonly tree: CompactRange; readonly tiles: TileBuilder } {
  const tree = new CompactRange();
  const tiles = new TileBuilder();
  grow(tree, tiles, 0, size);
  return { tree, tiles };
}

describe('a tree that goes on from the partial files of a head', () => {
  /** Around each boundary of bundle and level, and anywhere. */
  const sizes = fc.oneof(fc.constantFrom(0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792), fc.nat(3_000));

  it('has the root and the files of one that was never left', () => {
    fc.assert(
      fc.property(sizes, fc.nat(600), (size, more) => {
        const whole = grown(size);
        const edge = openEdge(size, filesOf(whole.tiles.finish()));
        expect(toHex(edge.tree.root())).toBe(toHex(whole.tree.root()));
        expect(plain(grow(edge.tree, edge.tiles, size, size + more))).toEqual(plain(grow(whole.tree, whole.tiles, size, size + more)));
        expect(toHex(edge.tree.root())).toBe(toHex(whole.tree.root()));
        expect(plain(edge.tiles.finish())).toEqual(plain(whole.tiles.finish()));
      }),
      { numRuns: 30 },
    );
  });

  it('is refused when a file is missing, has another width, or holds an entry that its hashes are not of', () => {
    const files = filesOf(grown(700).tiles.finish());
    expect([...files.keys()]).toEqual(['tile/entries/002.p/188', 'tile/0/002.p/188', 'tile/1/000.p/2']);
    for (const path of files.keys()) {
      const without = new Map(files);
      without.delete(path);
      expect(() => openEdge(700, without)).toThrow(`lacks ${path}`);
      const cut = new Map(files).set(path, files.get(path)?.subarray(0, -32) ?? new Uint8Array(0));
      expect(() => openEdge(700, cut)).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }));
    }
    const bundle = Uint8Array.from(files.get('tile/entries/002.p/188') ?? []);
    bundle[bundle.length - 1] = 0;
    expect(() => openEdge(700, new Map(files).set('tile/entries/002.p/188', bundle))).toThrow('entry 187 is not the one');
  });

  it('has another root when a hash was changed', () => {
    const { tree, tiles } = grown(700);
    const files = filesOf(tiles.finish());
    const level1 = Uint8Array.from(files.get('tile/1/000.p/2') ?? []);
    level1[0] = (level1[0] ?? 0) ^ 1;
    expect(toHex(openEdge(700, files.set('tile/1/000.p/2', level1)).tree.root())).not.toBe(toHex(tree.root()));
  });
});
