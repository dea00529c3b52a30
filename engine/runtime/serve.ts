/** One process's part in a whole network: it finds the runs that are deployed on the log and plays its roles in each of them (P1–P3). */
import { setTimeout as after } from 'node:timers/promises';
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Registry } from '../contract/operator.ts';
import type { Signer } from '../contract/signer.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { LocalStorage } from '../contract/storage.ts';
import type { Offer } from '../dispatch/control-entry.ts';
import { decodeControl } from '../dispatch/signed-entry.ts';
import { isCopied } from './copied-records.ts';
import type { DeployedRun } from './read-run.ts';
import { readRun } from './read-run.ts';
import type { OpenGateway } from './gateway-role.ts';
import { lastEntry } from './last-entry.ts';
import { PROCESS_FAILURES } from './leases.ts';
import { opsOf } from './offer.ts';
import type { RunContext } from './run-context.ts';
import type { RunEvent, ServedEnd } from './serve-run.ts';
import { serveRun } from './serve-run.ts';
import type { RunName } from './topics.ts';
import { listRuns, RunTopics } from './topics.ts';

export const ROLES = ['orchestrator', 'node', 'gateway', 'checkpointer'] as const;
export type Role = (typeof ROLES)[number];

/** How often a process looks for runs that it does not know, milliseconds. */
const LOOK_MS = 1_000;

export type ServeEvent =
  | { readonly type: 'run'; readonly run: string; readonly state: 'served' | ServedEnd }
  | { readonly type: 'trouble'; readonly run: string; readonly error: unknown }
  | { readonly type: 'event'; readonly run: string; readonly event: RunEvent };

export interface ServeOptions {
  readonly log: Log;
  readonly registry: Registry;
  readonly local: LocalStorage;
  /** Signs results; of an orchestrator and a checkpointer also control and checkpoints, so it is the run's key there. */
  readonly signer: Signer;
  readonly roles: ReadonlySet<Role>;
  /** Name of this process as a member: it keeps it when it is started again. */
  readonly name: string;
  /** Module that calls `serveWorker` with the same registry. */
  readonly workerUrl: URL;
  /** Worker threads for each run. */
  readonly workers: number;
  /** Share of the work among the nodes, 1 to WEIGHT_LIMIT. */
  readonly weight: number;
  /** Memory offered, bytes. */
  readonly memory: number;
  /** Runs to serve, by name; absent: all. */
  readonly runs?: ReadonlySet<string> | undefined;
  readonly lostTicks?: number | undefined;
  /** Opens the gateway of a run once this process is appointed to it; only a process with the role `gateway` is. */
  readonly openGateway?: OpenGateway | undefined;
  readonly openExternal?: OpenExternal | undefined;
  readonly onEvent: (event: ServeEvent) => void;
  /** Ends the process's part: it gives back what it holds. */
  readonly signal: AbortSignal;
}

/** Resolves when the signal aborts and everything is given back. Trouble in one run is told and leaves the others alone. */
export async function serve(options: ServeOptions): Promise<void> {
  const runs = new Map<string, Promise<void>>();
  /** Runs that nobody has to serve: closed for ever, or stopped until a request comes. */
  const resting = new Map<string, 'closed' | Offset>();
  while (!options.signal.aborted) {
    try {
      for (const run of await listRuns(options.log)) {
        const title = `${run.name}/${run.generation}`;
        if (runs.has(title) || options.runs?.has(run.name) === false || (await rests(options, run, resting.get(title)))) continue;
        const work = serveOne(options, run).then(async (rest) => {
          if (rest !== undefined) resting.set(title, rest);
          runs.delete(title);
        });
        runs.set(title, work);
      }
    } catch (error) {
      options.onEvent({ type: 'trouble', run: '', error });
    }
    await after(LOOK_MS, undefined, { signal: options.signal }).catch(() => undefined);
  }
  await Promise.all(runs.values());
}

async function rests(options: ServeOptions, run: RunName, rest: 'closed' | Offset | undefined): Promise<boolean> {
  if (rest === undefined) return false;
  return rest === 'closed' || (await options.log.end(wakingTopic(options, run), 0)) <= rest;
}

/** What moves when a stopped run goes on: an orchestrator is asked for it, and then says so to the others. */
function wakingTopic({ roles }: ServeOptions, run: RunName): string {
  const topics = new RunTopics(run);
  return roles.has('orchestrator') ? topics.requests : topics.control;
}

/** What the run rests at afterwards; undefined to look at it again. */
async function serveOne(options: ServeOptions, run: RunName): Promise<'closed' | Offset | undefined> {
  const { log, onEvent } = options;
  const title = `${run.name}/${run.generation}`;
  const topics = new RunTopics(run);
  try {
    if (await isClosed(log, topics)) return 'closed';
    const asked = await log.end(wakingTopic(options, run), 0);
    const deployed = await readRun(log, run.name, run.generation);
    // Its deployment was interrupted, or goes on in another process that runs it.
    if (!(await isCopied(log, topics, deployed.program))) return undefined;
    onEvent({ type: 'run', run: title, state: 'served' });
    const state = await work(options, deployed, title);
    onEvent({ type: 'run', run: title, state });
    if (state === 'closed') return 'closed';
    return state === 'stopped' ? asked : undefined;
  } catch (error) {
    const passes = error instanceof MizuError && (PROCESS_FAILURES.includes(error.code) || error.code === 'NOT_FOUND');
    onEvent({ type: 'trouble', run: title, error });
    if (passes || options.signal.aborted) return undefined;
    // Another try would only meet it again: until somebody asks something of the run.
    return log.end(wakingTopic(options, run), 0).catch(() => undefined);
  }
}

async function work(options: ServeOptions, deployed: DeployedRun, title: string): Promise<ServedEnd> {
  const { log, registry, local, signer, signal, roles } = options;
  const context: RunContext = { ...deployed, log, title, topics: new RunTopics(deployed.run), registry, local, signer, signal };
  return serveRun(context, {
    orchestrator: roles.has('orchestrator'),
    offer: offerOf(options, deployed),
    name: options.name,
    workerUrl: options.workerUrl,
    workers: options.workers,
    openGateway: options.openGateway,
    openExternal: options.openExternal,
    lostTicks: options.lostTicks,
    onEvent: (event) => options.onEvent({ type: 'event', run: title, event }),
  });
}

function offerOf(options: ServeOptions, { deployment }: DeployedRun): Offer | undefined {
  const { roles, registry, workers, weight, memory } = options;
  const takesTasks = roles.has('node');
  const answers = roles.has('gateway') && options.openGateway !== undefined;
  if (!takesTasks && !answers && !roles.has('checkpointer')) return undefined;
  return {
    slots: takesTasks ? workers : 0,
    weight,
    steps: takesTasks,
    checkpoints: roles.has('checkpointer'),
    answers,
    ops: takesTasks ? opsOf(registry) : [],
    models: answers ? Object.keys(deployment.models).sort() : [],
    memory,
  };
}

/** Whether the run's last entry stands in its control log. */
async function isClosed(log: Log, topics: RunTopics): Promise<boolean> {
  const last = await lastEntry(log, topics.control, 0);
  return last !== undefined && decodeControl(last.value).body.type === 'close';
}
