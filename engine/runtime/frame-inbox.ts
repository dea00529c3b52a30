/**
 * Frames that enter one partition of a keyed stage: reads them forwards and hands them out in the order of the protocol, holding
 * early ones, which the window bounds. Attempts that control did not accept are let go.
 */
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { Frame } from '../proof/frame.ts';
import { decodeFrame } from '../proof/frame.ts';
import { PartJoiner } from './frame-parts.ts';
import { LogCursor } from './log-cursor.ts';

interface Held {
  readonly offset: Offset;
  readonly k: number;
  readonly bytes: Uint8Array;
}

export class FrameInbox {
  private readonly cursor: LogCursor;
  private readonly joiner: PartJoiner;
  private readonly held = new Map<string, Held>();

  constructor(log: Log, topic: string, partition: number, from: Offset) {
    this.cursor = new LogCursor(log, topic, partition, from, { maxEntries: 64 });
    this.joiner = new PartJoiner(`${topic}, partition ${partition}`);
  }

  /** The frame of (k, attempt, upstream partition), once it is committed; undefined when the signal aborts. */
  async frame(k: number, attempt: number, from: number, signal: AbortSignal): Promise<Frame | undefined> {
    const name = `${k}/${attempt}/${from}`;
    for (;;) {
      const held = this.held.get(name);
      if (held !== undefined) return decodeFrame(held.bytes);
      const entry = await this.cursor.take();
      if (entry !== undefined) {
        this.hold(entry, k);
      } else if (!(await this.cursor.wait(signal))) return undefined;
    }
  }

  private hold(entry: LogEntry, k: number): void {
    const { headers } = entry;
    const owner = Number(headers['k']);
    if (!(owner >= k)) return;
    const name = `${headers['k']}/${headers['attempt']}/${headers['from']}`;
    const whole = this.joiner.take(name, entry);
    if (whole !== undefined) this.held.set(name, { offset: whole.offset, k: owner, bytes: whole.value });
  }

  /** Whether the frame can be had without waiting. */
  has(k: number, attempt: number, from: number): boolean {
    return this.held.has(`${k}/${attempt}/${from}`);
  }

  /** Lets go of everything up to k. */
  release(k: number): void {
    for (const [name, held] of this.held) if (held.k <= k) this.held.delete(name);
  }

  /** Where a successor starts to read: nothing before it is needed any more. */
  get resumeAt(): Offset {
    let low: number = Math.min(this.cursor.position, this.joiner.earliest);
    for (const held of this.held.values()) low = Math.min(low, held.offset);
    return offset(low);
  }
}
