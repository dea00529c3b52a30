/**
 * A member's part in one run: it asks to join, works on what control assigns and leases to it, and says that it lives. It ends when the
 * run is closed, its operator stops it, or control says that it is lost; whoever runs it may then join again (P1, P2).
 */
import { randomUUID } from 'node:crypto';
import type { Observable, Subscriber } from 'rxjs';
import { catchError, defer, exhaustMap, interval, merge, mergeMap, Observable as Stream, takeUntil } from 'rxjs';
import { messageOf, MizuError } from '../contract/errors.ts';
import type { Append } from '../contract/log.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { ControlBody, Offer } from '../dispatch/control-entry.ts';
import type { RequestBody, ResultBody } from '../dispatch/member-entry.ts';
import { encodeSigned } from '../dispatch/signed-entry.ts';
import { toHex } from '../proof/sha256.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import type { OpenGateway } from './gateway-role.ts';
import type { LeaseEvent } from './leases.ts';
import { Leases, PASSING_FAILURES } from './leases.ts';
import type { AttemptEvent } from './node.ts';
import { Node } from './node.ts';
import type { RunContext } from './run-context.ts';
import { HEARTBEAT_MS } from './run-context.ts';
import type { TaskExecutor } from './worker-pool.ts';

/** A member that was given no place asks again after this, milliseconds: a new orchestrator reads only what was not answered before it. */
export const REJOIN_MS = 10_000;

export interface MemberOptions {
  /** Name that it keeps when its process is started again. */
  readonly name: string;
  readonly offer: Offer;
  /** What executes tasks, asked for once it is admitted; absent for a member that takes none. Closed by whoever brings it. */
  readonly pool?: ((life: MemberLife) => TaskExecutor) | undefined;
  /** Opens the gateway that its offer speaks of. */
  readonly openGateway?: OpenGateway | undefined;
  /** Opens the topic that the source reads, where the program has one. */
  readonly openExternal?: OpenExternal | undefined;
  /** Says that it lives, takes back what it lost after a failure that passes, and says good-bye. False where all roles share one process and end together. */
  readonly alone: boolean;
  readonly onEvent?: ((event: MemberEvent) => void) | undefined;
}

/** One admission of a member. */
export interface MemberLife {
  readonly node: number;
  /** Aborts with it. */
  readonly signal: AbortSignal;
}

export type MemberEvent =
  | LeaseEvent
  | AttemptEvent
  | { readonly type: 'joined'; readonly node: number }
  /** It asked, and was given no place so far: as many take part as are employed, or nobody orchestrates. */
  | { readonly type: 'waiting' }
  | { readonly type: 'lost'; readonly reason: string };

export type MemberEnd = 'closed' | 'stopped' | 'lost' | 'replaced' | 'interrupted';

/** Puts one request into the log, for the orchestrator to answer. */
export async function request(context: RequestPlace, owner: string, body: RequestBody): Promise<void> {
  const committer = await Committer.open(context.log, owner);
  try {
    const value = encodeSigned('mizu-request-v1', context.title, body, context.signer);
    await committer.commit([{ topic: context.topics.requests, partition: 0, value }]);
  } finally {
    await committer.close();
  }
}

export type RequestPlace = Pick<RunContext, 'log' | 'topics' | 'title' | 'signer'>;

export class Member {
  readonly incarnation = randomUUID();
  private readonly context: RunContext;
  private readonly control: ControlTail;
  private readonly options: MemberOptions;
  private readonly over = new AbortController();
  private readonly closers: (() => Promise<void>)[] = [];
  private node: number | undefined;
  private reason: MemberEnd = 'interrupted';

  constructor(context: RunContext, control: ControlTail, options: MemberOptions) {
    this.context = context;
    this.control = control;
    this.options = options;
  }

  /** How it ended; for a member whose `run` is complete. */
  get end(): MemberEnd {
    return this.reason;
  }

  /** Joins and works until its end. What it emits are signs of work. */
  run(): Observable<unknown> {
    const unlisten = this.control.listen((body) => this.hear(body));
    this.closers.push(async () => unlisten());
    const ended = new Stream<void>((subscriber) => onAbort(this.signal, subscriber));
    return defer(() => this.join()).pipe(
      mergeMap((node) => (node === undefined ? [] : this.work(node))),
      takeUntil(ended),
    );
  }

  /** Waits for what runs, gives back what it holds, and says good-bye if it still has a place. */
  async close(): Promise<void> {
    const held = this.node !== undefined && !this.over.signal.aborted;
    this.over.abort();
    for (const close of this.closers.reverse())
      await close().catch((error: unknown) => this.event({ type: 'failed', name: 'close', error }));
    if (held && this.options.alone) await this.leave();
  }

  private get signal(): AbortSignal {
    return AbortSignal.any([this.context.signal, this.over.signal]);
  }

  private get owner(): string {
    return `${this.context.title}/member/${this.options.name}`;
  }

  private event(event: MemberEvent): void {
    this.options.onEvent?.(event);
  }

  /** The number it was given; undefined when the run ends first. */
  private async join(): Promise<number | undefined> {
    const { fold } = this.control;
    const { context, options } = this;
    const mine = (): boolean => {
      const node = fold.numbers.get(options.name);
      return node !== undefined && fold.members.get(node)?.incarnation === this.incarnation;
    };
    const known = (): boolean => mine() || this.over.signal.aborted;
    while (!known()) {
      if (this.signal.aborted || this.endedBefore()) return undefined;
      const key = toHex(context.signer.publicKey);
      await request(context, this.owner, { type: 'join', member: options.name, incarnation: this.incarnation, key, offer: options.offer });
      await this.control.until(known, AbortSignal.any([this.signal, AbortSignal.timeout(REJOIN_MS)]));
      if (!known() && !this.signal.aborted) this.event({ type: 'waiting' });
    }
    this.node = mine() ? fold.numbers.get(options.name) : undefined;
    if (this.node !== undefined) this.event({ type: 'joined', node: this.node });
    return this.node;
  }

  private endedBefore(): boolean {
    const { fold } = this.control;
    if (fold.close !== undefined) this.finish('closed');
    else if (fold.mode === 'stopped') this.finish('stopped');
    return this.over.signal.aborted;
  }

  private finish(reason: MemberEnd): void {
    if (this.over.signal.aborted) return;
    this.reason = reason;
    this.over.abort();
  }

  private hear(body: ControlBody): void {
    if (body.type === 'close') this.finish('closed');
    if (body.type === 'mode' && body.mode === 'stopped') this.finish('stopped');
    if (body.type === 'admit' && body.member === this.options.name && body.incarnation !== this.incarnation && this.node !== undefined)
      this.finish('replaced');
    if (body.type !== 'lost' || body.node !== this.node) return;
    this.event({ type: 'lost', reason: body.reason });
    this.finish(body.reason === 'replaced' ? 'replaced' : 'lost');
  }

  private work(node: number): Observable<unknown> {
    const context: RunContext = { ...this.context, signal: this.signal };
    return defer(async () => {
      const committer = await Committer.open(context.log, `${context.title}/node/${node}`);
      this.closers.push(() => committer.close());
      const commit = (appends: readonly Append[]): Promise<unknown> => committer.commit(appends);
      const report = async (body: ResultBody): Promise<void> => {
        await committer.commit([this.result(body)]);
      };
      const roles: Observable<unknown>[] = [];
      const pool = this.options.pool?.({ node, signal: context.signal });
      if (pool !== undefined) {
        const external = this.options.openExternal;
        const onAttempt = (event: AttemptEvent): void => this.event(event);
        const tasks = new Node(context, { id: node, committer, control: this.control, pool, external, onAttempt });
        this.closers.push(() => tasks.close());
        roles.push(tasks.run());
      }
      const { alone: retry, openGateway } = this.options;
      const onEvent = (event: LeaseEvent): void => this.event(event);
      const leases = new Leases(context, node, this.control, { report, commit, openGateway, retry, onEvent });
      this.closers.push(() => leases.close());
      roles.push(leases.run());
      if (this.options.alone) roles.push(this.heartbeats(node, report, pool));
      return merge(...roles);
    }).pipe(
      mergeMap((roles) => roles),
      catchError((error: unknown) => this.fail(error)),
    );
  }

  /** A failure of what the member stands on ends this life of it only; whoever runs it may join again. */
  private async fail(error: unknown): Promise<void> {
    if (this.signal.aborted) return;
    if (!this.options.alone || !(error instanceof MizuError) || !PASSING_FAILURES.includes(error.code)) throw error;
    this.event({ type: 'failed', name: 'member', error });
    // Control may know why: another process with this name, or too long a silence.
    await this.control.catchUp().catch(() => undefined);
    this.finish('lost');
  }

  private heartbeats(node: number, report: (body: ResultBody) => Promise<void>, pool: TaskExecutor | undefined): Observable<unknown> {
    const { incarnation } = this;
    return interval(HEARTBEAT_MS).pipe(
      exhaustMap(async () => {
        const { running, waiting } = pool?.load ?? { running: 0, waiting: 0 };
        await report({ type: 'heartbeat', node, incarnation, running, waiting, memory: process.memoryUsage.rss() });
      }),
    );
  }

  private result(body: ResultBody): Append {
    const { topics, title, signer } = this.context;
    return { topic: topics.results, partition: body.node, value: encodeSigned('mizu-result-v1', title, body, signer) };
  }

  private async leave(): Promise<void> {
    try {
      await request(this.context, this.owner, { type: 'leave', member: this.options.name, incarnation: this.incarnation });
    } catch (error) {
      // Its silence will say the same.
      this.event({ type: 'failed', name: 'leave', error: new MizuError('LOG_UNAVAILABLE', messageOf(error), { cause: error }) });
    }
  }
}

function onAbort(signal: AbortSignal, subscriber: Subscriber<void>): void {
  if (signal.aborted) subscriber.next();
  else signal.addEventListener('abort', () => subscriber.next(), { once: true });
}
