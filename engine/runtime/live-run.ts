/** Tells whether an orchestrator works on a run: on this machine by its process, elsewhere by its ticks. Refuses a second run of a live one (P12). */
import { hostname } from 'node:os';
import { MizuError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { ControlTail } from './control-tail.ts';
import type { RunContext } from './run-context.ts';
import { TICK_MS } from './run-context.ts';

/** How long to look for a tick of an orchestrator that might be alive. */
const WATCH_MS = 2.5 * TICK_MS;

/** @throws RUN_LIVE naming the owner. */
export async function refuseLiveRun(context: RunContext, control: ControlTail): Promise<void> {
  const { owner } = control.fold;
  const [host, pid] = splitOwner(owner);
  if (host === hostname() && Number(pid) === process.pid) return;
  if (!(await orchestratorLives(context.log, context.topics.control, owner, context.signal))) return;
  throw new MizuError('RUN_LIVE', `'${context.title}' is being run by ${owner}`, {
    component: context.title,
    hint: `Wait for it, or end it (kill ${pid}); the same command then goes on where it stopped.`,
  });
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

function splitOwner(owner: string): [string, string] {
  const colon = owner.lastIndexOf(':');
  return [owner.slice(0, colon), owner.slice(colon + 1)];
}

/** Whether a process of that number runs here; signal 0 only asks. */
function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
