/**
 * Which record differs between what a replay made and what stands on the log: both sides as a table candidate → bytes of its fate (passed
 * on with this digest, or dropped for this reason). The lowest candidate that differs is the first wrong record.
 */
import type { Drop } from '../proof/effect.ts';
import type { Frame } from '../proof/frame.ts';
import { dropEntry, publishedEntry, recordEntry } from '../proof/frame.ts';
import { equalBytes, sha256 } from '../proof/sha256.ts';

export type Fates = ReadonlyMap<number, Uint8Array>;

/** Fates of the records in the frames that one task or step sent. */
export function fatesInFrames(frames: readonly Frame[]): Fates {
  const fates = new Map<number, Uint8Array>();
  for (const { candidates, keys, digests, drops } of frames) {
    candidates.forEach(
      (i, n) => void fates.set(i, recordEntry(i, keys.subarray(n * 32, n * 32 + 32), digests.subarray(n * 32, n * 32 + 32))),
    );
    for (const drop of drops) fates.set(drop.i, dropEntry(drop));
  }
  return fates;
}

/** Fates of the records that one step published or dropped. */
export function fatesPublished(records: readonly { readonly i: number; readonly record: Uint8Array }[], drops: readonly Drop[]): Fates {
  const fates = new Map<number, Uint8Array>();
  for (const { i, record } of records) fates.set(i, publishedEntry(i, sha256(record)));
  for (const drop of drops) fates.set(drop.i, dropEntry(drop));
  return fates;
}

/** The lowest candidate whose fates differ; undefined if none does. */
export function firstDifference(mine: Fates, theirs: Fates): number | undefined {
  let first: number | undefined;
  for (const i of new Set([...mine.keys(), ...theirs.keys()])) {
    if (first !== undefined && i > first) continue;
    const a = mine.get(i);
    const b = theirs.get(i);
    if (a === undefined || b === undefined || !equalBytes(a, b)) first = i;
  }
  return first;
}
