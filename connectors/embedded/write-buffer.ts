/** Memory that large values pass through on their way to disk. What was written last stays in it: those who read soon after don't wait for the disk. */
import { alignedMemory, blockEnd } from './aligned.ts';
import type { Placement } from './segments.ts';

/** Bytes that are written at once, and where they will stand. */
export interface Piece {
  readonly values: readonly Uint8Array[];
  readonly placement: Placement;
}

/** A part of the buffer, and where its bytes stand in a segment. */
interface Held extends Placement {
  readonly at: number;
}

export class WriteBuffer {
  readonly #bytes: Uint8Array;
  #next = 0;
  #held: Held[] = [];

  private constructor(memory: Uint8Array) {
    this.#bytes = memory;
  }

  /** None where there is no memory for it. */
  static make(bytes: number): WriteBuffer | undefined {
    const memory = alignedMemory(bytes);
    return memory === undefined ? undefined : new WriteBuffer(memory);
  }

  /** Copies what is to be written, in place of what was put there longest ago. @returns it with the rest of its last block, zeros. */
  put({ values, placement }: Piece): Uint8Array {
    const whole = blockEnd(placement.bytes);
    const at = this.#next + whole > this.#bytes.length ? 0 : this.#next;
    const next = at + whole;
    this.#held = this.#held.filter((held) => held.at >= next || held.at + held.bytes <= at);
    this.#held.push({ ...placement, at });
    this.#next = next;
    let end = at;
    for (const value of values) {
      this.#bytes.set(value, end);
      end += value.length;
    }
    return this.#bytes.subarray(at, next).fill(0, end - at);
  }

  /** What stands at a position and beyond was given up. */
  forget(segment: number, position: number): void {
    this.#held = this.#held.filter((held) => held.segment !== segment || held.position < position);
  }

  /** What was written there, if it is still here as a whole. To be copied before anything else is written. */
  find({ segment, position, bytes }: Placement): Uint8Array | undefined {
    const held = this.#held.findLast(
      (one) => one.segment === segment && one.position <= position && position + bytes <= one.position + one.bytes,
    );
    if (held === undefined) return undefined;
    const from = held.at + position - held.position;
    return this.#bytes.subarray(from, from + bytes);
  }
}
