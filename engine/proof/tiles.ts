/**
 * The tree as static files (c2sp.org/tlog-tiles): hash tiles of height 8 and bundles of 256 entries, so that any file server
 * is a log server. Built in one pass over the entries with at most 256 hashes a level and 256 entries in memory (law 6).
 */
import { MizuError } from '../contract/errors.ts';
import { leafHash, rootOf } from './merkle.ts';
import { DIGEST_BYTES } from './sha256.ts';

/** Hashes in a full tile, entries in a full bundle: 2^8. */
export const TILE_WIDTH = 256;
/** Highest level a path may name. */
const LEVEL_LIMIT = 63;
/** Lengths in a bundle are u16. */
export const ENTRY_LIMIT_BYTES = 0xffff;
const INDEX_GROUPS_LIMIT = 5;

export interface TileId {
  readonly level: number | 'entries';
  /** Number of the tile in its level, below 10^15. */
  readonly index: number;
  /** 256 for a full tile, 1 to 255 for a partial one. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, `tile/entries/273.p/112`. */
export function tilePath(level: number | 'entries', index: number, width = TILE_WIDTH): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g) ?? [];
  const name = groups.map((group, n) => (n < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** Reads a path; undefined for anything that `tilePath` would not write. */
export function parseTilePath(path: string): TileId | undefined {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  const [, levelText, indexText, widthText] = match ?? [];
  if (levelText === undefined || indexText === undefined || indexText.split('/').length > INDEX_GROUPS_LIMIT) return undefined;
  const level = levelText === 'entries' ? 'entries' : Number(levelText);
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText);
  const index = Number(indexText.replaceAll(/[x/]/g, ''));
  if (width < 1 || width > TILE_WIDTH || (level !== 'entries' && level > LEVEL_LIMIT)) return undefined;
  return tilePath(level, index, width) === path ? { level, index, width } : undefined;
}

/** Leaves of the smallest tree that has the tile: the number after the last leaf under it. */
export function leavesUpTo({ level, index, width }: TileId): number {
  let leaves = index * TILE_WIDTH + width;
  for (let below = level === 'entries' ? 0 : level; below > 0; below--) leaves *= TILE_WIDTH;
  return leaves;
}

export interface TileFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Turns a stream of entries into tile files. State: per level the hashes of its unfinished tile, and the entries of the unfinished
 * bundle; a full tile leaves its root to the level above. `finish` may be called after any entry: what it gives has its width in its path.
 */
export class TileBuilder {
  private count = 0;
  private readonly levels: Uint8Array[][] = [];
  private bundle: Uint8Array[] = [];

  /** A builder that has taken `size` entries. `levels`: from the leaves up, the hashes of each unfinished tile; `bundle`: entries of the unfinished bundle. */
  static goOn(size: number, levels: readonly (readonly Uint8Array[])[], bundle: readonly Uint8Array[]): TileBuilder {
    const builder = new TileBuilder();
    builder.count = size;
    builder.levels.push(...levels.map((tile) => [...tile]));
    builder.bundle = [...bundle];
    return builder;
  }

  /** Entries so far. */
  get size(): number {
    return this.count;
  }

  /** @returns the files that this entry completes. @throws LOG_LIMIT for an entry beyond 65,535 bytes, which no bundle can hold. */
  append(entry: Uint8Array): TileFile[] {
    if (entry.length > ENTRY_LIMIT_BYTES) {
      throw new MizuError(
        'LOG_LIMIT',
        `Entry ${this.count} has ${entry.length} bytes; a tile log holds entries up to ${ENTRY_LIMIT_BYTES}`,
      );
    }
    const files: TileFile[] = [];
    this.bundle.push(entry);
    this.count++;
    if (this.bundle.length === TILE_WIDTH) {
      files.push({ path: tilePath('entries', this.count / TILE_WIDTH - 1), bytes: encodeBundle(this.bundle) });
      this.bundle = [];
    }
    let hash: Uint8Array | undefined = leafHash(entry);
    let perTile = TILE_WIDTH;
    for (let level = 0; hash !== undefined; level++, perTile *= TILE_WIDTH) {
      const tile: Uint8Array[] = this.levels[level] ?? [];
      this.levels[level] = tile;
      tile.push(hash);
      hash = undefined;
      if (tile.length === TILE_WIDTH) {
        files.push({ path: tilePath(level, this.count / perTile - 1), bytes: Buffer.concat(tile) });
        // With memory of its own: it stays for long, and a view would hold all of Node's pool (64 KiB) that it was cut from.
        hash = new Uint8Array(rootOf(tile));
        this.levels[level] = [];
      }
    }
    return files;
  }

  /** The partial files of a log that ends here. */
  finish(): TileFile[] {
    const files: TileFile[] = [];
    const index = (perTile: number): number => Math.floor(this.count / perTile);
    if (this.bundle.length > 0) {
      files.push({ path: tilePath('entries', index(TILE_WIDTH), this.bundle.length), bytes: encodeBundle(this.bundle) });
    }
    let perTile = TILE_WIDTH;
    this.levels.forEach((tile, level) => {
      if (tile.length > 0) files.push({ path: tilePath(level, index(perTile), tile.length), bytes: Buffer.concat(tile) });
      perTile *= TILE_WIDTH;
    });
    return files;
  }
}

/** Entries, each after its length as u16 big-endian. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) parts.push(Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry);
  return Buffer.concat(parts);
}

/** Reads a bundle of exactly `width` entries. @throws PROOF_INVALID. */
export function decodeBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    const end = at + 2 + length;
    if (end > bytes.length) throw new MizuError('PROOF_INVALID', `Entry bundle is cut in entry ${entries.length}`);
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (entries.length !== width)
    throw new MizuError('PROOF_INVALID', `Entry bundle holds ${entries.length} entries, ${width} were expected`);
  return entries;
}

/** Hashes of a tile of exactly `width`. @throws PROOF_INVALID. */
export function decodeTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * DIGEST_BYTES) {
    throw new MizuError('PROOF_INVALID', `Hash tile has ${bytes.length} bytes, ${width * DIGEST_BYTES} were expected`);
  }
  return Array.from({ length: width }, (_, n) => bytes.subarray(n * DIGEST_BYTES, (n + 1) * DIGEST_BYTES));
}
