/**
 * Frames that enter one partition of a keyed stage: reads them forwards and hands them out in the order of the protocol, holding
 * early ones, which the window bounds. Attempts that control did not accept are let go.
 */
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Frame } from '../proof/frame.ts';
import { decodeFrame } from '../proof/frame.ts';
import { LogCursor } from './log-cursor.ts';

interface Held {
  readonly offset: Offset;
  readonly k: number;
  readonly bytes: Uint8Array;
}

export class FrameInbox {
  private readonly cursor: LogCursor;
  private readonly held = new Map<string, Held>();

  constructor(log: Log, topic: string, partition: number, from: Offset) {
    this.cursor = new LogCursor(log, topic, partition, from, { maxEntries: 64 });
  }

  /** The frame of (k, attempt, upstream partition), once it is committed; undefined when the signal aborts. */
  async frame(k: number, attempt: number, from: number, signal: AbortSignal): Promise<Frame | undefined> {
    const name = `${k}/${attempt}/${from}`;
    for (;;) {
      const held = this.held.get(name);
      if (held !== undefined) return decodeFrame(held.bytes);
      const entry = await this.cursor.take();
      if (entry !== undefined) {
        const { headers } = entry;
        const owner = Number(headers['k']);
        if (owner >= k)
          this.held.set(`${headers['k']}/${headers['attempt']}/${headers['from']}`, { offset: entry.offset, k: owner, bytes: entry.value });
      } else if (!(await this.cursor.wait(signal))) return undefined;
    }
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
    let low: number = this.cursor.position;
    for (const held of this.held.values()) low = Math.min(low, held.offset);
    return offset(low);
  }
}
