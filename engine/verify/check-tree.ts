/**
 * The tree against what was signed and stored: every signed head is a prefix of the tree that the leaves make, and the tile files of
 * each head are those of that tree. Keeps a digest for each file (one in 256 leaves), not its bytes.
 */
import { messageOf } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Checkpoint } from '../proof/checkpoint.ts';
import { openCheckpoint, parseCheckpoint } from '../proof/checkpoint.ts';
import { CompactRange } from '../proof/compact-range.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { leafHash } from '../proof/merkle.ts';
import type { NoteKey } from '../proof/note.ts';
import { parseNote } from '../proof/note.ts';
import { equalBytes, fromUtf8, sha256, toHex } from '../proof/sha256.ts';
import type { TileFile } from '../proof/tiles.ts';
import { decodeBundle, leavesUpTo, parseTilePath, TILE_WIDTH, TileBuilder } from '../proof/tiles.ts';
import { readAll } from '../runtime/log-cursor.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { placeOf } from './check-leaves.ts';
import type { Report } from './report.ts';

interface Stored {
  readonly digest: Uint8Array;
  readonly offset: Offset;
  seen: boolean;
}

interface Head {
  readonly where: string;
  readonly checkpoint: Checkpoint;
}

export interface TreeCheckOptions {
  readonly log: Log;
  readonly topics: RunTopics;
  /** Network, name and generation of the run: the origin its checkpoints must have. */
  readonly origin: string;
  readonly key: NoteKey;
  readonly report: Report;
  /** Heads from this offset on, and what stands under them, came after the moment that is looked at; undefined: the run has ended. */
  readonly until: number | undefined;
}

export class TreeCheck {
  private readonly options: TreeCheckOptions;
  private readonly tree = new CompactRange();
  private readonly builder = new TileBuilder();
  private readonly stored: ReadonlyMap<string, Stored>;
  /** Not yet reached, ascending by size. */
  private readonly heads: Head[];
  private readonly newest: Head | undefined;
  private differing: TileFile | undefined;
  /** Tile files compared. */
  files = 0;
  /** Signed heads compared. */
  signed = 0;

  private constructor(options: TreeCheckOptions, heads: Head[], stored: ReadonlyMap<string, Stored>) {
    this.options = options;
    this.stored = stored;
    this.newest = heads.at(-1);
    this.heads = heads.toSorted((a, b) => (a.checkpoint.size < b.checkpoint.size ? -1 : a.checkpoint.size > b.checkpoint.size ? 1 : 0));
  }

  static async open(options: TreeCheckOptions): Promise<TreeCheck> {
    const check = new TreeCheck(options, await readHeads(options), await readTiles(options));
    check.compareHeads();
    return check;
  }

  get size(): number {
    return this.tree.size;
  }

  /** Root of the leaves so far, hexadecimal. */
  get root(): string {
    return toHex(this.tree.root());
  }

  append(leaf: Uint8Array): void {
    this.tree.append(leafHash(leaf));
    for (const file of this.builder.append(leaf)) this.compareFile(file);
    this.compareHeads();
  }

  /** Call after the last leaf. */
  async finish(): Promise<void> {
    const { report } = this.options;
    await this.nameLeaf();
    const size = this.newest?.checkpoint.size;
    if (size === undefined) report('checkpoint', 'the run has no signed checkpoint under this key');
    else if (size !== BigInt(this.size)) {
      report(this.newest?.where ?? 'checkpoint', `the newest checkpoint signs ${size} leaves, the log has ${this.size}`);
    } else {
      for (const [path, file] of this.stored)
        if (!file.seen && !this.isBeyond(path)) report(path, 'the tile file is of no signed tree of this run');
    }
  }

  /** Tiles of a tree that still grows: they are committed with their head, or before it. */
  private isBeyond(path: string): boolean {
    const tile = this.options.until === undefined ? undefined : parseTilePath(path);
    return tile !== undefined && leavesUpTo(tile) > this.size;
  }

  private compareHeads(): void {
    for (let head = this.heads[0]; head?.checkpoint.size === BigInt(this.size); head = this.heads[0]) {
      this.heads.shift();
      this.signed++;
      const root = this.tree.root();
      if (!equalBytes(head.checkpoint.root, root)) {
        this.options.report(
          head.where,
          `the checkpoint signs root ${toHex(head.checkpoint.root)} of ${this.size} leaves; the leaves on the log have root ${toHex(root)}`,
        );
      }
      for (const file of this.builder.finish()) this.compareFile(file);
    }
  }

  private compareFile(file: TileFile): void {
    const stored = this.stored.get(file.path);
    if (stored === undefined) {
      this.options.report(file.path, 'the tile file is missing');
      return;
    }
    if (!stored.seen) this.files++;
    stored.seen = true;
    if (equalBytes(stored.digest, sha256(file.bytes))) return;
    if (this.differing === undefined && parseTilePath(file.path)?.level === 'entries') this.differing = file;
    this.options.report(file.path, 'the tile file is not the one that the leaves make');
  }

  /** Names the first leaf in which the proofs topic and an entry bundle differ: one of the two was changed. */
  private async nameLeaf(): Promise<void> {
    const { differing } = this;
    const tile = differing === undefined ? undefined : parseTilePath(differing.path);
    if (differing === undefined || tile === undefined) return;
    const { log, topics, report } = this.options;
    const { entries } = await log.read(topics.tiles, 0, this.stored.get(differing.path)?.offset as Offset, { maxEntries: 1 });
    try {
      const mine = decodeBundle(differing.bytes, tile.width);
      const theirs = decodeBundle(entries[0]?.value ?? new Uint8Array(0), tile.width);
      const n = mine.findIndex((leaf, at) => !equalBytes(leaf, theirs[at] ?? new Uint8Array(0)));
      const leaf = mine[n];
      if (leaf !== undefined)
        report(placeOf(decodeLeaf(leaf)), `leaf ${tile.index * TILE_WIDTH + n}: the proofs and ${differing.path} hold different bytes`);
    } catch (error) {
      report(differing.path, messageOf(error));
    }
  }
}

async function readHeads({ log, topics, origin, key, report, until }: TreeCheckOptions): Promise<Head[]> {
  const heads: Head[] = [];
  for await (const entry of readAll(log, topics.checkpoints, 0, offset(0), until)) {
    const where = `${topics.checkpoints}, offset ${entry.offset}`;
    try {
      const claimed = parseCheckpoint(parseNote(entry.value).text).origin;
      if (claimed !== origin) {
        report(where, `the checkpoint is of '${claimed}', not of '${origin}'`);
        continue;
      }
      const checkpoint = openCheckpoint(entry.value, { key, origin });
      const before = heads.at(-1);
      if (before !== undefined && checkpoint.size < before.checkpoint.size) {
        report(where, `a head of ${checkpoint.size} leaves was signed after one of ${before.checkpoint.size}`);
      }
      if (entry.headers['size'] !== String(checkpoint.size))
        report(where, `its header says ${entry.headers['size']} leaves, the checkpoint ${checkpoint.size}`);
      heads.push({ where, checkpoint });
    } catch (error) {
      report(where, messageOf(error));
    }
  }
  return heads;
}

async function readTiles({ log, topics, report }: TreeCheckOptions): Promise<Map<string, Stored>> {
  const stored = new Map<string, Stored>();
  for await (const entry of readAll(log, topics.tiles, 0)) {
    const where = `${topics.tiles}, offset ${entry.offset}`;
    try {
      const path = fromUtf8(entry.key ?? new Uint8Array(0));
      const digest = sha256(entry.value);
      const before = stored.get(path);
      if (before === undefined) stored.set(path, { digest, offset: entry.offset, seen: false });
      else if (!equalBytes(before.digest, digest)) report(where, `${path} has another content than at offset ${before.offset}`);
    } catch (error) {
      report(where, messageOf(error));
    }
  }
  return stored;
}
