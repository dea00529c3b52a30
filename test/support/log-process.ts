/** Starts a process that uses a log (log-child.ts) and reads what it tells, line by line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ChildOrders } from './log-child.ts';

export interface LogProcess {
  readonly process: ChildProcess;
  /** Lines told so far, oldest first. */
  readonly told: readonly Record<string, unknown>[];
  /** Resolves when that many lines were told; rejects with its standard error when it ended before. */
  hasTold(count: number): Promise<void>;
  /** Resolves when it has ended and all it told was read. */
  readonly ended: Promise<void>;
}

export function startLogProcess(orders: ChildOrders): LogProcess {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', new URL('./log-child.ts', import.meta.url).pathname, JSON.stringify(orders)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const told: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  let errors = '';
  let over = false;
  const wake = (): void => {
    for (const check of waiting) check();
  };
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.push(JSON.parse(line) as Record<string, unknown>);
    wake();
  });
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      over = true;
      wake();
      resolve();
    });
  });
  return {
    process: child,
    told,
    ended,
    hasTold: (count) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (told.length < count && !over) return;
          waiting.delete(check);
          if (told.length >= count) resolve();
          else reject(new Error(`The process ended after telling ${told.length} of ${count} lines. ${errors}`));
        };
        waiting.add(check);
        check();
      }),
  };
}
