/** Metrics and health of one process: fed with what the engine tells and with its commits, asked over HTTP. */
import { setTimeout as after } from 'node:timers/promises';
import type { Log, ServeEvent } from '#engine';
import { messageOf } from '#engine';
import { Health, type Readiness } from './health.ts';
import { type HttpServer, json, openHttp, type Page } from './http-server.ts';
import { observeLog } from './observed-log.ts';
import { RunMetrics } from './run-metrics.ts';

/** The log has to answer a probe within this, milliseconds. */
const PROBE_LIMIT_MS = 2_000;
/** An answer counts for so long, milliseconds: many who ask cost the log one question. */
const PROBE_AGE_MS = 1_000;
/** No topic begins so: the shortest question that a log can be asked. */
const NO_TOPIC = '--probe--';

export interface MetricsOptions {
  /** `HOST:PORT`; absent: nothing listens, and what is fed is counted all the same. */
  readonly http?: string | undefined;
  /** Name of the process: the label `member` of every series. */
  readonly name: string;
  readonly roles: readonly string[];
  readonly version: string;
}

export interface Metrics {
  /** `http://HOST:PORT`; undefined where nothing listens. */
  readonly address: string | undefined;
  onEvent(event: ServeEvent): void;
  /** The same log, with every commit through it counted. It is also the one that has to answer before the process is ready. */
  observe(log: Log): Log;
  /** What its HTTP endpoint tells: a request, or a call to a model server. */
  onEndpoint(event: EndpointRequest | NewAnswer | ModelCall): void;
  /** How fast models are called, asked at each scrape. */
  watchModels(states: () => ReadonlyMap<string, ModelState>): void;
  /** As this process answers `/metrics`, `/healthz` and `/readyz`, for whoever serves them at another address. */
  readonly pages: Readonly<Record<string, () => Promise<Page>>>;
  /** The process gives back what it holds: it is ready no more, and lives. */
  stopping(): void;
  /** The process can't go on: it lives no more. */
  failed(error: unknown): void;
  /** The exposition of Prometheus, as /metrics answers. */
  text(): Promise<string>;
  readiness(): Promise<Readiness>;
  close(): Promise<void>;
}

export interface EndpointRequest {
  readonly type: 'request';
  readonly caller: string;
  readonly model: string;
  readonly status: number;
  readonly code: string;
  readonly seconds: number;
  readonly recorded: boolean;
}

export interface NewAnswer {
  readonly type: 'answer';
  readonly caller: string;
  readonly model: string;
  readonly tokens: number;
}

export interface ModelCall {
  readonly type: 'call';
  readonly model: string;
  readonly end: string;
}

export interface ModelState {
  readonly limit: number;
  readonly running: number;
  readonly waiting: number;
  readonly heldMs: number;
  readonly givenUp: boolean;
}

/** @throws USAGE for an address that can't be listened on. */
export async function openMetrics(options: MetricsOptions): Promise<Metrics> {
  const metrics = new ProcessMetrics(options);
  if (options.http !== undefined) await metrics.listen(options.http);
  return metrics;
}

class ProcessMetrics implements Metrics {
  private readonly metrics: RunMetrics;
  private readonly health: Health;
  private log: Log | undefined;
  private probe: { readonly at: number; readonly problem: Promise<string | undefined> } | undefined;
  private server: HttpServer | undefined;
  private modelStates: () => ReadonlyMap<string, ModelState> = () => new Map();

  constructor({ name, roles, version }: MetricsOptions) {
    this.metrics = new RunMetrics(name);
    this.health = new Health(roles);
    this.metrics.families.set('build', { version, node: process.versions.node }, 1);
  }

  get address(): string | undefined {
    return this.server?.address;
  }

  async listen(http: string): Promise<void> {
    this.server = await openHttp(http, this.pages);
  }

  get pages(): Readonly<Record<string, () => Promise<Page>>> {
    return {
      '/metrics': async () => this.exposition(),
      '/healthz': async () => this.alive(),
      '/readyz': async () => {
        const readiness = await this.readiness();
        return json(readiness.ready ? 200 : 503, readiness);
      },
    };
  }

  onEndpoint(event: EndpointRequest | NewAnswer | ModelCall): void {
    const { families } = this.metrics;
    if (event.type === 'answer') {
      const { caller, model, tokens } = event;
      if (tokens > 0) families.add('endpointTokens', { caller, model }, tokens);
      return;
    }
    if (event.type === 'call') {
      families.add('modelCalls', { model: event.model, end: event.end });
      return;
    }
    const { caller, model, status, code, seconds } = event;
    const recorded = String(event.recorded);
    families.add('endpointRequests', { caller, model, status: String(status), error: code, recorded });
    if (model !== '') families.observe('endpointSeconds', { model, recorded }, seconds);
  }

  watchModels(states: () => ReadonlyMap<string, ModelState>): void {
    this.modelStates = states;
  }

  private showModels(): void {
    const { families } = this.metrics;
    for (const [model, { limit, running, waiting, heldMs, givenUp }] of this.modelStates()) {
      families.set('modelLimit', { model }, limit);
      families.set('modelRunning', { model }, running);
      families.set('modelWaiting', { model }, waiting);
      families.set('modelHeld', { model }, heldMs / 1_000);
      families.set('modelGivenUp', { model }, givenUp ? 1 : 0);
    }
  }

  onEvent(event: ServeEvent): void {
    this.metrics.take(event);
    this.health.take(event);
  }

  observe(log: Log): Log {
    this.log = log;
    this.probe = undefined;
    const { families } = this.metrics;
    return observeLog(log, ({ run, role, outcome, seconds, entries, bytes }) => {
      families.add('commits', { run, role, outcome });
      families.observe('commitSeconds', { run, role }, seconds);
      if (outcome !== 'committed') return;
      families.add('writtenEntries', { run, role }, entries);
      families.add('writtenBytes', { run, role }, bytes);
    });
  }

  stopping(): void {
    this.health.stop();
  }

  failed(error: unknown): void {
    this.health.fail(error);
  }

  async text(): Promise<string> {
    const { ready } = await this.readiness();
    this.metrics.families.set('ready', {}, ready ? 1 : 0);
    this.showModels();
    return this.metrics.families.registry.metrics();
  }

  async readiness(): Promise<Readiness> {
    return this.health.readiness(await this.logProblem());
  }

  async close(): Promise<void> {
    await this.server?.close();
    this.metrics.families.registry.clear();
  }

  private async exposition(): Promise<Page> {
    const body = await this.text();
    return { status: 200, type: this.metrics.families.registry.contentType, body };
  }

  private alive(): Page {
    const { death } = this.health;
    const uptimeSeconds = Math.round(process.uptime());
    return death === undefined ? json(200, { alive: true, uptimeSeconds }) : json(503, { alive: false, uptimeSeconds, reason: death });
  }

  private logProblem(): Promise<string | undefined> {
    const { log } = this;
    if (log === undefined) return Promise.resolve('it is not open yet');
    if (this.probe === undefined || performance.now() - this.probe.at > PROBE_AGE_MS)
      this.probe = { at: performance.now(), problem: probe(log) };
    return this.probe.problem;
  }
}

/** Undefined when the log answers. */
async function probe(log: Log): Promise<string | undefined> {
  const late = new AbortController();
  try {
    const answered = log.topics(NO_TOPIC).then(() => undefined);
    const silent = after(PROBE_LIMIT_MS, `no answer within ${PROBE_LIMIT_MS} ms`, { signal: late.signal, ref: false });
    return await Promise.race([answered, silent]);
  } catch (error) {
    return messageOf(error);
  } finally {
    late.abort();
  }
}
