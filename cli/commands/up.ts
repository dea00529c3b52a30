/** `mizu up`: plays roles in every run of a log, until it is told to end. */
import { hostname } from 'node:os';
import type { Json, Role, ServeEvent } from '#engine';
import { messageOf, MizuError, ROLES } from '#engine';
import { openLog, serveNetwork } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import type { UpCommandOptions } from '../network-commands.ts';
import { defaultWorkers } from './run.ts';

export async function up(context: Context, options: UpCommandOptions): Promise<Outcome> {
  const roles = rolesOf(options.roles);
  const name = options.id ?? hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-');
  const log = await openLog(context.log, { readOnly: false });
  const { signal } = context;
  const troubles: string[] = [];
  try {
    context.progress.note(`${name} is ${[...roles].join(', ')} on ${context.log}; Ctrl-C ends it, and others take over what it held`);
    await serveNetwork({
      log,
      roles,
      name,
      workers: options.workers ?? defaultWorkers(),
      weight: options.weight,
      keyFile: options.key,
      runs: options.run.length === 0 ? undefined : options.run,
      env: (variable) => process.env[variable],
      signal,
      onEvent: (event) => {
        if (event.type === 'trouble') troubles.push(messageOf(event.error));
        tell(context, event);
      },
    });
  } finally {
    await log.close();
  }
  return { exitCode: EXIT.done, result: { name, roles: [...roles], troubles: troubles.slice(-10) } };
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

/** What a person wants to see; everything is in the debug log. */
function tell(context: Context, event: ServeEvent): void {
  context.debug(event.type, { ...plain(event) });
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

function plain(event: ServeEvent): { readonly [key: string]: Json } {
  if (event.type === 'run') return { run: event.run, state: event.state };
  if (event.type === 'trouble') return { run: event.run, error: messageOf(event.error) };
  const { run, event: inner } = event;
  if (inner.type === 'failed') return { run, event: inner.type, name: inner.name, error: messageOf(inner.error) };
  if (inner.type === 'progress') return { run, event: inner.type, cut: inner.progress.cut, published: inner.progress.published };
  return {
    run,
    ...Object.fromEntries(Object.entries(inner).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))),
  };
}
