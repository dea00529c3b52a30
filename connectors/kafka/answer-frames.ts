/**
 * Cuts what a connection brings into answers. Each byte is copied once, from the buffer that the socket reads into again and again to one of
 * the answer's own size. (The client's own way keeps a new buffer for each read and joins them all: more than twice the CPU for a large fetch.)
 */
import { MizuError } from '#engine';
import { ANSWER_LIMIT_BYTES } from './limits.ts';

const LENGTH_BYTES = 4;
/** Larger answers would only waste what is left of Node's pool. */
const POOLED_BYTES = 2048;

export class AnswerFrames {
  readonly #deliver: (answer: Buffer) => void;
  /** The length of the next answer, as far as it is there. */
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthAt = 0;
  #answer: Buffer | undefined;
  #at = 0;

  constructor(deliver: (answer: Buffer) => void) {
    this.#deliver = deliver;
  }

  /** The bytes may change afterwards. @throws RangeError for a length that no answer has: this is no Kafka broker. */
  take(bytes: Buffer): void {
    let from = 0;
    while (from < bytes.length) {
      if (this.#answer === undefined) {
        const copied = bytes.copy(this.#length, this.#lengthAt, from);
        from += copied;
        this.#lengthAt += copied;
        if (this.#lengthAt < LENGTH_BYTES) return;
        this.#begin(this.#length.readInt32BE(0));
      }
      from += this.#fill(bytes, from);
    }
  }

  #begin(length: number): void {
    if (length < LENGTH_BYTES || length > ANSWER_LIMIT_BYTES)
      throw new MizuError('BYTES_INVALID', `A broker's answer says that it has ${length} bytes; at most ${ANSWER_LIMIT_BYTES} are taken`);
    this.#answer = length <= POOLED_BYTES ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
    this.#at = 0;
  }

  #fill(bytes: Buffer, from: number): number {
    const answer = this.#answer as Buffer;
    const copied = bytes.copy(answer, this.#at, from);
    this.#at += copied;
    if (this.#at === answer.length) {
      this.#answer = undefined;
      this.#lengthAt = 0;
      this.#deliver(answer);
    }
    return copied;
  }
}
