/**
 * One process's part in one run among many processes: orchestrator or its standby, member, or both. It goes on through the loss of its
 * writers and the moves of its leases, until the run is closed, its operator stops it, or the process ends.
 */
import { interval, lastValueFrom, tap } from 'rxjs';
import { MizuError } from '../contract/errors.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { Offer, RunMode } from '../dispatch/control-entry.ts';
import type { ControlFold, UnequalResult } from '../dispatch/control-fold.ts';
import { isHeld } from '../dispatch/roles.ts';
import { snapshotPlace } from './control-snapshot.ts';
import { ControlTail } from './control-tail.ts';
import type { OpenGateway } from './gateway-role.ts';
import { PROCESS_FAILURES } from './leases.ts';
import { processName } from './live-run.ts';
import { LogGateway } from './log-gateway.ts';
import type { MemberEvent, MemberLife } from './member.ts';
import { Member } from './member.ts';
import type { Progress } from './orchestrator.ts';
import { openOrchestration } from './orchestration.ts';
import { refuseOtherKey } from './run.ts';
import type { RunContext } from './run-context.ts';
import { LOST_TICKS, SILENCE_FLOOR_MS, SILENT_DEADLINES, TICK_MS } from './run-context.ts';
import { asksModels } from './topics.ts';
import type { TaskExecutor } from './worker-pool.ts';
import { WorkerPool } from './worker-pool.ts';

/** A standby takes over when control has not moved for so long, milliseconds: an orchestrator that lives ticks every TICK_MS. */
export const TAKEOVER_MS = LOST_TICKS * TICK_MS;
/** Standbys of one run wait up to so much longer, milliseconds, each its own share, so that one of them is first. */
const TAKEOVER_SPREAD_MS = 500;
/** A part that failed is begun anew after this, milliseconds, longer each time up to the limit. */
const RETRY_MS = 200;
const RETRY_LIMIT_MS = 10_000;

export type RunEvent =
  | MemberEvent
  | { readonly type: 'orchestrator'; readonly state: 'standby' | 'active' }
  | { readonly type: 'progress'; readonly progress: Progress }
  | ControlMoved
  | ResultCompared
  /** A worker thread ended that should not have; another takes its place. */
  | { readonly type: 'worker-died'; readonly reason: string };

/** What control says at a tick, for those who watch. */
export interface ControlMoved {
  readonly type: 'control';
  readonly tick: number;
  readonly mode: RunMode;
  /** Tasks cut, and those that every fold has let go of. */
  readonly cut: number;
  readonly low: number;
  readonly members: number;
  /** Roles that a living member has. */
  readonly checkpointer: boolean;
  readonly gateway: boolean;
}

/** A second result of an accepted task was compared with the one that counts; told by the active orchestrator's process. */
export interface ResultCompared extends UnequalResult {
  readonly type: 'compared';
  readonly equal: boolean;
}

export interface ServeRunOptions {
  /** Whether this process may be the orchestrator. */
  readonly orchestrator: boolean;
  /** What its member offers; absent: it sends none. */
  readonly offer: Offer | undefined;
  /** Name of its member. */
  readonly name: string;
  readonly workerUrl: URL;
  readonly workers: number;
  /** Opens the gateway of a member that offers to answer. */
  readonly openGateway?: OpenGateway | undefined;
  readonly openExternal?: OpenExternal | undefined;
  /** Ticks of silence after which a member is lost. Default LOST_TICKS. */
  readonly lostTicks?: number | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

export type ServedEnd = 'closed' | 'stopped' | 'interrupted';

/** @throws KEY_INVALID, LOG_CORRUPT and other failures that another try would only repeat. */
export async function serveRun(context: RunContext, options: ServeRunOptions): Promise<ServedEnd> {
  const over = new AbortController();
  const served = new ServedRun({ ...context, signal: AbortSignal.any([context.signal, over.signal]) }, options);
  try {
    return await served.work();
  } finally {
    over.abort();
    await served.close();
  }
}

class ServedRun {
  private readonly context: RunContext;
  private readonly options: ServeRunOptions;
  private readonly control: ControlTail;
  private executor: WorkerPool | undefined;
  /** Asks for the tasks of this process, whoever answers. */
  private asker: LogGateway | undefined;
  private orchestrates = false;

  constructor(context: RunContext, options: ServeRunOptions) {
    this.context = context;
    this.options = options;
    this.control = new ControlTail(context.log, context.topics.control, snapshotPlace(context.topics, context.title));
    this.control.listen((body) => {
      if (body.type === 'tick') options.onEvent(controlMoved(this.control.fold));
      if (body.type === 'confirm' && this.orchestrates) options.onEvent({ ...body, type: 'compared' });
    });
  }

  async work(): Promise<ServedEnd> {
    await this.control.catchUp();
    if (this.options.orchestrator || this.options.offer?.checkpoints === true) refuseOtherKey(this.context, this.control);
    const parts: Promise<void>[] = [this.follow()];
    if (this.options.orchestrator) parts.push(this.again('orchestrator', () => this.orchestrate()));
    const { offer } = this.options;
    if (offer !== undefined) parts.push(this.again('member', () => this.member(offer)));
    await Promise.all(parts);
    return this.ended ?? 'interrupted';
  }

  async close(): Promise<void> {
    await this.executor?.close();
    await this.asker?.close();
  }

  /** How the run has ended for everybody. */
  private get ended(): 'closed' | 'stopped' | undefined {
    const { fold } = this.control;
    if (fold.close !== undefined) return 'closed';
    return fold.mode === 'stopped' && !this.options.orchestrator ? 'stopped' : this.stopped;
  }

  /** An orchestrator serves a stopped run until it has said so itself. */
  private stopped: 'stopped' | undefined;
  /** Aborts with that: a stopped run's control does not move, and nobody else would wake. */
  private readonly letGo = new AbortController();

  /** Ends what waits for control. */
  private get waiting(): AbortSignal {
    return AbortSignal.any([this.context.signal, this.letGo.signal]);
  }

  /** Keeps this process's view of control up to date. */
  private async follow(): Promise<void> {
    while (this.ended === undefined && !this.context.signal.aborted) {
      try {
        if (!(await this.control.turn(AbortSignal.any([this.waiting, AbortSignal.timeout(RETRY_LIMIT_MS)])))) continue;
      } catch (error) {
        await this.passOver('control', error, RETRY_MS);
      }
    }
  }

  /** Does a part of the work until the run ends; a failure that passes begins it anew. */
  private async again(name: string, part: () => Promise<void>): Promise<void> {
    let wait = RETRY_MS;
    while (this.ended === undefined && !this.context.signal.aborted) {
      const began = performance.now();
      try {
        await part();
      } catch (error) {
        if (performance.now() - began > RETRY_LIMIT_MS) wait = RETRY_MS;
        await this.passOver(name, error, wait);
        wait = Math.min(2 * wait, RETRY_LIMIT_MS);
      }
    }
  }

  private async passOver(name: string, error: unknown, waitMs: number): Promise<void> {
    if (this.context.signal.aborted) return;
    if (!(error instanceof MizuError) || !PROCESS_FAILURES.includes(error.code)) throw error;
    this.options.onEvent({ type: 'failed', name, error });
    await this.control.moved(AbortSignal.any([this.context.signal, AbortSignal.timeout(waitMs)]));
  }

  /** Stands by until control is silent, then orchestrates until the run ends or another takes over. */
  private async orchestrate(): Promise<void> {
    const { context, control, options } = this;
    const { fold } = control;
    if (fold.opens > 0 && fold.mode !== 'stopped') {
      options.onEvent({ type: 'orchestrator', state: 'standby' });
      await this.untilSilent();
    }
    if (this.ended !== undefined || context.signal.aborted) return;
    const orchestration = await openOrchestration(
      context,
      control,
      {
        employed: context.deployment.nodes,
        owner: processName(),
        ticks: interval(TICK_MS),
        lostTicks: options.lostTicks ?? LOST_TICKS,
        gateway: asksModels(context.program),
        stuck: 'pause',
      },
      { external: options.openExternal },
    );
    this.orchestrates = true;
    try {
      options.onEvent({ type: 'orchestrator', state: 'active' });
      await lastValueFrom(orchestration.run().pipe(tap((progress) => options.onEvent({ type: 'progress', progress }))), {
        defaultValue: undefined,
      });
      // What it wrote last is not read back yet, and the member of this process learns from control that the run is stopped or closed.
      await control.until(() => control.position > orchestration.lastEntryAt, context.signal);
      if (orchestration.stopped) {
        this.stopped = 'stopped';
        this.letGo.abort();
      }
      await control.until(() => this.ended !== undefined, context.signal);
    } finally {
      this.orchestrates = false;
      await orchestration.close();
    }
  }

  private async untilSilent(): Promise<void> {
    const { log, topics, signal } = this.context;
    const patience = Math.round(TAKEOVER_MS + Math.random() * TAKEOVER_SPREAD_MS);
    for (let moved = true; moved && this.ended === undefined && !signal.aborted; ) {
      const end = await log.end(topics.control, 0);
      moved = await log.waitBeyond(topics.control, 0, end, AbortSignal.any([signal, AbortSignal.timeout(patience)]));
    }
  }

  /** One life of the member: joins and works until it is lost or the run ends. */
  private async member(offer: Offer): Promise<void> {
    const { context, control, options } = this;
    // The orchestrator of this process may let it go on.
    if (!(await control.until(({ mode }) => mode !== 'stopped', this.waiting))) return;
    const member = new Member(context, control, {
      name: options.name,
      offer,
      pool: offer.slots > 0 ? (life) => this.pool(life) : undefined,
      openGateway: options.openGateway,
      openExternal: options.openExternal,
      alone: true,
      onEvent: options.onEvent,
    });
    try {
      await lastValueFrom(member.run(), { defaultValue: undefined });
    } finally {
      await member.close();
    }
    if (member.end !== 'replaced') return;
    throw new MizuError('RUN_LIVE', `Another process took part in '${context.title}' as '${options.name}'`, {
      component: options.name,
      hint: 'Give each process a name of its own (--id).',
    });
  }

  private pool(life: MemberLife): TaskExecutor {
    const { context, options } = this;
    const { onEvent } = options;
    const onUnserved = (error: MizuError): void => onEvent({ type: 'failed', name: 'gateway', error });
    this.asker ??= new LogGateway(context, this.control, { onUnserved });
    const { asker } = this;
    asker.begin(life.node, life.signal);
    this.executor ??= new WorkerPool({
      url: options.workerUrl,
      size: options.workers,
      setup: { program: context.program, digest: context.digest, data: context.data },
      silenceMs: Math.max(SILENCE_FLOOR_MS, context.deployment.deadlineMs * SILENT_DEADLINES),
      ask: (questions) => Promise.all(questions.map((question) => asker.ask(question, context.signal))),
      onDeath: (reason) => onEvent({ type: 'worker-died', reason }),
    });
    return this.executor;
  }
}

function controlMoved(fold: ControlFold): ControlMoved {
  const held = (name: 'checkpointer' | 'gateway'): boolean => {
    const role = fold.roles.get(name);
    return role !== undefined && isHeld(fold, role);
  };
  const { tick, mode, nextCut, low, members } = fold;
  const roles = { checkpointer: held('checkpointer'), gateway: held('gateway') };
  return { type: 'control', tick, mode, cut: nextCut, low, members: members.size, ...roles };
}
