/**
 * Frames that enter one partition of a keyed stage: reads them forwards and hands them out in the order of the protocol, holding
 * early ones, which the window bounds. Attempts that control did not accept are let go.
 */
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry, ReadOptions } from '../contract/log.ts';
import type { Frame } from '../proof/frame.ts';
import { decodeFrame } from '../proof/frame.ts';
import { freeBytes } from '../proof/free-bytes.ts';
import { PartJoiner } from './frame-parts.ts';
import { beginOf, LogCursor } from './log-cursor.ts';

/** A frame that is asked for was committed, so it is readable at once, or as soon as the commits beside it are, milliseconds. */
const FORGOTTEN_GRACE_MS = 2_000;

interface Held {
  readonly offset: Offset;
  readonly k: number;
  readonly bytes: Uint8Array;
}

/** A fetch brings frames of other times and partitions with it, which would live as long. */
function ownBytes(value: Uint8Array): Uint8Array {
  const own = Buffer.allocUnsafeSlow(value.length);
  own.set(value);
  return own;
}

export class FrameInbox {
  private readonly cursor: LogCursor;
  private readonly joiner: PartJoiner;
  private readonly held = new Map<string, Held>();
  /** Offsets that should have been read and that the log forgot. */
  private forgotten: { readonly from: Offset; readonly to: Offset } | undefined;

  constructor(log: Log, topic: string, partition: number, from: Offset, options: ReadOptions = {}) {
    this.cursor = new LogCursor(log, topic, partition, from, { maxEntries: 64, ...options, copies: true });
    this.joiner = new PartJoiner(`${topic}, partition ${partition}`);
  }

  /** As the constructor, and looks whether the log forgot entries that are needed. */
  static async open(log: Log, topic: string, partition: number, from: Offset): Promise<FrameInbox> {
    const inbox = new FrameInbox(log, topic, partition, from);
    const begin = await beginOf(log, topic, partition);
    if (begin > from) {
      inbox.forgotten = { from, to: begin };
      inbox.joiner.partial = true;
    }
    return inbox;
  }

  /** From the begin of what the log has left, for who knows which frames these are. */
  static async openLeft(log: Log, topic: string, partition: number): Promise<FrameInbox> {
    return FrameInbox.openAt(log, topic, partition, await beginOf(log, topic, partition));
  }

  /** As `openLeft`, from an offset on that may lie within the parts of a frame of which nobody wants to know. */
  static openAt(log: Log, topic: string, partition: number, from: Offset, options: ReadOptions = {}): FrameInbox {
    const inbox = new FrameInbox(log, topic, partition, from, options);
    inbox.joiner.partial = from > 0;
    return inbox;
  }

  /**
   * The frame of (k, attempt, upstream partition), once it is committed; undefined when the signal aborts. Asked for in ascending order of k.
   * @throws SOURCE_UNAVAILABLE when the log forgot it.
   */
  async frame(k: number, attempt: number, from: number, signal: AbortSignal): Promise<Frame | undefined> {
    const name = `${k}/${attempt}/${from}`;
    for (;;) {
      const held = this.held.get(name);
      if (held !== undefined) return decodeFrame(held.bytes);
      const entry = await this.cursor.takeArrived();
      if (entry !== undefined) {
        this.hold(entry, k);
        continue;
      }
      const suspect = this.isForgotten(k, from);
      const last = suspect ? AbortSignal.any([signal, AbortSignal.timeout(FORGOTTEN_GRACE_MS)]) : signal;
      if (await this.cursor.wait(last)) continue;
      if (suspect && !signal.aborted) throw this.gone(k);
      return undefined;
    }
  }

  /** Of what the log forgot, perhaps: a frame of a later task is here. Those of tasks come within a window, in any order, so it may still come. */
  private isForgotten(k: number, from: number): boolean {
    return this.forgotten !== undefined && [...this.held].some(([name, held]) => held.k > k && name.endsWith(`/${from}`));
  }

  private gone(k: number): MizuError {
    const { topic, partition } = this.cursor;
    const { from, to } = this.forgotten ?? { from: 0, to: 0 };
    return new MizuError(
      'SOURCE_UNAVAILABLE',
      `unavailable: ${topic}, partition ${partition}, frame of task ${k}: the log forgot offsets ${from} to ${to - 1}`,
      { component: topic, hint: 'The run fell behind its `retention`: give it a longer one, and start a new generation.' },
    );
  }

  private hold(entry: LogEntry, k: number): void {
    const { headers } = entry;
    const owner = Number(headers['k']);
    if (!(owner >= k)) return;
    const name = `${headers['k']}/${headers['attempt']}/${headers['from']}`;
    const whole = this.joiner.take(name, { ...entry, value: ownBytes(entry.value) });
    if (whole !== undefined) this.held.set(name, { offset: whole.offset, k: owner, bytes: whole.value });
  }

  /** Whether the frame can be had without waiting. */
  has(k: number, attempt: number, from: number): boolean {
    return this.held.has(`${k}/${attempt}/${from}`);
  }

  /** Lets go of everything up to k. The function that it gives frees the bytes, once nobody looks at those frames any more. */
  release(k: number): () => void {
    const released: Uint8Array[] = [];
    for (const [name, held] of this.held) {
      if (held.k > k) continue;
      released.push(held.bytes);
      this.held.delete(name);
    }
    return () => {
      for (const bytes of released) freeBytes(bytes);
    };
  }

  /** Where a successor starts to read: nothing before it is needed any more. */
  get resumeAt(): Offset {
    let low: number = Math.min(this.cursor.position, this.joiner.earliest);
    for (const held of this.held.values()) low = Math.min(low, held.offset);
    return offset(low);
  }
}
