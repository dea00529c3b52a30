/** A process that tells in lines of JSON what happens, and those who wait for what it tells. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface TellingProcess<Line> {
  readonly process: ChildProcess;
  /** Lines told so far, oldest first. */
  readonly told: readonly Line[];
  /** What it wrote to standard error. */
  errors(): string;
  /** Resolves with true once the condition holds for what was told, with false when the process ended before. */
  until(condition: (told: readonly Line[]) => boolean): Promise<boolean>;
  /** Resolves when it has ended and all it told was read. */
  readonly ended: Promise<void>;
}

/** @param args of node: the program, and what it is told to do. */
export function startTelling<Line>(args: readonly string[]): TellingProcess<Line> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const told: Line[] = [];
  const waiting = new Set<() => void>();
  let errors = '';
  let over = false;
  const wake = (): void => {
    for (const check of waiting) check();
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
    process.stderr.write(text);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.push(JSON.parse(line) as Line);
    wake();
  });
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      over = true;
      wake();
      resolve();
    });
  });
  const until = (condition: (lines: readonly Line[]) => boolean): Promise<boolean> =>
    new Promise((resolve) => {
      const check = (): void => {
        const holds = condition(told);
        if (!holds && !over) return;
        waiting.delete(check);
        resolve(holds);
      };
      waiting.add(check);
      check();
    });
  return { process: child, told, errors: () => errors, until, ended };
}
