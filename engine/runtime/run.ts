/**
 * Runs a deployed program to its end in this process, which plays every role: orchestrator, nodes, keyed steps, checkpointer. Each role
 * is a pulled stream and talks to the others through the log alone, as it would from another process. Started again with
 * the same log it goes on where it stopped (laws 2, 4).
 */
import { totalmem } from 'node:os';
import type { Observable } from 'rxjs';
import { finalize, interval, merge, Subject, tap } from 'rxjs';
import { invariant, MizuError } from '../contract/errors.ts';
import type { Answer, Gateway, Question } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import type { Registry } from '../contract/operator.ts';
import type { Signer } from '../contract/signer.ts';
import type { LocalStorage } from '../contract/storage.ts';
import { toHex } from '../proof/sha256.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { Offer } from '../dispatch/control-entry.ts';
import { snapshotPlace } from './control-snapshot.ts';
import { ControlTail } from './control-tail.ts';
import type { DeployedRun } from './read-run.ts';
import { processName, refuseLiveRun } from './live-run.ts';
import { Member } from './member.ts';
import { opsOf } from './offer.ts';
import type { Progress } from './orchestrator.ts';
import { openOrchestration } from './orchestration.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import { LOST_TICKS, SILENCE_FLOOR_MS, SILENT_DEADLINES, TICK_MS } from './run-context.ts';
import type { RunSummary } from './summary.ts';
import { readSummary } from './summary.ts';
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
  /** Opens the topic that the source reads, where the program has one. */
  readonly openExternal?: OpenExternal | undefined;
  /** Copies what is missing of a finite source while the run goes on, where its deployment left that to it. */
  readonly copySource?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Called at most once per turn of the orchestrator. */
  readonly onProgress?: (progress: Progress) => void;
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
  const control = new ControlTail(log, context.topics.control, snapshotPlace(context.topics, title));
  await control.catchUp();
  if (control.fold.close !== undefined) return readSummary(control.fold.close.summary);
  refuseOtherKey(context, control);
  await refuseLiveRun(context, control);
  const fenced = new Subject<never>();
  const pool =
    options.executor ??
    new WorkerPool({
      url: options.workerUrl,
      size: options.workers,
      setup: { program: run.program, digest: run.digest, data: run.data },
      silenceMs: Math.max(SILENCE_FLOOR_MS, run.deployment.deadlineMs * SILENT_DEADLINES),
      ask: (questions) => askAll(options, questions, signal, fenced),
    });
  const closers: (() => Promise<void>)[] = [];
  try {
    return await runRoles(context, options, control, pool, { closers, ended, fenced });
  } finally {
    ended.abort();
    await pool.close();
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

/** What ends with a run, and what ends it. */
interface Ends {
  readonly closers: (() => Promise<void>)[];
  readonly ended: AbortController;
  /** Errors once another one took its gateway's place. */
  readonly fenced: Subject<never>;
}

async function runRoles(
  context: RunContext,
  options: RunOptions,
  control: ControlTail,
  pool: TaskExecutor,
  { closers, ended, fenced }: Ends,
): Promise<RunSummary> {
  const names = Array.from({ length: options.nodes }, (_, n) => `local-${n}`);
  const offer = localOffer(options);
  const members = names.map(
    (name) => new Member(context, control, { name, offer, pool: () => pool, openExternal: options.openExternal, alone: false }),
  );
  const orchestrator = await openOrchestration(
    context,
    control,
    {
      employed: options.nodes,
      owner: processName(),
      ticks: options.ticks ?? interval(TICK_MS),
      household: new Set(members.map(({ incarnation }) => incarnation)),
      lostTicks: LOST_TICKS,
      gateway: false,
      stuck: 'fail',
    },
    { external: options.openExternal, copy: options.copySource },
  );
  closers.push(() => orchestrator.close());
  await control.catchUp();
  for (const member of members) closers.push(() => member.close());
  const over = (): boolean => control.fold.close !== undefined || control.fold.mode === 'stopped';
  const tail = pulled(async () => (!over() && (await control.turn(context.signal)) ? true : undefined));
  const roles = merge(
    tail.pipe(finalize(() => fenced.complete())),
    fenced,
    orchestrator.run().pipe(tap((progress) => options.onProgress?.(progress))),
    ...members.map((member) => member.run()),
  );
  await completion(roles, options.signal, ended);
  const { close, mode, modeBy } = control.fold;
  if (close === undefined && mode === 'stopped') throw stoppedBy(modeBy, context.title);
  invariant(close !== undefined, 'roles end when the run is closed');
  return readSummary(close.summary);
}

function stoppedBy(operator: string, title: string): MizuError {
  return new MizuError('INTERRUPTED', `'${title}' was stopped by ${operator}`, {
    component: title,
    hint: 'Nothing committed is lost: the same command with the same --log goes on where it stopped.',
  });
}

/** What each of several members of this process offers: all of them share its threads. */
function localOffer({ registry, workers, nodes }: RunOptions): Offer {
  return {
    slots: Math.max(1, Math.ceil(workers / nodes)),
    weight: 1,
    steps: true,
    checkpoints: true,
    answers: false,
    ops: opsOf(registry),
    models: [],
    memory: Math.floor(totalmem() / nodes),
  };
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
export function refuseOtherKey(context: Pick<RunContext, 'title' | 'signer'>, control: ControlTail): void {
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

/** A gateway that was fenced answers no attempt any more, so none of them is worth trying again: the run ends, as with any other of its writers. */
async function askAll(
  options: RunOptions,
  questions: readonly Question[],
  signal: AbortSignal,
  fenced: Subject<never>,
): Promise<readonly Answer[]> {
  const gateway = gatewayOf(options);
  try {
    return await Promise.all(questions.map((question) => gateway.ask(question, signal)));
  } catch (error) {
    if (error instanceof MizuError && error.code === 'LOG_FENCED') fenced.error(error);
    throw error;
  }
}

function gatewayOf(options: RunOptions): Gateway {
  if (options.gateway !== undefined) return options.gateway;
  throw new MizuError('USAGE', 'The workflow asks a model, but no gateway was given', {
    hint: 'Name the model under `models:` in the workflow, with the url of its server.',
  });
}
