/**
 * The check sum of every row that the log serves. It covers where the row belongs as well as what it holds, so a row that
 * was moved, exchanged or changed at rest is found (contract: checked). CRC-32 finds accidents; forgery is for proofs.
 */
import { crc32 } from 'node:zlib';

/** Lengths stand in the prefix, so that no two rows share their summed bytes. An absent key counts as length −1. */
export function entryChecksum(
  topic: string,
  partition: number,
  offset: number,
  key: Uint8Array | undefined,
  value: Uint8Array,
  headers: string,
): number {
  const prefix = `entry\n${topic}\n${partition}\n${offset}\n${key === undefined ? -1 : key.length}\n${value.length}\n${headers}`;
  let sum = crc32(prefix);
  if (key !== undefined) sum = crc32(key, sum);
  return crc32(value, sum);
}

/** Check sum of a row of plain columns; `kind` keeps tables apart. */
export function rowChecksum(kind: string, ...columns: readonly (string | number)[]): number {
  return crc32(JSON.stringify([kind, ...columns]));
}
