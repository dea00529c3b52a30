/**
 * A process that runs a workflow as the commands do, for suites that kill it: `node run-support-child.ts ORDERS`. Tells in lines of JSON what
 * happened: deployed, each progress, the summary or the error.
 */
import { writeSync } from 'node:fs';
import { compileFile, openLog, runWorkflow } from '#topologies';
import { startTelling, type TellingProcess } from './telling-process.ts';

export interface RunOrders {
  readonly file: string;
  readonly log: string;
  readonly workers: number;
  readonly nodes: number;
}

export interface RunProcess extends Pick<TellingProcess<Record<string, unknown>>, 'process' | 'told' | 'ended'> {
  /** Resolves when that many lines were told, or the process has ended. */
  hasTold(count: number): Promise<void>;
}

export function startRunProcess(orders: RunOrders): RunProcess {
  const { process, told, until, ended } = startTelling<Record<string, unknown>>([
    new URL(import.meta.url).pathname,
    JSON.stringify(orders),
  ]);
  const hasTold = async (count: number): Promise<void> => {
    await until(({ length }) => length >= count);
  };
  return { process, told, hasTold, ended };
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
