/**
 * The orchestrator: the one writer of the control log (P1). It admits members, gives them leases and tasks, accepts results, counts ticks,
 * and declares the end. Its state is the fold of what it wrote, so a new one goes on from the log alone (law 4). A turn takes what is new,
 * decides, and commits every decision at once.
 */
import type { Observable } from 'rxjs';
import { EMPTY } from 'rxjs';
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import { toJson } from '../compile/to-json.ts';
import { TokenBudget } from '../compile/token-budget.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import { decodeControl, encodeSigned, readEntry } from '../dispatch/signed-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { NO_REQUEST } from '../dispatch/control-fold.ts';
import type { MemberKeys } from '../dispatch/member-keys.ts';
import { admitMembers, silentMembers } from '../dispatch/membership.ts';
import type { DispatchPlan } from '../dispatch/next-entries.ts';
import { nextEntries } from '../dispatch/next-entries.ts';
import { roleEntries } from '../dispatch/roles.ts';
import { toHex } from '../proof/sha256.ts';
import { Bell } from './bell.ts';
import { Committer } from './committer.ts';
import type { ControlState } from './control-snapshot.ts';
import { ControlSnapshots, newestControlState, snapshotPlace } from './control-snapshot.ts';
import type { CutPlanner } from './cut-planner.ts';
import { LogCursor, readAll } from './log-cursor.ts';
import { pulled } from './pull.ts';
import { RequestDesk } from './request-desk.ts';
import { ResultDesk } from './result-desk.ts';
import type { RunContext } from './run-context.ts';
import { TICK_MS, WINDOW_PER_SLOT } from './run-context.ts';
import { summaryOf } from './summary.ts';
import { taskNeeds } from './task-needs.ts';
import { NODE_LIMIT } from './topics.ts';

export interface OrchestratorOptions {
  /** Members that take tasks at most, unless the run's settings say otherwise. */
  readonly employed: number;
  /** Process name for people: host:pid. */
  readonly owner: string;
  /** Emits every TICK_MS; turns that are late make up for it with one tick. */
  readonly ticks: Observable<unknown>;
  /** Says which tasks may be cut. Closed by the orchestrator. */
  readonly planner: CutPlanner;
  /** Incarnations of the members, where all of them live in this process and end with it: nobody else is admitted. Absent: they come and go, and one that is silent is lost. */
  readonly household?: ReadonlySet<string> | undefined;
  /** Ticks without a word after which a member is lost. */
  readonly lostTicks: number;
  /** Whether a member has to answer questions for the others. */
  readonly gateway: boolean;
  /** A task that can't be helped ends this process's part in the run, or pauses the run until its operator says to go on. */
  readonly stuck: 'fail' | 'pause';
}

export interface Progress {
  readonly totals: Readonly<ResultDesk['totals']['sum']>;
  /** Tasks cut, and tasks complete. */
  readonly cut: number;
  readonly published: number;
  /** Records of the source that a run waits for which is finished otherwise: it is closed once they are copied. */
  readonly missing: number;
}

export class Orchestrator {
  private readonly context: RunContext;
  private readonly options: OrchestratorOptions;
  private readonly committer: Committer;
  /** This role's own state: it is ahead of the log by the turn that is not committed yet. */
  private readonly fold: ControlFold;
  private readonly keys: MemberKeys;
  private readonly snapshots: ControlSnapshots;
  private readonly results: LogCursor[] = [];
  private requests: LogCursor;
  private readonly desk: ResultDesk;
  private readonly requestDesk: RequestDesk;
  private readonly bell = new Bell();
  private readonly needs: DispatchPlan['needs'];
  private readonly budget: TokenBudget | undefined;
  private readonly keyed: readonly { readonly index: number; readonly partitions: number }[];
  private out: ControlBody[] = [];
  private wrote = -1;
  /** Owners whose writers must be ended before control says that they are lost (P1). */
  private fenced: string[] = [];
  private ticksDue = 0;
  private missing = 0;
  private snapshotDue = false;

  private constructor(context: RunContext, options: OrchestratorOptions, committer: Committer, start: ControlState) {
    this.context = context;
    this.options = options;
    this.committer = committer;
    this.fold = start.fold;
    this.keys = start.keys;
    this.snapshots = new ControlSnapshots(context, start.count);
    this.desk = new ResultDesk(context, start);
    this.requestDesk = new RequestDesk(context, this.fold, options.household);
    this.requests = new LogCursor(context.log, context.topics.requests, 0);
    const { stages } = context.program;
    this.keyed = stages.filter((stage) => stage.kind !== 'source');
    this.needs = taskNeeds(context.program);
    this.budget = TokenBudget.of(context.program);
  }

  /** Fences the orchestrator before, reads what it left, and says that it took over. */
  static async open(context: RunContext, options: OrchestratorOptions): Promise<Orchestrator> {
    const { log, title, topics } = context;
    const committer = await Committer.open(log, `${title}/orchestrator`);
    const start = await newestControlState(log, snapshotPlace(topics, title));
    const self = new Orchestrator(context, options, committer, start);
    await self.readControl(start.position);
    if (self.fold.close === undefined) {
      self.takeOver();
      await self.turn();
    }
    return self;
  }

  async close(): Promise<void> {
    await this.options.planner.close();
    await this.committer.close();
  }

  /** Whether its operator let the run go: nobody works on it until he asks for it. */
  get stopped(): boolean {
    return this.fold.close === undefined && this.fold.mode === 'stopped';
  }

  /** Offset of its last entry in control; −1 before. */
  get lastEntryAt(): number {
    return this.wrote;
  }

  get progress(): Progress {
    const { totals } = this.desk;
    return { totals: totals.sum, cut: this.fold.nextCut, published: totals.published, missing: this.missing };
  }

  /** Turns until the run is closed, or let go by its operator. Each emission is one turn. */
  run(): Observable<Progress> {
    const { signal } = this.context;
    // An aborted signal fires no more: nothing would stop the ticks, nor let the process end.
    if (signal.aborted || this.over) return EMPTY;
    const ticks = this.options.ticks.subscribe(() => {
      this.ticksDue++;
      this.bell.ring();
    });
    const stop = (): void => {
      ticks.unsubscribe();
      this.bell.ring();
    };
    signal.addEventListener('abort', stop, { once: true });
    return pulled(async () => {
      if (!this.over && !signal.aborted) {
        await this.waitForNews();
        if (!signal.aborted) await this.turn();
      }
      if (!this.over && !signal.aborted) return this.progress;
      signal.removeEventListener('abort', stop);
      stop();
      return undefined;
    });
  }

  private get over(): boolean {
    return this.fold.close !== undefined || this.stopped;
  }

  private async readControl(from: Offset): Promise<void> {
    const { control, requests } = this.context.topics;
    for await (const entry of readAll(this.context.log, control, 0, from)) this.follow(readEntry(decodeControl, control, 0, entry).body);
    this.requests = new LogCursor(this.context.log, requests, 0, offset(this.fold.nextRequest));
    for (const [node, from] of this.desk.resume().entries())
      this.results.push(new LogCursor(this.context.log, this.context.topics.results, node, offset(from)));
  }

  private takeOver(): void {
    const memory = this.fold.settings === undefined ? (this.context.deployment.memoryBytes ?? 0) : this.fold.memory;
    const needs = memory === 0 ? {} : { memory };
    this.emit({ type: 'open', owner: this.options.owner, key: toHex(this.context.signer.publicKey), ...needs });
    if (this.options.household === undefined) return;
    // All of them ended with the process before.
    for (const node of [...this.fold.members.keys()]) this.emit({ type: 'lost', node, reason: 'left' });
    if (this.fold.mode !== 'running') this.emit({ type: 'mode', mode: 'running', by: this.options.owner, request: NO_REQUEST });
  }

  private emit(...bodies: readonly ControlBody[]): void {
    for (const body of bodies) {
      this.fence(body);
      this.follow(body);
      this.out.push(body);
    }
  }

  private follow(body: ControlBody): void {
    this.fold.apply(body);
    this.keys.note(body);
    this.desk.note(body);
    this.snapshots.note();
  }

  /** A lost member's open transaction would hold every reader up: its writers are ended before control says that it is lost (P1, P2). */
  private fence(body: ControlBody): void {
    const node = body.type === 'lost' || body.type === 'admit' ? body.node : undefined;
    if (node === undefined || this.options.household !== undefined || !this.fold.members.has(node)) return;
    const { title } = this.context;
    this.fenced.push(`${title}/node/${node}`, `${title}/node/${node}/ask`);
    for (const [name, lease] of this.fold.leases) if (lease.node === node) this.fenced.push(`${title}/step/${name}`);
    for (const [role, held] of this.fold.roles) if (held.node === node) this.fenced.push(`${title}/${role}`);
  }

  /** Takes what is new, decides, commits. */
  private async turn(): Promise<void> {
    if (this.ticksDue > 0) this.emit({ type: 'tick', tick: this.fold.tick + 1 });
    this.ticksDue = 0;
    await this.takeResults();
    await this.takeRequests();
    this.decideMembers();
    const stuck = await this.decideUnlessStuck();
    if (stuck !== undefined && this.options.stuck === 'pause' && this.fold.mode !== 'stopped')
      this.emit({ type: 'mode', mode: 'paused', by: `orchestrator: ${stuck.message}`, request: NO_REQUEST });
    await this.flush();
    if (stuck !== undefined && this.options.stuck === 'fail') throw stuck;
  }

  /** Why the run can't go on, if it can't. */
  private async decideUnlessStuck(): Promise<MizuError | undefined> {
    const { fatal } = this.desk;
    this.desk.fatal = undefined;
    if (fatal !== undefined) return fatal;
    try {
      await this.decideTasks();
      return undefined;
    } catch (error) {
      if (error instanceof MizuError && error.code === 'ATTEMPTS_EXHAUSTED') return error;
      throw error;
    }
  }

  private async takeResults(): Promise<void> {
    this.openResults();
    for (const cursor of this.results) {
      for (let entry = await cursor.takeArrived(); entry !== undefined; entry = await cursor.takeArrived()) {
        const fact = this.desk.take(cursor, entry);
        if (fact !== undefined) this.emit(fact);
      }
    }
    // A snapshot is made of a turn with a mark: it holds as few tasks as can be, and results are read on from there.
    this.snapshotDue = this.snapshots.isDue(this.fold);
    const mark = this.desk.mark(this.results, this.snapshotDue);
    if (mark === undefined) return;
    this.emit(mark);
    this.desk.forgetBelow(mark.published);
  }

  /** A cursor for each node that there ever was. */
  private openResults(): void {
    const { log, topics } = this.context;
    for (let node = this.results.length; node < this.fold.nodes; node++) this.results.push(new LogCursor(log, topics.results, node));
  }

  private async takeRequests(): Promise<void> {
    for (let entry = await this.requests.takeArrived(); entry !== undefined; entry = await this.requests.takeArrived())
      this.emit(...this.requestDesk.take(this.requests, entry));
  }

  private decideMembers(): void {
    const { fold, options } = this;
    const employed = fold.settings?.nodes ?? options.employed;
    const { entries, waiting } = admitMembers(fold, this.requestDesk.joins(), { employed, numbers: NODE_LIMIT });
    this.requestDesk.keep(waiting);
    this.emit(...entries);
    if (options.household === undefined) this.emit(...silentMembers(fold, this.desk.heard, options.lostTicks));
    this.emit(...roleEntries(fold, this.keyed, { gateway: options.gateway }));
  }

  private async decideTasks(): Promise<void> {
    const { fold, desk } = this;
    const { planner } = this.options;
    if (fold.finish !== undefined) {
      this.missing = await planner.missing();
      if (this.missing === 0) this.closeWhenSealed();
      return;
    }
    const complete = desk.totals.published === fold.nextCut;
    if (desk.totals.reachedAt !== undefined) this.emit({ type: 'finish', last: desk.totals.reachedAt, reason: 'accepted' });
    else if (complete && planner.over(fold)) this.emit({ type: 'finish', last: fold.nextCut - 1, reason: 'exhausted' });
    else if (complete && this.affordable(1) === 0) this.emit({ type: 'finish', last: fold.nextCut - 1, reason: 'budget' });
    else if (complete && fold.mode === 'draining') this.emit({ type: 'finish', last: fold.nextCut - 1, reason: 'drained' });
    else if (fold.mode !== 'stopped') this.emit(...this.next(await this.plan()));
  }

  private async plan(): Promise<DispatchPlan> {
    const { fold, desk } = this;
    const { planner } = this.options;
    const deadlineMs = fold.settings?.deadlineMs ?? this.context.deployment.deadlineMs;
    const window = Math.max(WINDOW_PER_SLOT, fold.slots() * WINDOW_PER_SLOT);
    const running = fold.mode === 'running';
    const limit = Math.min(desk.totals.published + window, fold.nextCut + this.affordable(window));
    return {
      deadlineTicks: Math.max(1, Math.ceil(deadlineMs / TICK_MS)),
      needs: this.needs,
      cuts: running ? await planner.due(fold, limit) : [],
      more: running && !planner.over(fold) && this.affordable(1) > 0,
    };
  }

  /** Tasks that may be assigned beyond those that are cut, up to `most`: the most that each could take is reserved until its result is there (P15). */
  private affordable(most: number): number {
    if (this.budget === undefined) return most;
    const { usage, tasks } = this.desk.totals.taken;
    return this.budget.affordable(usage, Math.max(0, this.fold.nextCut - tasks), most);
  }

  private next(plan: DispatchPlan): ControlBody[] {
    try {
      return nextEntries(this.fold, plan);
    } catch (error) {
      const { lastFailure } = this.desk;
      if (!(error instanceof MizuError) || error.component === undefined || lastFailure === undefined) throw error;
      throw new MizuError(error.code, `${error.message}. At last: ${lastFailure}`, {
        cause: error,
        component: error.component,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }

  /** The last entry: once the whole tree is signed and the aggregates of the last stage have reported. */
  private closeWhenSealed(): void {
    const { fold, desk, context } = this;
    const { finish } = fold;
    const wantsReport = context.program.stages.at(-1)?.kind === 'last';
    if (finish === undefined || desk.sealed?.tasks !== finish.last + 1 || (wantsReport && desk.reports === undefined)) return;
    const summary = summaryOf(context, desk.totals.sum, finish.reason, desk.sealed, desk.reports ?? {});
    this.emit({ type: 'close', summary: toJson(summary) });
  }

  private async flush(): Promise<void> {
    const { log, topics, title, signer } = this.context;
    const { out, fenced } = this;
    this.out = [];
    this.fenced = [];
    await Promise.all([...new Set(fenced)].map(async (owner) => (await log.openWriter(owner)).close()));
    if (out.length === 0) return;
    const offsets = await this.committer.commit(
      out.map((body) => ({ topic: topics.control, partition: 0, value: encodeSigned('mizu-control-v1', title, body, signer) })),
    );
    this.wrote = Math.max(...offsets);
    if (this.snapshotDue) await this.writeSnapshot(offsets);
  }

  /** By itself, after what it is made of: only then it is known where that ends. Without it, a successor reads some entries more. */
  private async writeSnapshot(offsets: readonly Offset[]): Promise<void> {
    const { fold, keys } = this;
    this.snapshotDue = false;
    const position = offset(Math.max(...offsets) + 1);
    await this.committer.commit(this.snapshots.appends({ fold, keys, mark: this.desk.newestMark, position }));
  }

  /** Waits for a result, a request, something to cut, a tick, or the end. */
  private async waitForNews(): Promise<void> {
    const { signal } = this.context;
    // This turn may have admitted a node: its first result must not wait for a tick.
    this.openResults();
    for (const cursor of [...this.results, this.requests]) this.bell.arm(`${cursor.topic}/${cursor.partition}`, () => cursor.wait(signal));
    // In any other mode nothing is cut, and records that are there already would ring again and again.
    if (this.fold.finish === undefined && this.fold.mode === 'running') this.bell.arm('cuts', () => this.options.planner.wait(signal));
    await this.bell.heard();
  }
}
