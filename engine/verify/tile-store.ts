/** The tree's tile files as the log keeps them, and as a static folder that any C2SP client can read. */
import { MizuError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import { parseNote } from '../proof/note.ts';
import { fromUtf8 } from '../proof/sha256.ts';
import type { ReadTile } from '../proof/tile-reader.ts';
import type { TileFile, TileId } from '../proof/tiles.ts';
import { leavesUpTo, parseTilePath, TILE_WIDTH } from '../proof/tiles.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { RunTopics } from '../runtime/topics.ts';

/** The newest checkpoint of a run, as its C2SP note; its signature is for the caller to check. @throws CHECK_FAILED when there is none yet, PROOF_INVALID. */
export async function newestCheckpoint(log: Log, topics: RunTopics): Promise<{ readonly note: string; readonly size: number }> {
  let note: string | undefined;
  for await (const entry of readAll(log, topics.checkpoints, 0)) note = fromUtf8(entry.value);
  if (note !== undefined) return { note, size: Number(parseCheckpoint(parseNote(note).text).size) };
  throw new MizuError('CHECK_FAILED', `${topics.checkpoints}: nothing is signed yet`, { hint: 'Let the run finish, then try again.' });
}

/** Reads tiles by path from the log. Keeps where each path stands, not its bytes. */
export async function tileSource(log: Log, topics: RunTopics): Promise<ReadTile> {
  const places = new Map<string, LogPlace>();
  for await (const entry of readAll(log, topics.tiles, 0)) places.set(fromUtf8(entry.key ?? new Uint8Array(0)), entry.offset);
  return async (path) => {
    const place = places.get(path);
    if (place === undefined) return undefined;
    const { entries } = await log.read(topics.tiles, 0, place, { maxEntries: 1 });
    return entries[0]?.value;
  };
}

type LogPlace = Parameters<Log['read']>[2];

/**
 * Every file of the run's tree at its newest checkpoint (c2sp.org/tlog-tiles): `checkpoint`, `tile/…`, `tile/entries/…`. Partial
 * tiles of earlier checkpoints are left out, and tiles that were committed since.
 */
export async function* tileFiles(log: Log, run: DeployedRun): AsyncGenerator<TileFile> {
  const topics = new RunTopics(run.run);
  const { note, size } = await newestCheckpoint(log, topics);
  for await (const entry of readAll(log, topics.tiles, 0)) {
    const path = fromUtf8(entry.key ?? new Uint8Array(0));
    const tile = parseTilePath(path);
    if (tile === undefined)
      throw new MizuError('LOG_CORRUPT', `${topics.tiles}, offset ${entry.offset}: '${path.slice(0, 80)}' is no tile path`);
    if (isOfTree(tile, size)) yield { path, bytes: entry.value };
  }
  yield { path: 'checkpoint', bytes: Buffer.from(note, 'utf8') };
}

/** Whether a tile is full, or the last and partial one of its level in a tree of `size` leaves. */
function isOfTree(tile: TileId, size: number): boolean {
  if (tile.width === TILE_WIDTH) return leavesUpTo(tile) <= size;
  const atLevel = Math.floor(size / TILE_WIDTH ** (tile.level === 'entries' ? 0 : tile.level));
  return tile.width === atLevel % TILE_WIDTH && tile.index === Math.floor(atLevel / TILE_WIDTH);
}
