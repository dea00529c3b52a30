/**
 * Holds what control leases and appoints to one member: partitions of keyed stages, the checkpointer. It opens a role when its lease comes,
 * ends it when the lease goes, and, where failures may pass, opens it anew: opening fences, reads back, goes on (P2).
 */
import type { Observable } from 'rxjs';
import { lastValueFrom, Subject, tap } from 'rxjs';
import { invariant, MizuError } from '../contract/errors.ts';
import type { Append } from '../contract/log.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import type { ResultBody } from '../dispatch/member-entry.ts';
import { Checkpointer } from './checkpointer.ts';
import type { ControlTail } from './control-tail.ts';
import type { OpenGateway, QuestionSettled } from './gateway-role.ts';
import { GatewayRole } from './gateway-role.ts';
import type { RunContext } from './run-context.ts';
import type { StepsDone } from './step-runner.ts';
import { StepRunner } from './step-runner.ts';

/** A role that failed is opened anew after this, milliseconds; longer each time, up to the limit. */
const RETRY_MS = 100;
const RETRY_LIMIT_MS = 5_000;
/** Failures that say nothing of the role itself: its writer was ended, or the log could not be reached. */
export const PASSING_FAILURES: readonly string[] = ['LOG_FENCED', 'LOG_UNKNOWN_OUTCOME', 'LOG_UNAVAILABLE', 'LOG_BUSY'];
/**
 * Failures that end what a process holds, not the process: it gives that back, so that others go on, and begins anew after a while. A full disk is its own
 * alone, so the role is not opened again where it stands, as after a failure that passes.
 */
export const PROCESS_FAILURES: readonly string[] = [...PASSING_FAILURES, 'DISK_FULL'];

export type LeaseEvent =
  | { readonly type: 'lease'; readonly name: string; readonly held: boolean }
  | ({ readonly type: 'steps' } & StepsDone)
  /** The tree has the leaves of so many tasks. */
  | { readonly type: 'tree'; readonly tasks: number; readonly size: number }
  | ({ readonly type: 'question' } & QuestionSettled)
  | { readonly type: 'failed'; readonly name: string; readonly error: unknown };

export interface LeaseOptions {
  readonly report: (body: ResultBody) => Promise<void>;
  /** Commits as the member. */
  readonly commit: (appends: readonly Append[]) => Promise<unknown>;
  /** Opens the gateway that this member offers to be; absent for one that offers none. */
  readonly openGateway?: OpenGateway | undefined;
  /** Opens a role anew after a failure that may pass. Otherwise any failure ends the member. */
  readonly retry: boolean;
  readonly onEvent: (event: LeaseEvent) => void;
}

interface Held {
  readonly epoch: number;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

export class Leases {
  private readonly context: RunContext;
  private readonly node: number;
  private readonly control: ControlTail;
  private readonly options: LeaseOptions;
  private readonly held = new Map<string, Held>();
  /** Roles that end, by name: the next holder of the name in this process waits for them. */
  private readonly ending = new Map<string, Promise<void>>();
  private readonly work = new Subject<string>();
  private unlisten: () => void = () => {};

  constructor(context: RunContext, node: number, control: ControlTail, options: LeaseOptions) {
    this.context = context;
    this.node = node;
    this.control = control;
    this.options = options;
  }

  /** Emits the name of a role with each sign of its work; an error when one can't go on. Never completes by itself. */
  run(): Observable<string> {
    this.unlisten = this.control.listen((body) => this.hear(body));
    const { fold } = this.control;
    for (const [name, lease] of fold.leases) this.follow(`step/${name}`, lease.epoch, lease.node);
    for (const [name, role] of fold.roles) this.follow(name, role.epoch, role.node);
    return this.work;
  }

  async close(): Promise<void> {
    this.unlisten();
    for (const { stop } of this.held.values()) stop.abort();
    await Promise.allSettled([...this.held.values()].map(({ done }) => done));
  }

  private hear(body: ControlBody): void {
    if (body.type === 'lease') this.follow(`step/${body.stage}/${body.partition}`, body.epoch, body.node);
    if (body.type === 'appoint') this.follow(body.role, body.epoch, body.node);
  }

  private follow(name: string, epoch: number, node: number): void {
    const held = this.held.get(name);
    if (held !== undefined && held.epoch < epoch) {
      held.stop.abort();
      this.held.delete(name);
      this.ending.set(name, held.done);
      this.options.onEvent({ type: 'lease', name, held: false });
    }
    if (node !== this.node || this.held.has(name)) return;
    this.options.onEvent({ type: 'lease', name, held: true });
    const stop = new AbortController();
    const before = this.ending.get(name) ?? Promise.resolve();
    const done = before.then(() => this.hold(name, epoch, AbortSignal.any([this.context.signal, stop.signal])));
    this.held.set(name, { epoch, stop, done });
  }

  private async hold(name: string, epoch: number, signal: AbortSignal): Promise<void> {
    const context: RunContext = { ...this.context, signal };
    for (let wait = RETRY_MS; !signal.aborted; wait = Math.min(2 * wait, RETRY_LIMIT_MS)) {
      try {
        if (name === 'checkpointer') await this.checkpoint(context);
        else if (name === 'gateway') await this.answer(context);
        else await this.step(context, name, epoch);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.options.onEvent({ type: 'failed', name, error });
        const passes = error instanceof MizuError && PASSING_FAILURES.includes(error.code);
        if (!this.options.retry || !passes) {
          this.work.error(error);
          return;
        }
        await this.control.moved(AbortSignal.any([signal, AbortSignal.timeout(wait)]));
      }
    }
  }

  private async step(context: RunContext, name: string, epoch: number): Promise<void> {
    const [, stageText, partitionText] = name.split('/');
    const stage = context.program.stages[Number(stageText)];
    invariant(stage !== undefined, `stage ${stageText} was leased`);
    const partition = Number(partitionText);
    const runner = await StepRunner.open(context, stage, partition, this.control, { node: this.node, epoch });
    try {
      await lastValueFrom(runner.run().pipe(tap((done) => this.sign(name, { type: 'steps', ...done }))), { defaultValue: undefined });
      if (context.signal.aborted || stage.kind !== 'last') return;
      await this.options.report({ type: 'report', node: this.node, stage: stage.index, partition, reports: runner.machine.reports() });
    } finally {
      await runner.close();
    }
  }

  private async checkpoint(context: RunContext): Promise<void> {
    const checkpointer = await Checkpointer.open(context, this.control);
    try {
      await lastValueFrom(
        checkpointer.run().pipe(tap((tasks) => this.sign('checkpointer', { type: 'tree', tasks, size: checkpointer.size }))),
        { defaultValue: undefined },
      );
      if (context.signal.aborted) return;
      const head = await checkpointer.seal();
      await this.options.report({ type: 'sealed', node: this.node, tasks: checkpointer.tasks, ...head });
    } finally {
      await checkpointer.close();
    }
  }

  private async answer(context: RunContext): Promise<void> {
    const { control, node } = this;
    const { openGateway, commit, onEvent } = this.options;
    const gateway = await openGateway?.(context, { trustedKeys: control.keys.gateways, signal: context.signal });
    invariant(gateway !== undefined, `node ${node} offered to answer questions, so it brings a gateway`);
    try {
      const onSettled = (settled: QuestionSettled): void => onEvent({ type: 'question', ...settled });
      const role = await GatewayRole.open(context, control, { node, gateway, commit, onSettled });
      try {
        await lastValueFrom(role.run().pipe(tap(() => this.work.next('gateway'))), { defaultValue: undefined });
      } finally {
        await role.close();
      }
    } finally {
      await gateway.close();
    }
  }

  private sign(name: string, event: LeaseEvent): void {
    this.work.next(name);
    this.options.onEvent(event);
  }
}
