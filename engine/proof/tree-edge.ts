/**
 * The right edge of a tree: the partial files of its tiles. They hold every hash that a later leaf can meet, and the entries of the unfinished bundle, so a tree of
 * any size goes on from at most 8 hash tiles and one bundle. They show their own truth: their hashes make the root, their entries make the hashes.
 */
import { MizuError } from '../contract/errors.ts';
import { CompactRange } from './compact-range.ts';
import { leafHash, rootOf } from './merkle.ts';
import { equalBytes } from './sha256.ts';
import { decodeBundle, decodeTile, TILE_WIDTH, TileBuilder, tilePath } from './tiles.ts';

export interface TreeEdge {
  readonly tree: CompactRange;
  readonly tiles: TileBuilder;
}

/**
 * Goes on from the files that `TileBuilder.finish` gave at this size, by path. The caller compares the root with one that he trusts.
 * @throws PROOF_INVALID when a file is missing, has a wrong size, or holds entries of other leaves.
 */
export function openEdge(size: number, files: ReadonlyMap<string, Uint8Array>): TreeEdge {
  const file = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (bytes === undefined) throw new MizuError('PROOF_INVALID', `The edge of a tree of ${size} leaves lacks ${path}`);
    return bytes;
  };
  const tiles = levels(size).map(({ path, width }) => (path === undefined ? [] : decodeTile(file(path), width)));
  const bundle = size % TILE_WIDTH === 0 ? [] : decodeBundle(file(bundlePath(size)), size % TILE_WIDTH);
  bundle.forEach((entry, n) => {
    const hash = tiles[0]?.[n];
    if (hash === undefined || !equalBytes(leafHash(entry), hash))
      throw new MizuError('PROOF_INVALID', `${bundlePath(size)}: entry ${n} is not the one that the tree was made of`);
  });
  const frontier = tiles.toReversed().flatMap(subtrees);
  return { tree: CompactRange.of(size, frontier), tiles: TileBuilder.goOn(size, tiles, bundle) };
}

interface Level {
  /** Undefined for a level whose last tile is full, or empty. */
  readonly path: string | undefined;
  readonly width: number;
}

/** From the leaves up. */
function levels(size: number): Level[] {
  const found: Level[] = [];
  for (let count = size; count > 0; count = Math.floor(count / TILE_WIDTH)) {
    const width = count % TILE_WIDTH;
    found.push({ path: width === 0 ? undefined : tilePath(found.length, Math.floor(count / TILE_WIDTH), width), width });
  }
  return found;
}

function bundlePath(size: number): string {
  return tilePath('entries', Math.floor(size / TILE_WIDTH), size % TILE_WIDTH);
}

/** Roots of the perfect subtrees that make up the hashes of one tile, largest first: one for each 1 bit of their number. */
function subtrees(hashes: readonly Uint8Array[]): Uint8Array[] {
  const roots: Uint8Array[] = [];
  for (let span = TILE_WIDTH / 2, at = 0; span >= 1; span /= 2) {
    if (hashes.length - at < span) continue;
    roots.push(rootOf(hashes.slice(at, at + span)));
    at += span;
  }
  return roots;
}
