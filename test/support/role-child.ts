/**
 * A process that plays roles on a log, for suites that kill it: `node role-child.ts ORDERS`. Tells what the engine tells of it in lines
 * of JSON, and ends at SIGTERM.
 */
import { writeSync } from 'node:fs';
import { messageOf, type Role } from '#engine';
import { openLog, serveNetwork } from '#topologies';
import { startTelling, type TellingProcess } from './telling-process.ts';

export interface RoleOrders {
  readonly log: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly keyFile?: string | undefined;
  readonly lostTicks?: number | undefined;
}

/** One line: an event of a run, flat. */
export interface RoleLine {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface RoleProcess extends Pick<TellingProcess<RoleLine>, 'process' | 'ended'> {
  readonly lines: readonly RoleLine[];
  /** Resolves with the first line for which the condition holds, told before or later; rejects when the process ends without it. */
  until(condition: (line: RoleLine) => boolean): Promise<RoleLine>;
}

export function startRoles(orders: RoleOrders): RoleProcess {
  const { process, told: lines, ended, ...telling } = startTelling<RoleLine>([new URL(import.meta.url).pathname, JSON.stringify(orders)]);
  const until = async (condition: (line: RoleLine) => boolean): Promise<RoleLine> => {
    await telling.until((told) => told.some(condition));
    const line = lines.find(condition);
    if (line !== undefined) return line;
    throw new Error(`${orders.name} ended before that; it told: ${JSON.stringify(lines.slice(-5))}`);
  };
  return { process, lines, until, ended };
}

/** Written at once: a killed process loses what a stream has buffered. */
function tell(line: RoleLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function obey(orders: RoleOrders): Promise<void> {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const log = await openLog(orders.log, { readOnly: false });
  try {
    await serveNetwork({
      ...orders,
      log,
      roles: new Set(orders.roles),
      workers: 1,
      env: () => undefined,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'event')
          tell({ run: event.run, ...event.event, ...('error' in event.event ? { error: messageOf(event.event.error) } : {}) });
        else if (event.type === 'run') tell({ ...event });
        else tell({ type: 'trouble', error: messageOf(event.error) });
      },
    });
  } finally {
    await log.close();
  }
}

if (import.meta.main) await obey(JSON.parse(process.argv[2] ?? '{}') as RoleOrders);
