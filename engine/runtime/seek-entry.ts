/** Where to begin in a partition whose entries stand in an order: by halving, so that a late place costs no more reads than an early one. Offsets have gaps. */
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import { beginOf } from './log-cursor.ts';

/** So many offsets are read and passed over rather than looked into: one read brings them. */
const PASSED_OFFSETS = 1_000;

/** An offset before which every entry is `passed`, and after which at most `few` are. Whoever reads on from there passes over the rest. */
export async function seekEntry(
  log: Log,
  topic: string,
  partition: number,
  passed: (entry: LogEntry) => boolean,
  few = PASSED_OFFSETS,
): Promise<Offset> {
  let low: number = await beginOf(log, topic, partition);
  let high: number = await log.end(topic, partition);
  while (high - low > few) {
    const middle = low + Math.floor((high - low) / 2);
    const { entries, free } = await log.read(topic, partition, offset(middle), { maxEntries: 1 });
    const [entry] = entries;
    if (entry !== undefined && passed(entry)) low = entry.offset + 1;
    else high = middle;
    free?.();
  }
  return offset(low);
}
