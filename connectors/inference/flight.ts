/** One question on its way, with everybody who waits for its answer. It is unwanted once nobody does. Owned by the gateway. */
import { MizuError } from '#engine';

export class Flight<Answer> {
  readonly answer: Promise<Answer>;
  private readonly leaving = new AbortController();
  private waiting = 0;

  constructor(start: (unwanted: AbortSignal) => Promise<Answer>) {
    this.answer = start(this.leaving.signal);
    this.answer.catch(() => undefined);
  }

  get unwanted(): boolean {
    return this.leaving.signal.aborted;
  }

  /** The answer, unless the caller's signal aborts first. */
  async wait(signal: AbortSignal): Promise<Answer> {
    this.waiting++;
    let leave = (): void => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(interrupted());
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([this.answer, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      if (--this.waiting === 0) this.leaving.abort(interrupted());
    }
  }
}

export function interrupted(): MizuError {
  return new MizuError('INTERRUPTED', 'The question was given up before its answer came', {
    hint: 'Nothing recorded is lost: run again with the same log.',
  });
}
