/** Records counted by the values of a field, as deltas and snapshots hold them. */
import type { Value } from '#kernel';
import { ByteReader, ByteWriter, compareBytes, MizuError, utf8 } from '#kernel';

/** Most groups that are counted by name. */
export const GROUPS_LIMIT = 10_000;
/** Longest group name, UTF-16 units; longer values are cut here, so texts that begin alike share a group. */
export const GROUP_NAME_LIMIT = 200;

export function groupName(value: Value): string {
  return String(value).slice(0, GROUP_NAME_LIMIT).toWellFormed();
}

/** In order of the names' UTF-8 bytes. */
export function sortedGroups(groups: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  const entries = [...groups].map(([name, n]) => ({ name, n, bytes: utf8(name) }));
  return entries.sort((a, b) => compareBytes(a.bytes, b.bytes)).map(({ name, n }) => [name, n] as const);
}

/** uvarint n ‖ n × (name as Avro string ‖ uvarint count). */
export function encodeCounts(counts: ReadonlyMap<string, number>): Uint8Array {
  const writer = new ByteWriter();
  writer.uvarint(counts.size);
  for (const [name, n] of sortedGroups(counts)) {
    writer.string(name);
    writer.uvarint(n);
  }
  return writer.take();
}

/** @throws BYTES_INVALID */
export function* decodeCounts(delta: Uint8Array): Generator<readonly [string, number]> {
  const reader = new ByteReader(delta);
  const size = reader.uvarint();
  for (let n = 0; n < size; n++) yield [reader.string(), reader.uvarint()];
  if (!reader.done) throw new MizuError('BYTES_INVALID', `A count delta of ${delta.length} bytes has ${reader.remaining} left over`);
}
