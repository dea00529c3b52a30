/**
 * The bytes of one fetch answer, which may hold records of several partitions. They are freed once every holder has let go: each partition's
 * fetched records, and each read that gave some of them away and was told that they were copied. Whoever never says so leaves them to the
 * garbage collector.
 */
import { freeBytes } from '#engine';

/** Fewer bytes are copied out of an answer: readers of little entries, such as those of control, keep them, and would keep all that came with them. */
const COPIED_BYTES = 64 * 1024;

/** The records of a partition, and what is held for them, if anything is. */
export function takeRecords({ records, memory }: { readonly records: Buffer; readonly memory: AnswerMemory }): {
  readonly records: Buffer;
  readonly memory: AnswerMemory | undefined;
} {
  if (records.length >= COPIED_BYTES) return { records, memory };
  if (records.length === 0) return { records, memory: undefined };
  const copied = Buffer.from(records);
  memory.letGo();
  return { records: copied, memory: undefined };
}

export class AnswerMemory {
  readonly #bytes: Buffer;
  #holders = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  hold(): void {
    this.#holders++;
  }

  /** A hold that ends when the function is called, the first time. */
  share(): () => void {
    this.hold();
    let held = true;
    return () => {
      if (held) this.letGo();
      held = false;
    };
  }

  /** Once for each `hold`. */
  letGo(): void {
    this.#holders--;
    if (this.#holders === 0) freeBytes(this.#bytes);
  }
}
