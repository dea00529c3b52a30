/**
 * Single entries of a one-partition topic. Whoever asks for them in order, as a replay does, gets the next ones without another read: a request to a broker, or a
 * statement, for each would cost more than the entry. Holds one stretch of at most AHEAD_BYTES and one entry more.
 */
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';

/** Entries read at once when the last ones asked for were near. */
const AHEAD_ENTRIES = 64;
const AHEAD_BYTES = 512 * 1024;

export class EntryWindow {
  private readonly log: Log;
  private readonly topic: string;
  private held = new Map<number, LogEntry>();
  private last = Number.NEGATIVE_INFINITY;

  constructor(log: Log, topic: string) {
    this.log = log;
    this.topic = topic;
  }

  /** The entry at an offset; undefined if it is gone. */
  async at(position: number): Promise<LogEntry | undefined> {
    const near = position > this.last && position <= this.last + AHEAD_ENTRIES;
    this.last = position;
    const held = this.held.get(position);
    if (held !== undefined) return held;
    const bounds = near ? { maxEntries: AHEAD_ENTRIES, maxBytes: AHEAD_BYTES } : { maxEntries: 1 };
    const { entries } = await this.log.read(this.topic, 0, offset(position), bounds);
    if (near) this.held = new Map(entries.map((entry) => [entry.offset, entry]));
    const [first] = entries;
    return first?.offset === position ? first : undefined;
  }
}
