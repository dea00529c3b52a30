/** Tells whether an orchestrator works on a run: on this machine by its process, elsewhere by its ticks. Refuses a second run of a live one (P12). */
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { MizuError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { processLives } from '../contract/process-lives.ts';
import { ControlTail } from './control-tail.ts';
import type { RunContext } from './run-context.ts';
import { TICK_MS } from './run-context.ts';
import { listRuns, RunTopics } from './topics.ts';

/** How long to look for a tick of an orchestrator that might be alive. */
const WATCH_MS = 2.5 * TICK_MS;

/** A process that took over may still be deploying; then control names nobody yet. */
const NAMED_WITHIN_MS = 5_000;

/** How often a process that holds a run begins it anew because a loser fenced its writers, before it gives up. */
const RETAKES = 8;

/** @throws RUN_LIVE naming the owner. */
export async function refuseLiveRun(context: RunContext, control: ControlTail): Promise<void> {
  const { owner } = control.fold;
  if (owner === processName()) return;
  if (!(await orchestratorLives(context.log, context.topics.control, owner, context.signal))) return;
  throw runIsLive(context.title, owner);
}

function runIsLive(title: string, owner: string, cause?: unknown): MizuError {
  return new MizuError('RUN_LIVE', `'${title}' is being run by ${owner}`, {
    cause,
    component: title,
    hint: `Wait for it, or end it (kill ${splitOwner(owner)[1]}); the same command then goes on where it stopped.`,
  });
}

/**
 * Begins a run so that of several processes that begin it at once exactly one goes on. All of them find nobody at work, and each opens one writer after the other, so
 * they may fence each other's. Who last opened the orchestrator's stays in control: it is the one that control names, and it begins again what a loser took from it. The
 * others can write no more control, and are told RUN_LIVE, as if they had come later.
 */
export async function soleRun<T>(log: Log, name: string, begin: () => Promise<T>): Promise<T> {
  for (let retakes = 0; ; retakes++) {
    try {
      return await begin();
    } catch (error) {
      if (!(error instanceof MizuError) || error.code !== 'LOG_FENCED') throw error;
      const verdict = await afterFence(log, name, error);
      if (verdict !== 'ours' || retakes === RETAKES) throw verdict === 'ours' ? error : verdict;
    }
  }
}

/**
 * Whose the run is now that a writer of this process was fenced: this process's (or nobody's any more, as it is finished), another's (RUN_LIVE), or nobody can tell (the
 * error itself).
 */
async function afterFence(log: Log, name: string, error: MizuError): Promise<MizuError | 'ours'> {
  let before = '';
  for (const deadline = performance.now() + NAMED_WITHIN_MS; performance.now() < deadline; await pause(TICK_MS)) {
    // A log that can't be read now is no reason to hide what happened.
    const { title, owner, finished } = await namedOwner(log, name).catch(() => ({ title: '', owner: '', finished: false }));
    if (finished) return 'ours';
    // Among more than two the next one may just be losing to a third: who still stands there a tick later has it.
    if (owner !== '' && owner === before && !ownerGone(owner)) return owner === processName() ? 'ours' : runIsLive(title, owner, error);
    before = owner;
  }
  return error;
}

/** Whom control of the newest generation names; nobody while it is not begun. */
async function namedOwner(log: Log, name: string): Promise<{ readonly title: string; readonly owner: string; readonly finished: boolean }> {
  const run = (await listRuns(log, name)).at(-1);
  if (run === undefined) return { title: '', owner: '', finished: false };
  const control = new ControlTail(log, new RunTopics(run).control);
  await control.catchUp();
  return { title: `${run.name}/${run.generation}`, owner: control.fold.owner, finished: control.fold.close !== undefined };
}

/** Waits up to 2.5 ticks for control to move, unless its owner is known to be gone. `owner`: HOST:PID, empty before the first. */
export async function orchestratorLives(log: Log, control: string, owner: string, signal: AbortSignal): Promise<boolean> {
  if (owner === '' || ownerGone(owner)) return false;
  const before = await log.end(control, 0);
  return log.waitBeyond(control, 0, before, AbortSignal.any([AbortSignal.timeout(WATCH_MS), signal]));
}

/** Whether the owner was a process of this machine and is none any more. */
export function ownerGone(owner: string): boolean {
  const [host, pid] = splitOwner(owner);
  return host === hostname() && !processLives(Number(pid));
}

/** As control names the owner of a run: HOST:PID. */
export function processName(): string {
  return `${hostname()}:${process.pid}`;
}

function splitOwner(owner: string): [string, string] {
  const colon = owner.lastIndexOf(':');
  return [owner.slice(0, colon), owner.slice(colon + 1)];
}
