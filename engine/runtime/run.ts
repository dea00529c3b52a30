/**
 * Runs a deployed program to its end in this process, which plays every role: orchestrator, nodes, keyed steps, checkpointer. Each role
 * is a pulled stream and talks to the others through the log alone, as it would from another process. Started again with
 * the same log it goes on where it stopped (laws 2, 4).
 */
import { hostname } from 'node:os';
import type { Observable } from 'rxjs';
import { interval, merge, tap } from 'rxjs';
import { MizuError } from '../contract/errors.ts';
import type { Gateway } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import type { Registry } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import { toJson } from '../compile/to-json.ts';
import type { Signer } from '../contract/signer.ts';
import type { LocalStorage } from '../contract/storage.ts';
import { toHex } from '../proof/sha256.ts';
import { Checkpointer } from './checkpointer.ts';
import { ControlTail } from './control-tail.ts';
import type { DeployedRun } from './deploy.ts';
import { refuseLiveRun } from './live-run.ts';
import { Node } from './node.ts';
import { Orchestrator } from './orchestrator.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import { SILENCE_FLOOR_MS, SILENT_DEADLINES, TICK_MS, WINDOW_PER_WORKER } from './run-context.ts';
import type { Totals } from './run-totals.ts';
import { StepRunner } from './step-runner.ts';
import type { RunSummary } from './summary.ts';
import { readSummary, summaryOf } from './summary.ts';
import { NODE_LIMIT, RunTopics } from './topics.ts';
import type { TaskExecutor } from './worker-pool.ts';
import { WorkerPool } from './worker-pool.ts';

export interface RunOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  readonly registry: Registry;
  readonly local: LocalStorage;
  readonly signer: Signer;
  /** Module that calls `serveWorker` with the same registry. */
  readonly workerUrl: URL;
  /** Worker threads, 1 to 64. */
  readonly workers: number;
  /** Executes tasks in place of worker threads; `workers` then only sets how many tasks are in flight. */
  readonly executor?: TaskExecutor | undefined;
  /** Logical nodes, 1 to NODE_LIMIT. */
  readonly nodes: number;
  /** Answers questions of external ops; absent: such a program is refused. */
  readonly gateway?: Gateway | undefined;
  /** Ends the run early; what is committed stays, and the run can be resumed. */
  readonly signal: AbortSignal;
  /** Each emission is a tick of the control log. Default: one every TICK_MS. */
  readonly ticks?: Observable<unknown> | undefined;
  /** Called at most once per commit. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly totals: Readonly<Totals>;
  /** Tasks cut, and tasks complete. */
  readonly cut: number;
  readonly published: number;
}

/** Runs to the end. @throws INTERRUPTED, RUN_LIVE, ATTEMPTS_EXHAUSTED, and what the log throws; all but defects can be resumed. */
export async function runToEnd(options: RunOptions): Promise<RunSummary> {
  checkOptions(options);
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const { log, run } = options;
  const title = `${run.run.name}/${run.run.generation}`;
  const context: RunContext = {
    ...run,
    log,
    title,
    topics: new RunTopics(run.run),
    registry: options.registry,
    local: options.local,
    signer: options.signer,
    signal,
  };
  const control = new ControlTail(log, context.topics.control);
  await control.catchUp();
  if (control.fold.close !== undefined) return readSummary(control.fold.close.summary);
  refuseOtherKey(context, control);
  await refuseLiveRun(context, control);
  const pool =
    options.executor ??
    new WorkerPool({
      url: options.workerUrl,
      size: options.workers,
      setup: { program: run.program, digest: run.digest, data: run.data },
      silenceMs: Math.max(SILENCE_FLOOR_MS, run.deployment.deadlineMs * SILENT_DEADLINES),
      ask: (questions) => Promise.all(questions.map((question) => gatewayOf(options).ask(question, signal))),
    });
  const closers: (() => Promise<void>)[] = [];
  try {
    return await runRoles(context, options, control, pool, closers, ended);
  } finally {
    ended.abort();
    await pool.close();
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

async function runRoles(
  context: RunContext,
  options: RunOptions,
  control: ControlTail,
  pool: TaskExecutor,
  closers: (() => Promise<void>)[],
  ended: AbortController,
): Promise<RunSummary> {
  const { signal, program } = context;
  const window = Math.max(4, options.workers * WINDOW_PER_WORKER);
  const orchestrator = await Orchestrator.open(
    context,
    { nodes: options.nodes, window, owner: processName(), ticks: options.ticks ?? interval(TICK_MS) },
    control,
  );
  closers.push(() => orchestrator.close());
  const steps: StepRunner[] = [];
  for (const stage of program.stages) {
    if (stage.kind === 'source') continue;
    for (let partition = 0; partition < stage.partitions; partition++) {
      const runner = await StepRunner.open(context, stage, partition, control);
      steps.push(runner);
      closers.push(() => runner.close());
    }
  }
  const nodes: Node[] = [];
  for (let id = 0; id < options.nodes; id++) {
    const node = await Node.open(context, id, control, pool);
    nodes.push(node);
    closers.push(() => node.close());
  }
  const checkpointer = await Checkpointer.open(context, control);
  closers.push(() => checkpointer.close());

  const progress = (): void =>
    options.onProgress?.({ totals: orchestrator.totals.sum, cut: control.fold.nextCut, published: orchestrator.totals.published });
  const tail = pulled(async () => (control.fold.finish === undefined && (await control.turn(signal)) ? true : undefined));
  const roles = merge(
    tail,
    orchestrator.run().pipe(tap(progress)),
    ...nodes.map((node) => node.run()),
    ...steps.map((step) => step.run()),
    checkpointer.run(),
  );
  await completion(roles, options.signal, ended);
  const reports = Object.assign({}, ...steps.map((step) => step.machine.reports())) as Record<string, Json>;
  const head = await checkpointer.seal();
  const summary = summaryOf(context, orchestrator.totals.sum, control.fold.finish?.reason ?? 'exhausted', head, reports);
  await orchestrator.closeRun(toJson(summary));
  return summary;
}

/** Resolves when every role is done. The first error, or an interruption, ends all of them. */
function completion(roles: Observable<unknown>, interrupt: AbortSignal, ended: AbortController): Promise<void> {
  return new Promise((resolve, reject) => {
    const interrupted = (): MizuError =>
      new MizuError('INTERRUPTED', 'The run was interrupted', {
        hint: 'Nothing committed is lost: the same command with the same --log goes on where it stopped.',
      });
    if (interrupt.aborted) {
      reject(interrupted());
      return;
    }
    const stop = (): void => {
      subscription.unsubscribe();
      reject(interrupted());
    };
    interrupt.addEventListener('abort', stop, { once: true });
    const subscription = roles.subscribe({
      error: (error: unknown) => {
        ended.abort();
        reject(interrupt.aborted ? interrupted() : error);
      },
      complete: () => {
        interrupt.removeEventListener('abort', stop);
        if (interrupt.aborted) reject(interrupted());
        else resolve();
      },
    });
  });
}

/** One key signs a run from its first entry to its last: a tree begun under one key and ended under another would verify under neither. */
function refuseOtherKey(context: RunContext, control: ControlTail): void {
  const [first] = control.fold.keys;
  const own = toHex(context.signer.publicKey);
  if (first === undefined || first === own) return;
  throw new MizuError(
    'KEY_INVALID',
    `'${context.title}' was begun with the key ${first.slice(0, 16)}…; this process signs with ${own.slice(0, 16)}…`,
    {
      component: context.title,
      hint: 'Give the key file that it was begun with (--key), or start anew on another --log.',
    },
  );
}

function checkOptions(options: RunOptions): void {
  const inRange = (name: string, value: number, limit: number): void => {
    if (!Number.isInteger(value) || value < 1 || value > limit) {
      throw new MizuError('USAGE', `--${name} is ${value}; expected a whole number from 1 to ${limit}`);
    }
  };
  inRange('workers', options.workers, 64);
  inRange('nodes', options.nodes, NODE_LIMIT);
}

function gatewayOf(options: RunOptions): Gateway {
  if (options.gateway !== undefined) return options.gateway;
  throw new MizuError('USAGE', 'The workflow asks a model, but no gateway was given', {
    hint: 'Name the model under `models:` in the workflow, with the url of its server.',
  });
}

export function processName(): string {
  return `${hostname()}:${process.pid}`;
}
