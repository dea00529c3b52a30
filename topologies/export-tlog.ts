/**
 * Writes the tree of a run as a static folder that any C2SP tlog-tiles client can read: tile/…, tile/entries/…, then `checkpoint`, and
 * the verifier key beside it. The checkpoint comes last, so that it never names tiles that are not there.
 */
import { join } from 'node:path';
import type { DeployedRun, Log } from '#engine';
import { invariant, MizuError, openCheckpoint, parseVkey, tileFiles, toHex, utf8, verifierKeyOf } from '#engine';
import { writeFileWhole } from './write-file-whole.ts';

/** Holds the C2SP verifier key in one line. */
export const VERIFIER_KEY_FILE = 'verifier-key';

export interface ExportedTree {
  /** Files written. */
  readonly files: number;
  readonly treeSize: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly verifierKey: string;
}

/** @throws CHECK_FAILED when nothing is signed yet; FILE_UNWRITABLE, INTERRUPTED. */
export async function exportTlog(log: Log, run: DeployedRun, dir: string, signal: AbortSignal): Promise<ExportedTree> {
  const verifierKey = await verifierKeyOf(log, run);
  let note: Uint8Array | undefined;
  let files = 0;
  for await (const { path, bytes } of tileFiles(log, run)) {
    if (signal.aborted)
      throw new MizuError('INTERRUPTED', 'The export was stopped; its tree has no checkpoint', { hint: 'Start it again.' });
    if (path === 'checkpoint') note = bytes;
    else writeFileWhole(join(dir, path), bytes);
    files++;
  }
  invariant(note !== undefined, 'a tree ends with its checkpoint');
  const { size, root } = openCheckpoint(note, { key: parseVkey(verifierKey) });
  writeFileWhole(join(dir, VERIFIER_KEY_FILE), utf8(`${verifierKey}\n`));
  writeFileWhole(join(dir, 'checkpoint'), note);
  return { files: files + 1, treeSize: Number(size), root: toHex(root), verifierKey };
}
