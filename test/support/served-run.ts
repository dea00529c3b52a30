/** Runs that are served: processes of a network played in this one, each with a folder of its own, and what an operator and a watcher do beside them. */
import { rmSync } from 'node:fs';
import { openLocalStorage } from '#connectors/embedded';
import type { LocalStorage, Log, ModeAnswer, OperatedRun, Role, RunName, RunStatus, RunSummary, ServeEvent } from '#engine';
import { askMode, readRun, readSummary, RunTopics, RunWatch, serve, untilClosed } from '#engine';
import { type CompiledFile, deployWorkflow, openExternal, openSigner, registry, WORKER_URL } from '#topologies';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { readAll } from './log-tools.ts';
import { quickFolder } from './run-support.ts';

/** Far beyond what any of these takes: a run that hangs is told by its own message. */
export const STUCK_MS = 120_000;
const PATIENCE_MS = 60_000;

const served: (() => Promise<void>)[] = [];

/** Ends every process that still runs: for `afterEach`. */
export async function endProcesses(): Promise<void> {
  for (const end of served.splice(0)) await end();
}

export interface ProcessOptions {
  /** What its local storage is like; default: as it is. */
  readonly storage?: (local: LocalStorage) => LocalStorage;
  readonly onEvent?: (event: ServeEvent) => void;
}

/** One process of a network. Ends with the test, or earlier by what it gives. */
export function startProcess(log: Log, name: string, roles: readonly Role[], options: ProcessOptions = {}): () => Promise<void> {
  const stop = new AbortController();
  const folder = quickFolder();
  const local = openLocalStorage(folder);
  const work = serve({
    log,
    registry,
    local: options.storage?.(local) ?? local,
    signer: openSigner(log),
    roles: new Set(roles),
    name,
    workerUrl: WORKER_URL,
    workers: 1,
    weight: 1,
    memory: 1,
    openExternal: openExternal(log, () => undefined),
    onEvent: options.onEvent ?? (() => undefined),
    signal: stop.signal,
  });
  const end = async (): Promise<void> => {
    stop.abort();
    await work;
    await local.close();
    rmSync(folder, { recursive: true, force: true });
  };
  served.push(end);
  return end;
}

export const deployed = (log: Log, workflow: CompiledFile, more: { readonly nodes?: number; readonly newGeneration?: boolean } = {}) =>
  deployWorkflow(workflow, {
    log,
    newGeneration: false,
    ...more,
    env: () => undefined,
    by: 'ann@desk',
    signal: AbortSignal.timeout(STUCK_MS),
  });

const place = (log: Log, run: RunName): OperatedRun => ({
  log,
  run,
  signer: openSigner(log),
  by: 'ann@desk',
  signal: AbortSignal.timeout(STUCK_MS),
});

export const ask = (log: Log, run: RunName, mode: Parameters<typeof askMode>[1]): Promise<ModeAnswer> =>
  askMode(place(log, run), mode, PATIENCE_MS);

export async function controlOf(log: Log, run: RunName): Promise<readonly ControlBody[]> {
  return (await readAll(log, new RunTopics(run).control, 0)).map((entry) => decodeControl(entry.value).body);
}

/** Follows the run until the condition holds. */
export async function until(log: Log, run: RunName, condition: (status: RunStatus) => boolean): Promise<RunStatus> {
  const watch = await RunWatch.open(log, await readRun(log, run.name, run.generation), { signal: AbortSignal.timeout(STUCK_MS) });
  try {
    for (;;) {
      const status = await watch.status();
      if (condition(status)) return status;
      if (!(await watch.next())) throw new RangeError(`it never came to that: ${JSON.stringify(status)}`);
    }
  } finally {
    await watch.close();
  }
}

/** What the run came to, once it is closed. */
export async function closed(log: Log, run: RunName): Promise<RunSummary> {
  const fold = await untilClosed(place(log, run), () => undefined);
  return readSummary(fold.close?.summary ?? null);
}
