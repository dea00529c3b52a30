/** Which rows the entries of a commit become: what is small stands with its neighbours of the same partition in one. */
import { type Admitted, invariant } from '#engine';
import { PACKED_BYTES, PACKED_ENTRY_BYTES, PACKED_VALUE_BYTES } from './limits.ts';
import { packEntries, type PlainEntry } from './packed.ts';
import type { TopicRow } from './tables.ts';

export interface NewRow extends PlainEntry {
  readonly topic: TopicRow;
  readonly partition: number;
  /** Places in the commit of the entries that it holds, in order. More than one are packed in its value. */
  readonly members: readonly number[];
}

interface OpenRow {
  readonly topic: TopicRow;
  readonly partition: number;
  readonly members: number[];
  /** Whether it holds small entries only. */
  readonly isSmall: boolean;
  bytes: number;
}

/** Partition by partition, so that what is read together stands together. */
export function rowsOf(admitted: readonly Admitted[], topics: ReadonlyMap<string, TopicRow>): NewRow[] {
  /** By slot. */
  const rows = new Map<number, OpenRow[]>();
  for (const [n, { append, bytes }] of admitted.entries()) {
    const topic = topics.get(append.topic);
    invariant(topic !== undefined, `topic ${append.topic} was not looked up`);
    const { partition } = append;
    const slot = topic.slot + partition;
    const isSmall = bytes < PACKED_VALUE_BYTES;
    const before = rows.get(slot);
    const last = before?.at(-1);
    if (last !== undefined && isSmall && last.isSmall && last.bytes < PACKED_BYTES) {
      last.members.push(n);
      last.bytes += bytes + PACKED_ENTRY_BYTES;
      continue;
    }
    const row = { topic, partition, members: [n], isSmall, bytes: bytes + PACKED_ENTRY_BYTES };
    if (before === undefined) rows.set(slot, [row]);
    else before.push(row);
  }
  return [...rows.values()].flat().map(({ topic, partition, members }) => ({ topic, partition, members, ...contentOf(members, admitted) }));
}

function contentOf(members: readonly number[], admitted: readonly Admitted[]): PlainEntry {
  const entries = members.map((n): PlainEntry => {
    const one = admitted[n];
    invariant(one !== undefined, `a commit of ${admitted.length} entries has no entry ${n}`);
    return { key: one.append.key, value: one.append.value, headers: one.headers };
  });
  const [first] = entries;
  if (entries.length === 1 && first !== undefined) return first;
  return { key: undefined, value: packEntries(entries), headers: '' };
}
