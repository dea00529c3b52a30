/** `mizu up`: plays roles in every run of a log, until it is told to end. */
import { hostname } from 'node:os';
import type { Log, Role, ServeEvent } from '#engine';
import { byteCount, messageOf, MizuError, ROLES } from '#engine';
import { defaultWorkers, openLog, serveNetwork } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import type { UpCommandOptions } from '../network-commands.ts';
import { startWatching, type Watching } from '../watching.ts';

/** The newest of these are in the result. */
const TROUBLES_SHOWN = 10;

/** What a process serves beside its roles: opened on the same log, closed before it. */
export type ServedWith = (place: {
  readonly log: Log;
  readonly watching: Watching;
  /** Ends the whole process. */
  readonly stop: () => void;
}) => Promise<{ readonly result: Outcome['result']; close(): Promise<void> }>;

export async function up(context: Context, options: UpCommandOptions, serveWith?: ServedWith): Promise<Outcome> {
  const roles = rolesOf(options.roles);
  const memory = memoryOf(options.memory);
  const name = options.id ?? hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-');
  const stopping = new AbortController();
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const watching = await startWatching({ http: options.http, level: levelOf(context), name, roles: [...roles] });
  const troubles: string[] = [];
  let log: Log | undefined;
  let also: Awaited<ReturnType<ServedWith>> | undefined;
  try {
    log = await openLog(context.log, { readOnly: false });
    signal.addEventListener('abort', () => watching.ready({ stopping: true }), { once: true });
    if (watching.address !== undefined) context.progress.note(`Metrics and health: ${watching.address}`);
    context.progress.note(`${name} is ${[...roles].join(', ')} on ${context.log}; Ctrl-C ends it, and others take over what it held`);
    const observed = watching.observe(log);
    also = await serveWith?.({ log: observed, watching, stop: () => stopping.abort() });
    await serveNetwork({
      log: observed,
      roles,
      name,
      workers: options.workers ?? defaultWorkers(),
      weight: options.weight,
      memory,
      keyFile: options.key,
      runs: options.run.length === 0 ? undefined : options.run,
      env: (variable) => process.env[variable],
      signal,
      onEvent: (event) => {
        watching.onEvent(event);
        if (event.type === 'trouble' && troubles.push(messageOf(event.error)) > TROUBLES_SHOWN) troubles.shift();
        if (process.stderr.isTTY) tell(context, event);
      },
    });
  } catch (error) {
    watching.ready({ fatal: error });
    throw error;
  } finally {
    await also?.close();
    await watching.close();
    await log?.close();
  }
  return { exitCode: EXIT.done, result: { name, roles: [...roles], troubles, ...also?.result } };
}

function memoryOf(text: string | undefined): number | undefined {
  const bytes = text === undefined ? undefined : byteCount(text);
  if (text === undefined || (bytes !== undefined && bytes > 0)) return bytes;
  throw new MizuError('USAGE', `--memory '${text}' is no size`, { component: '--memory', hint: 'Give a size such as 512MB or 8GiB.' });
}

/** A person at a terminal is told in words; everything else reads lines of JSON. */
function levelOf({ options }: Context): string {
  if (options.verbose === true) return 'debug';
  if (options.quiet === true) return 'warn';
  return process.stderr.isTTY ? 'silent' : 'info';
}

function rolesOf(text: string): ReadonlySet<Role> {
  const roles = new Set<Role>();
  for (const word of text.split(',').map((part) => part.trim())) {
    const role = ROLES.find((known) => known === word);
    if (role === undefined) {
      throw new MizuError('USAGE', `--roles names '${word}'; expected some of ${ROLES.join(', ')}`, { component: '--roles' });
    }
    roles.add(role);
  }
  return roles;
}

/** What a person wants to see; everything is in the log of `--verbose`. */
function tell(context: Context, event: ServeEvent): void {
  const { progress } = context;
  if (event.type === 'trouble') progress.note(`${event.run || 'log'}: ${messageOf(event.error)}`);
  else if (event.type === 'run') progress.note(`${event.run}: ${event.state}`);
  else tellRun(context, event);
}

function tellRun({ progress }: Context, { run, event }: ServeEvent & { readonly type: 'event' }): void {
  if (event.type === 'orchestrator') progress.note(`${run}: orchestrator, ${event.state}`);
  else if (event.type === 'joined') progress.note(`${run}: takes part as node ${event.node}`);
  else if (event.type === 'lost') progress.note(`${run}: lost its place (${event.reason})`);
  else if (event.type === 'failed') progress.note(`${run}: ${event.name}: ${messageOf(event.error)}`);
}
