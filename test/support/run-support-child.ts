/**
 * A process that runs a workflow as the commands do, for suites that kill it: `node run-support-child.ts ORDERS`. Tells in lines of JSON what
 * happened: deployed, each progress, the summary or the error.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { compileFile, openLog, runWorkflow } from '#topologies';

export interface RunOrders {
  readonly file: string;
  readonly log: string;
  readonly workers: number;
  readonly nodes: number;
}

export interface RunProcess {
  readonly process: ChildProcess;
  /** Lines told so far, oldest first. */
  readonly told: readonly Record<string, unknown>[];
  /** Resolves when that many lines were told, or the process has ended. */
  hasTold(count: number): Promise<void>;
  /** Resolves when it has ended and all it told was read. */
  readonly ended: Promise<void>;
}

export function startRunProcess(orders: RunOrders): RunProcess {
  const child = spawn(process.execPath, [new URL(import.meta.url).pathname, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const told: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  let over = false;
  const wake = (): void => {
    for (const check of waiting) check();
  };
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
  const hasTold = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (told.length < count && !over) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { process: child, told, hasTold, ended };
}

/** Written at once: a killed process loses what a stream has buffered. */
function tell(line: unknown): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function obey(orders: RunOrders): Promise<void> {
  const log = await openLog(orders.log, { readOnly: false });
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    const summary = await runWorkflow(await compileFile(orders.file), {
      log,
      workers: orders.workers,
      nodes: orders.nodes,
      signal: stop.signal,
      onDeployed: () => tell({ deployed: true }),
      onProgress: ({ published }) => tell({ published }),
    });
    tell({ summary });
  } catch (error) {
    tell({ error: error instanceof Error && 'code' in error ? error.code : String(error) });
  } finally {
    await log.close();
  }
}

if (import.meta.main) await obey(JSON.parse(process.argv[2] ?? '{}') as RunOrders);
