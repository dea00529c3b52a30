/** One process of a network: opens what its roles need and plays them in every run of the log until it is told to end. */
import { totalmem } from 'node:os';
import type { Log, Role, ServeEvent } from '#engine';
import { MizuError, serve } from '#engine';
import { localDirectory, openSigner, openStorage } from './open-log.ts';
import { openExternal } from './open-external.ts';
import { registry } from './registry.ts';
import { type Environment, gatewayOpener } from './run-gateway.ts';
import { WORKER_URL } from './run-workflow.ts';

export interface ServeNetworkOptions {
  /** Writable; stays open. */
  readonly log: Log;
  readonly roles: ReadonlySet<Role>;
  /** Name of the process; kept when it is started again. */
  readonly name: string;
  /** Worker threads for each run. */
  readonly workers: number;
  /** Default 1. */
  readonly weight?: number | undefined;
  /** Memory that its tasks may take, bytes; default: all that this process may have. */
  readonly memory?: number | undefined;
  /** Key file; default: the log's own. */
  readonly keyFile?: string | undefined;
  /** Runs to serve, by name; default: all. */
  readonly runs?: readonly string[] | undefined;
  /** Ticks of silence after which an orchestrator of this process gives a member up. */
  readonly lostTicks?: number | undefined;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly onEvent: (event: ServeEvent) => void;
}

/** A container's limit counts where there is one. */
function memoryHere(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Resolves once the signal aborted and everything was given back. @throws USAGE, KEY_INVALID, FILE_UNWRITABLE before any work. */
export async function serveNetwork(options: ServeNetworkOptions): Promise<void> {
  const { log, roles, name, signal, env } = options;
  if (!NAME_PATTERN.test(name)) {
    throw new MizuError('USAGE', `--id '${name}' is no name for a process`, {
      component: '--id',
      hint: 'Up to 100 letters, digits, dots, dashes and underscores, such as node-1.',
    });
  }
  const signer = openSigner(log, options.keyFile);
  const local = openStorage(localDirectory(log));
  try {
    await serve({
      log,
      registry,
      local,
      signer,
      roles,
      name,
      workerUrl: WORKER_URL,
      workers: options.workers,
      weight: options.weight ?? 1,
      memory: options.memory ?? memoryHere(),
      runs: options.runs === undefined ? undefined : new Set(options.runs),
      lostTicks: options.lostTicks,
      openGateway: roles.has('gateway') ? gatewayOpener({ log, signer, local, env }) : undefined,
      openExternal: openExternal(log, env),
      onEvent: options.onEvent,
      signal,
    });
  } finally {
    await local.close();
  }
}
