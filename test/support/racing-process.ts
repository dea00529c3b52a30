/** A process that runs workflows as `mizu run` does, each when it is told to, so that several of them can begin one at the same moment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { observeLog } from '../../connectors/metrics/observed-log.ts';
import { type Log, type LogWriter, MizuError } from '#engine';
import { compileFile, openLog, runWorkflow } from '#topologies';

export interface RaceOrders {
  readonly file: string;
  readonly log: string;
  /** After the order, milliseconds. */
  readonly delay: number;
  /** Stands still (SIGSTOP) right before or right after it fences the owner of a name that ends so, until it is told to go on (SIGCONT). */
  readonly stop?: { readonly owner: string; readonly when: 'before' | 'after' };
}

export interface RaceOutcome {
  readonly root?: string;
  readonly accepted?: number;
  readonly code?: string;
  readonly message?: string;
}

export class RacingProcess {
  readonly process: ChildProcess;
  private readonly lines: Interface;

  constructor() {
    const child = spawn(process.execPath, [new URL(import.meta.url).pathname], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process = child;
    this.lines = createInterface({ input: child.stdout });
  }

  /** Resolves when its code is loaded. */
  async ready(): Promise<void> {
    await once(this.lines, 'line');
  }

  async race(orders: RaceOrders): Promise<RaceOutcome> {
    const answer = once(this.lines, 'line');
    this.process.stdin?.write(`${JSON.stringify(orders)}\n`);
    const [line] = await answer;
    return JSON.parse(String(line)) as RaceOutcome;
  }
}

/** The log, in which the process stands still once. */
function stoppingLog(log: Log, stop: RaceOrders['stop']): Log {
  let stopped = false;
  const standStill = (owner: string, when: 'before' | 'after'): void => {
    if (stopped || stop?.when !== when || !owner.endsWith(stop.owner)) return;
    stopped = true;
    process.kill(process.pid, 'SIGSTOP');
  };
  const openWriter = async (owner: string): Promise<LogWriter> => {
    standStill(owner, 'before');
    const writer = await log.openWriter(owner);
    standStill(owner, 'after');
    return writer;
  };
  return { ...observeLog(log, () => undefined), openWriter };
}

async function obey({ file, log: address, delay, stop }: RaceOrders): Promise<RaceOutcome> {
  const workflow = await compileFile(file);
  if (delay > 0) await pause(delay);
  const log = stoppingLog(await openLog(address, { readOnly: false }), stop);
  try {
    const { root, accepted } = await runWorkflow(workflow, { log, workers: 1, signal: new AbortController().signal });
    return { root, accepted };
  } catch (error) {
    return error instanceof MizuError ? { code: error.code, message: error.message } : { message: String(error) };
  } finally {
    await log.close();
  }
}

if (import.meta.main) {
  process.stdout.write('"ready"\n');
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line) as RaceOrders))}\n`);
}
