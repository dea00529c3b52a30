/** Watching of a process that plays roles: a line of the log and a metric for all that the engine tells, and health over HTTP. */
import type { Log, ServeEvent } from '#engine';
import { type Metrics, openMetrics } from '#connectors/metrics';
import type { EndpointEvent } from '#topologies';
import { endpointLine } from './endpoint-line.ts';
import { eventLine } from './event-line.ts';
import { loggedError, openLogger } from './logger.ts';
import { installedVersion } from './version.ts';

export interface WatchingOptions {
  /** `HOST:PORT` for /metrics, /healthz and /readyz; absent: nothing listens. Port 0 takes a free one. */
  readonly http?: string | undefined;
  /** Of the log on standard error: trace, debug, info, warn, error, silent. */
  readonly level: string;
  /** Name of the process. */
  readonly name: string;
  readonly roles: readonly string[];
}

/** What the process says of itself: the log that it works on, once it is open; that it stops; why it can't go on. */
export type ProcessState = { readonly log: Log } | { readonly stopping: true } | { readonly fatal: unknown };

export interface Watching {
  /** `http://HOST:PORT`, where something listens. */
  readonly address: string | undefined;
  onEvent(event: ServeEvent): void;
  onEndpoint(event: EndpointEvent): void;
  readonly metrics: Pick<Metrics, 'pages' | 'watchModels'>;
  ready(state: ProcessState): void;
  /** The same log with its commits counted; `ready({ log })` is said with it. */
  observe(log: Log): Log;
  close(): Promise<void>;
}

/** @throws USAGE for a level or an address that is none, before any work. */
export async function startWatching(options: WatchingOptions): Promise<Watching> {
  const { name, roles, http, level } = options;
  const logger = await openLogger(level, { member: name, roles });
  const metrics: Metrics = await openMetrics({ name, roles, http, version: installedVersion() });
  if (metrics.address !== undefined) logger.info({ role: 'process', address: metrics.address }, 'metrics and health are served');
  return {
    address: metrics.address,
    onEvent(event) {
      metrics.onEvent(event);
      const { level: at, message, fields } = eventLine(event);
      logger[at](fields, message);
    },
    onEndpoint(event) {
      if (event.type !== 'failed' && event.type !== 'broken') metrics.onEndpoint(event);
      const { level: at, message, fields } = endpointLine(event);
      logger[at](fields, message);
    },
    metrics,
    ready(state) {
      if ('log' in state) metrics.observe(state.log);
      else if ('stopping' in state) {
        metrics.stopping();
        logger.info({ role: 'process' }, 'stopping');
      } else {
        metrics.failed(state.fatal);
        logger.fatal({ role: 'process', error: loggedError(state.fatal) }, 'the process can not go on');
      }
    },
    observe: (log) => metrics.observe(log),
    close: () => metrics.close(),
  };
}
