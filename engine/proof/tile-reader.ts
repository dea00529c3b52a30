/**
 * Proofs from tile files (c2sp.org/tlog-tiles): each path needs O(log n) files, read by a callback, so the same code serves a folder,
 * a web server or a test. What is read is not trusted: a proof counts only after it was verified against a checkpoint.
 */
import { MizuError } from '../contract/errors.ts';
import type { LeafRange } from './merkle.ts';
import { consistencyRanges, EMPTY_ROOT, inclusionRanges, nodeHash, rootOf, splitPoint } from './merkle.ts';
import { decodeBundle, decodeTile, TILE_WIDTH, tilePath } from './tiles.ts';

const TILE_HEIGHT = 8;
/** Tiles kept in memory, 8 KB each. */
const TILE_CACHE_LIMIT = 64;

/** Gives the bytes of a file; undefined if there is none. */
export type ReadTile = (path: string) => Promise<Uint8Array | undefined>;

/** Height of the perfect tree of 2^height leaves. */
function heightOf(leaves: number): number {
  let height = 0;
  for (let rest = leaves; rest > 1; rest /= 2) height++;
  return height;
}

export class TileReader {
  private readonly read: ReadTile;
  private readonly size: number;
  /** Hashes of tiles read, oldest first. Owned by this reader. */
  private readonly tiles = new Map<string, readonly Uint8Array[]>();

  /** `size`: leaves of the checkpoint that proofs are made for. */
  constructor(read: ReadTile, size: number) {
    this.read = read;
    this.size = size;
  }

  /** Root of the first `size` leaves (default: all). */
  async root(size = this.size): Promise<Uint8Array> {
    return size === 0 ? EMPTY_ROOT : await this.rangeRoot({ from: 0, to: size });
  }

  /** Path of leaf `index`, from the leaf up. @throws NOT_FOUND when a file is missing, PROOF_INVALID when one has a wrong size. */
  async inclusionPath(index: number): Promise<Uint8Array[]> {
    return await this.roots(inclusionRanges(index, this.size));
  }

  /** Proof that this tree extends the one of `from` leaves (1 to size). */
  async consistencyPath(from: number): Promise<Uint8Array[]> {
    return await this.roots(consistencyRanges(from, this.size));
  }

  async leafHash(index: number): Promise<Uint8Array> {
    return await this.node(0, index);
  }

  /** The entry itself, not checked against its leaf hash. */
  async entry(index: number): Promise<Uint8Array> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) {
      throw new MizuError('NOT_FOUND', `A log of ${this.size} entries has no entry ${index}`);
    }
    const bundle = Math.floor(index / TILE_WIDTH);
    const entries = decodeBundle(...(await this.file('entries', bundle, this.widthOf(0, bundle))));
    const entry = entries[index % TILE_WIDTH];
    if (entry === undefined) throw new MizuError('PROOF_INVALID', `Entry ${index} is missing in its bundle`);
    return entry;
  }

  private async roots(ranges: readonly LeafRange[]): Promise<Uint8Array[]> {
    const roots: Uint8Array[] = [];
    for (const range of ranges) roots.push(await this.rangeRoot(range));
    return roots;
  }

  /** A whole aligned subtree is one node; any other range is split where RFC 6962 splits it. */
  private async rangeRoot({ from, to }: LeafRange): Promise<Uint8Array> {
    const leaves = to - from;
    const half = leaves > 1 ? splitPoint(leaves) : 0;
    if (half * 2 === leaves || leaves === 1) return await this.node(heightOf(leaves), from / leaves);
    return nodeHash(await this.rangeRoot({ from, to: from + half }), await this.rangeRoot({ from: from + half, to }));
  }

  /** Node `index` of a height: the root over leaves [index·2^height, (index+1)·2^height). */
  private async node(height: number, index: number): Promise<Uint8Array> {
    const level = Math.floor(height / TILE_HEIGHT);
    const span = 1 << (height % TILE_HEIGHT);
    const first = index * span;
    const tile = Math.floor(first / TILE_WIDTH);
    const hashes = await this.tile(level, tile);
    const start = first - tile * TILE_WIDTH;
    if (start + span > hashes.length)
      throw new MizuError('NOT_FOUND', `A log of ${this.size} leaves has no node ${index} of height ${height}`);
    return rootOf(hashes.slice(start, start + span));
  }

  private widthOf(level: number, tile: number): number {
    let atLevel = this.size;
    for (let n = 0; n < level; n++) atLevel = Math.floor(atLevel / TILE_WIDTH);
    return Math.max(0, Math.min(TILE_WIDTH, atLevel - tile * TILE_WIDTH));
  }

  private async tile(level: number, index: number): Promise<readonly Uint8Array[]> {
    const key = `${level}/${index}`;
    const known = this.tiles.get(key);
    if (known !== undefined) return known;
    const width = this.widthOf(level, index);
    const [bytes, found] = await this.file(level, index, width);
    const hashes = decodeTile(bytes, found).slice(0, width);
    if (this.tiles.size >= TILE_CACHE_LIMIT) {
      const [oldest] = this.tiles.keys();
      if (oldest !== undefined) this.tiles.delete(oldest);
    }
    this.tiles.set(key, hashes);
    return hashes;
  }

  /** A file and its width; where a log has grown on, the partial file may have given way to the full one. */
  private async file(level: number | 'entries', index: number, width: number): Promise<[Uint8Array, number]> {
    if (width === 0) throw new MizuError('NOT_FOUND', `A log of ${this.size} leaves has no tile ${tilePath(level, index)}`);
    const wanted = await this.read(tilePath(level, index, width));
    if (wanted !== undefined) return [wanted, width];
    const full = width === TILE_WIDTH ? undefined : await this.read(tilePath(level, index));
    if (full === undefined) throw new MizuError('NOT_FOUND', `Tile file ${tilePath(level, index, width)} is missing`);
    return [full, TILE_WIDTH];
  }
}
