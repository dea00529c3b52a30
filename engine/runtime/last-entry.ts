/** The newest entry of a partition. Offsets have gaps, so it is looked for from ever further back. */
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import { readAll } from './log-cursor.ts';

export async function lastEntry(log: Log, topic: string, partition: number): Promise<LogEntry | undefined> {
  const end = await log.end(topic, partition);
  for (let back = 1; ; back *= 2) {
    const from = Math.max(0, end - back);
    let last: LogEntry | undefined;
    for await (const entry of readAll(log, topic, partition, offset(from))) last = entry;
    if (last !== undefined || from === 0) return last;
  }
}
