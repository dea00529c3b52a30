/**
 * Standard output of a command: text for people, or with `--json` nothing but JSON lines, the last of them the result. Writing waits
 * for a slow reader (law 6), and a reader that went away ends the command quietly.
 */
import { styleText } from 'node:util';
import type { Json } from '#kernel';

type Format = Parameters<typeof styleText>[0];

/** Size of a terminal that does not say how large it is. */
const DEFAULT_ROWS = 24;
const DEFAULT_COLUMNS = 80;

/** Thrown by writes after the reader of standard output closed it (`mizu rejected NAME | head`). */
export class PipeClosed extends Error {
  override readonly name = 'PipeClosed';
}

export class Output {
  readonly json: boolean;
  private readonly stream: NodeJS.WriteStream;
  private closed = false;

  constructor(stream: NodeJS.WriteStream, json: boolean) {
    this.stream = stream;
    this.json = json;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.closed = true;
    });
  }

  /** Whether people look at it on a terminal that can be drawn over. */
  get live(): boolean {
    return !this.json && this.stream.isTTY === true;
  }

  get rows(): number {
    return this.stream.rows ?? DEFAULT_ROWS;
  }

  get columns(): number {
    return this.stream.columns ?? DEFAULT_COLUMNS;
  }

  /** One or more lines for people; silent with `--json`. @throws PipeClosed. */
  async text(text: string): Promise<void> {
    if (!this.json) await this.write(`${text}\n`);
  }

  /** One JSON object on a line of its own; silent without `--json`. @throws PipeClosed. */
  async object(value: Json): Promise<void> {
    if (this.json) await this.write(`${JSON.stringify(value)}\n`);
  }

  /** Colours the text if people look at it on a terminal that shows colours (NO_COLOR and FORCE_COLOR are heeded). */
  style(format: Format, text: string): string {
    return styleText(format, text, { stream: this.stream });
  }

  private async write(text: string): Promise<void> {
    if (this.closed) throw new PipeClosed();
    if (this.stream.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.stream.off('drain', done);
        this.stream.off('error', done);
        this.stream.off('close', done);
        resolve();
      };
      this.stream.on('drain', done);
      this.stream.on('error', done);
      this.stream.on('close', done);
    });
  }
}
