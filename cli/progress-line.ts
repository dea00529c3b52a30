/** Progress on standard error: one line that is written over on a terminal, a line now and then elsewhere, nothing with `--quiet`. */

const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 5000;
const ERASE_LINE = '\r\u001b[K';
const DEFAULT_COLUMNS = 80;

export class ProgressLine {
  private readonly stream: NodeJS.WriteStream;
  private readonly quiet: boolean;
  private readonly live: boolean;
  private shownAt: number;
  private shown = false;

  constructor(stream: NodeJS.WriteStream, quiet: boolean) {
    this.stream = stream;
    this.quiet = quiet;
    this.live = stream.isTTY === true;
    this.shownAt = this.live ? 0 : performance.now();
    // Progress that nobody can read any more is no reason to end.
    stream.on('error', () => {});
  }

  /** Shows where the work is; often called, seldom shown. */
  update(text: () => string): void {
    if (this.quiet) return;
    const now = performance.now();
    if (now - this.shownAt < (this.live ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
    this.shownAt = now;
    if (!this.live) {
      this.stream.write(`${text()}\n`);
      return;
    }
    this.shown = true;
    this.stream.write(`${ERASE_LINE}${text().slice(0, (this.stream.columns ?? DEFAULT_COLUMNS) - 1)}`);
  }

  /** A line that stays. */
  note(text: string): void {
    this.clear();
    if (!this.quiet) this.stream.write(`${text}\n`);
  }

  /** Takes the line away, before anything else is written. */
  clear(): void {
    if (this.shown) this.stream.write(ERASE_LINE);
    this.shown = false;
  }
}
