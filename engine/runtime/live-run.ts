/** Refuses a second run of a live run (P12): on this machine by its process, elsewhere by the ticks of its orchestrator. */
import { hostname } from 'node:os';
import { MizuError } from '../contract/errors.ts';
import type { ControlTail } from './control-tail.ts';
import type { RunContext } from './run-context.ts';
import { TICK_MS } from './run-context.ts';

/** How long to look for a tick of an orchestrator that might be alive. */
const WATCH_MS = 2.5 * TICK_MS;

/** @throws RUN_LIVE naming the owner. */
export async function refuseLiveRun(context: RunContext, control: ControlTail): Promise<void> {
  const { owner } = control.fold;
  if (owner === '') return;
  const [host, pid] = splitOwner(owner);
  if (host === hostname() && (Number(pid) === process.pid || !processLives(Number(pid)))) return;
  const before = await context.log.end(context.topics.control, 0);
  const moved = await context.log.waitBeyond(
    context.topics.control,
    0,
    before,
    AbortSignal.any([AbortSignal.timeout(WATCH_MS), context.signal]),
  );
  if (!moved) return;
  throw new MizuError('RUN_LIVE', `'${context.title}' is being run by ${owner}`, {
    component: context.title,
    hint: `Wait for it, or end it (kill ${pid}); the same command then goes on where it stopped.`,
  });
}

/** Whether the owning process runs on this machine now; false for one elsewhere, which only ticks can tell. */
export function ownerLives(owner: string): boolean {
  const [host, pid] = splitOwner(owner);
  return host === hostname() && processLives(Number(pid));
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
