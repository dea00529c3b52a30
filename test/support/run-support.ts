/**
 * Runs workflows through the real engine on a log, and reads back what they left there: published records, drops, leaves, bytes. Tasks are
 * executed on worker threads, or, where many runs must be quick, in this process and in a drawn order.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import type {
  Answer,
  DeployedRun,
  Log,
  Progress,
  Question,
  Registry,
  RunSummary,
  Signer,
  TaskExecutor,
  TaskInput,
  TaskOutput,
} from '#engine';
import { beginDeploy, globalStorage, MizuError, readRun, runToEnd, TaskMachine } from '#engine';
import { type CompiledFile, compileFile, openSigner, registry as allOperators, WORKER_URL } from '#topologies';

export interface RunSettings {
  /** What models answer, for workflows that ask; only with an `order`. */
  readonly answer?: (question: Question) => Answer;
  readonly log: Log;
  /** Threads; with `order`, only how many tasks are in flight. Default 1. */
  readonly workers?: number;
  readonly nodes?: number;
  /** Executes in this process; tasks end in an order drawn from this seed. */
  readonly order?: number;
  /** In place of `order`. */
  readonly executor?: (run: DeployedRun) => TaskExecutor;
  readonly registry?: Registry;
  readonly workerUrl?: URL;
  readonly newGeneration?: boolean;
  readonly signer?: Signer;
  readonly signal?: AbortSignal;
  /** In place of time: each emission is a tick. */
  readonly ticks?: Observable<unknown>;
  /** Called at the begin of the run and after each commit of the orchestrator. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Where Linux keeps files in memory. These suites end processes, never machines, so nothing here needs a disk: it takes a fifth of the time. */
const MEMORY_FOLDER = '/dev/shm';

export function quickFolder(): string {
  let parent = tmpdir();
  try {
    accessSync(MEMORY_FOLDER, constants.W_OK);
    parent = MEMORY_FOLDER;
  } catch {
    // Other systems have no such folder.
  }
  return mkdtempSync(join(parent, 'mizu-run-'));
}

/** A new log, closed and removed at the end. */
export async function withQuickLog<T>(use: (log: Log, directory: string) => Promise<T>): Promise<T> {
  const directory = quickFolder();
  const log = await openEmbeddedLog({ directory });
  try {
    return await use(log, directory);
  } finally {
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Writes the files, compiles the workflow among them, and removes them at the end. */
export async function withWorkflow<T>(
  files: Readonly<Record<string, string | Uint8Array>>,
  use: (workflow: CompiledFile, folder: string) => Promise<T>,
): Promise<T> {
  const folder = quickFolder();
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await use(await compileFile(join(folder, 'workflow.yaml')), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As the composition of the commands does it, with every part open to the test. */
export async function runCompiled(workflow: CompiledFile, settings: RunSettings): Promise<RunSummary> {
  const { log, order, registry = allOperators, onProgress } = settings;
  const makeExecutor =
    settings.executor ??
    (order === undefined ? undefined : (deployed: DeployedRun) => new LocalExecutor(deployed, registry, order, settings.answer));
  const signal = settings.signal ?? new AbortController().signal;
  const { program, digest, deployment, data } = workflow;
  const source = await workflow.source();
  const { run: name, copySource } = await beginDeploy(log, {
    program,
    digest,
    deployment,
    data: data.values(),
    source,
    newGeneration: settings.newGeneration ?? false,
    signal,
  });
  const run = await readRun(log, name.name, name.generation);
  const folder = quickFolder();
  const local = openLocalStorage(folder);
  try {
    return await runToEnd({
      log,
      run,
      registry,
      local,
      signer: settings.signer ?? openSigner(log),
      workerUrl: settings.workerUrl ?? WORKER_URL,
      workers: settings.workers ?? 1,
      nodes: settings.nodes ?? 1,
      copySource,
      signal,
      ...(makeExecutor === undefined ? {} : { executor: makeExecutor(run) }),
      ...(settings.ticks === undefined ? {} : { ticks: settings.ticks }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  } finally {
    await local.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Waiting {
  readonly input: TaskInput;
  readonly resolve: (output: TaskOutput) => void;
  readonly reject: (error: unknown) => void;
}

/** Executes tasks on this thread, one after the other; which one is next is drawn, so results come in any order. */
export class LocalExecutor implements TaskExecutor {
  private readonly machine: Promise<TaskMachine>;
  private readonly waiting: Waiting[] = [];
  private state: number;
  private running = false;
  private readonly answer: (question: Question) => Answer;

  constructor(
    { program, digest, data }: DeployedRun,
    registry: Registry = allOperators,
    seed = 0,
    answer: (question: Question) => Answer = () => refuse('an answer'),
  ) {
    this.answer = answer;
    const local = { openKeyIndex: () => refuse('a key index'), close: async () => {} };
    this.machine = TaskMachine.open({ program, registry, storage: globalStorage(data), local, expectedRecords: 0 }, digest);
    this.state = seed;
  }

  execute(input: TaskInput): Promise<TaskOutput> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ input, resolve, reject });
      if (!this.running) void this.drain();
    });
  }

  async close(): Promise<void> {
    for (const { reject } of this.waiting.splice(0)) reject(new MizuError('WORKER_DIED', 'The executor was closed'));
  }

  private async drain(): Promise<void> {
    this.running = true;
    const machine = await this.machine;
    while (this.waiting.length > 0) {
      for (let turns = this.draw(4); turns > 0; turns--) await new Promise(setImmediate);
      const [next] = this.waiting.splice(this.draw(this.waiting.length), 1);
      if (next === undefined) break;
      await machine.execute(next.input, async (questions) => questions.map(this.answer)).then(next.resolve, next.reject);
    }
    this.running = false;
  }

  /** A linear congruential generator (Numerical Recipes, 3rd edition, section 7.1): enough for an order of tasks. */
  private draw(n: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
    return n < 2 ? 0 : (this.state >>> 8) % n;
  }
}

function refuse(what: string): never {
  throw new MizuError('INTERNAL', `A task of these tests asked for ${what}`);
}

export const sha256Hex = (...parts: readonly (Uint8Array | string)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
