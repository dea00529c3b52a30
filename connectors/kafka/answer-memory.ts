/**
 * The bytes of one fetch answer, which may hold records of several partitions. They are freed once every holder has let go: each partition's
 * fetched records, and each read that gave some of them away and was told that they were copied. Whoever never says so leaves them to the
 * garbage collector.
 */
import { freeBytes } from '#engine';

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
