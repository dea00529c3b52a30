/**
 * Whether a process lives, and whether it can do its work. It lives unless it said itself that it ends by a failure. It is ready when its log answers,
 * somebody orchestrates each run that it serves, and each of its roles has its place there or stands by for one. Whatever is missing is named.
 */
import type { RunEvent, ServeEvent } from '#engine';
import { messageOf } from '#engine';

/** Without a tick for so long, nobody orchestrates the run, milliseconds: a standby would have taken over in a third of it. */
export const CONTROL_SILENCE_MS = 10_000;
/** Runs with trouble that are remembered; they are named until they are served again. */
const TROUBLE_LIMIT = 20;

export interface RunHealth {
  /** Absent: this process never orchestrates. */
  orchestrator?: 'standby' | 'active' | undefined;
  member?: 'joined' | 'waiting' | 'lost' | undefined;
  node?: number | undefined;
  /** What it holds: partitions as `step/STAGE/PARTITION`, checkpointer, gateway. */
  readonly leases: Set<string>;
  tickAt: number;
  mode: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly missing: readonly string[];
  readonly log: { readonly reachable: boolean; readonly error?: string };
  readonly runs: Readonly<Record<string, { orchestrator?: string; member?: string; node?: number; leases: readonly string[] }>>;
}

export class Health {
  private readonly orchestrates: boolean;
  private readonly takesPart: boolean;
  private readonly runs = new Map<string, RunHealth>();
  private readonly troubles = new Map<string, string>();
  private fatal: string | undefined;
  private stopping = false;

  constructor(roles: readonly string[]) {
    this.orchestrates = roles.includes('orchestrator');
    this.takesPart = roles.some((role) => role !== 'orchestrator');
  }

  take(event: ServeEvent): void {
    if (event.type === 'trouble') this.trouble(event.run, messageOf(event.error));
    else if (event.type === 'run') this.takeRun(event.run, event.state);
    else this.takeEvent(event.run, event.event);
  }

  fail(error: unknown): void {
    this.fatal = messageOf(error);
  }

  stop(): void {
    this.stopping = true;
  }

  /** Why the process should be ended; undefined while it lives. */
  get death(): string | undefined {
    return this.fatal;
  }

  /** @param logProblem undefined when the log answered. */
  readiness(logProblem: string | undefined): Readiness {
    const missing: string[] = [];
    if (this.fatal !== undefined) missing.push(`the process failed: ${this.fatal}`);
    if (this.stopping) missing.push('the process is stopping');
    if (logProblem !== undefined) missing.push(`log: ${logProblem}`);
    for (const [run, trouble] of this.troubles) missing.push(`${run === '' ? 'log' : run}: ${trouble}`);
    for (const [run, health] of this.runs) missing.push(...this.missingIn(run, health));
    return {
      ready: missing.length === 0,
      missing,
      log: logProblem === undefined ? { reachable: true } : { reachable: false, error: logProblem },
      runs: Object.fromEntries([...this.runs].map(([run, health]) => [run, shown(health)])),
    };
  }

  private missingIn(run: string, health: RunHealth): string[] {
    const missing: string[] = [];
    if (this.orchestrates && health.orchestrator === undefined) missing.push(`${run}: its orchestrator has not begun`);
    if (this.takesPart && health.member === undefined) missing.push(`${run}: the member has no place yet`);
    if (health.member === 'lost') missing.push(`${run}: the member lost its place and asks for another`);
    const silence = performance.now() - health.tickAt;
    if (silence > CONTROL_SILENCE_MS && health.mode !== 'stopped')
      missing.push(`${run}: nobody orchestrates it, no tick for ${Math.floor(silence / 1000)} s`);
    return missing;
  }

  private trouble(run: string, message: string): void {
    this.troubles.delete(run);
    const [oldest] = this.troubles.keys();
    if (this.troubles.size >= TROUBLE_LIMIT && oldest !== undefined) this.troubles.delete(oldest);
    this.troubles.set(run, message);
    this.runs.delete(run);
  }

  private takeRun(run: string, state: (ServeEvent & { readonly type: 'run' })['state']): void {
    this.troubles.delete(run);
    // A run that is served was found on the log.
    this.troubles.delete('');
    if (state === 'served') this.runs.set(run, { leases: new Set(), tickAt: performance.now(), mode: 'running' });
    else this.runs.delete(run);
  }

  private takeEvent(run: string, event: RunEvent): void {
    const health = this.runs.get(run);
    if (health === undefined) return;
    if (event.type === 'orchestrator') health.orchestrator = event.state;
    else if (event.type === 'joined') Object.assign(health, { member: 'joined', node: event.node });
    else if (event.type === 'waiting') health.member = 'waiting';
    else if (event.type === 'lost') Object.assign(health, { member: 'lost', node: undefined });
    else if (event.type === 'control') Object.assign(health, { tickAt: performance.now(), mode: event.mode });
    else if (event.type === 'lease' && event.held) health.leases.add(event.name);
    else if (event.type === 'lease') health.leases.delete(event.name);
  }
}

function shown({ orchestrator, member, node, leases }: RunHealth): Readiness['runs'][string] {
  return {
    ...(orchestrator === undefined ? {} : { orchestrator }),
    ...(member === undefined ? {} : { member }),
    ...(node === undefined ? {} : { node }),
    leases: [...leases].sort(),
  };
}
