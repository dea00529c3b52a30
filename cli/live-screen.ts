/** A text that is drawn over itself on a terminal, and goes on line by line elsewhere; not more often than people can read. */
import { clipped } from './format.ts';
import type { Output } from './output.ts';

const DRAW_INTERVAL_MS = 250;
const LINE_INTERVAL_MS = 2_000;
/** Cursor to the begin of the line n lines up; and everything from there on erased. */
const up = (lines: number): string => `\u001b[${lines}F\u001b[J`;

export class LiveScreen {
  private readonly out: Output;
  private shownAt = Number.NEGATIVE_INFINITY;
  /** Lines on the terminal that are ours. */
  private lines = 0;
  private last = '';

  constructor(out: Output) {
    this.out = out;
  }

  /** @param whole for a terminal; `line` elsewhere. `always`: however lately something was shown. Says whether it was shown. */
  async show(whole: () => string, line: () => string, always: boolean): Promise<boolean> {
    const now = performance.now();
    if (!always && now - this.shownAt < (this.out.live ? DRAW_INTERVAL_MS : LINE_INTERVAL_MS)) return false;
    this.shownAt = now;
    if (this.out.live) await this.draw(whole());
    else await this.add(line());
    return true;
  }

  /** Lines that scrolled away can't be drawn over, and one that is broken counts as two: no more is drawn than fits. */
  private async draw(text: string): Promise<void> {
    const { rows, columns } = this.out;
    const lines = text
      .split('\n')
      .slice(0, Math.max(1, rows - 1))
      .map((line) => clipped(line, columns));
    await this.out.text(`${this.lines > 0 ? up(this.lines) : ''}${lines.join('\n')}`);
    this.lines = lines.length;
  }

  private async add(line: string): Promise<void> {
    if (line !== this.last) await this.out.text(line);
    this.last = line;
  }
}
