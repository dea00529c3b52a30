/**
 * The orchestrator: the one writer of the control log (P1). It cuts tasks, assigns attempts, accepts results, counts ticks, and
 * declares the end. Its state is the fold of what it wrote, so a new one goes on from the log alone (law 4).
 */
import type { Observable } from 'rxjs';
import { EMPTY } from 'rxjs';
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { ControlBody, FailedAttempt, ProbeResult, ResultBody, TaskResult } from '../dispatch/control-entry.ts';
import { decodeResult, encodeSigned, readEntry } from '../dispatch/control-entry.ts';
import type { TaskState } from '../dispatch/control-fold.ts';
import type { DispatchPlan } from '../dispatch/next-entries.ts';
import { nextEntries } from '../dispatch/next-entries.ts';
import { sha256, toHex } from '../proof/sha256.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { LogCursor } from './log-cursor.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import { candidateLimit, taskLimit, TICK_MS } from './run-context.ts';
import { RunTotals } from './run-totals.ts';

export interface OrchestratorOptions {
  /** Logical nodes that take part, numbered from 0. */
  readonly nodes: number;
  /** Tasks cut and not yet published. */
  readonly window: number;
  /** Process name for people: host:pid. */
  readonly owner: string;
  /** Emits every TICK_MS; turns that are late make up for it with one tick. */
  readonly ticks: Observable<unknown>;
}

export class Orchestrator {
  private readonly context: RunContext;
  private readonly options: OrchestratorOptions;
  private readonly committer: Committer;
  private readonly control: ControlTail;
  private readonly results: readonly LogCursor[];
  private readonly deadlineTicks: number;
  readonly totals: RunTotals;
  private ticksDue = 0;
  /** What the last dead attempt said, for people; control has only its code. */
  private lastFailure: string | undefined;
  private wake: () => void = () => {};

  private constructor(context: RunContext, options: OrchestratorOptions, committer: Committer, control: ControlTail) {
    this.context = context;
    this.options = options;
    this.committer = committer;
    this.control = control;
    // A run that goes on with fewer nodes still reads what the others left.
    this.results = Array.from(
      { length: Math.max(options.nodes, control.fold.nodes) },
      (_, node) => new LogCursor(context.log, context.topics.results, node),
    );
    this.deadlineTicks = Math.max(1, Math.ceil(context.deployment.deadlineMs / TICK_MS));
    this.totals = new RunTotals(context.program);
  }

  /** Fences the orchestrator before, reads its log, and says that it took over. */
  static async open(context: RunContext, options: OrchestratorOptions, control: ControlTail): Promise<Orchestrator> {
    const committer = await Committer.open(context.log, `${context.title}/orchestrator`);
    await control.catchUp();
    const self = new Orchestrator(context, options, committer, control);
    if (control.fold.close === undefined) {
      await self.write([{ type: 'open', owner: options.owner, key: toHex(context.signer.publicKey) }, ...self.missingLeases()]);
      await self.drainResults();
    }
    return self;
  }

  async close(): Promise<void> {
    await this.committer.close();
  }

  /** Writes the run's last entry. */
  async closeRun(summary: Json): Promise<void> {
    await this.write([{ type: 'close', summary }]);
  }

  /** Turns until the pool is finished. Each emission is one turn. */
  run(): Observable<number> {
    const { signal } = this.context;
    // An aborted signal fires no more: nothing would stop the ticks, nor let the process end.
    if (signal.aborted) return EMPTY;
    const ticks = this.options.ticks.subscribe(() => {
      this.ticksDue++;
      this.wake();
    });
    signal.addEventListener('abort', () => ticks.unsubscribe(), { once: true });
    return pulled(async () => {
      if (signal.aborted) return undefined;
      if (this.control.fold.finish === undefined) await this.turn();
      if (this.control.fold.finish !== undefined) {
        ticks.unsubscribe();
        return undefined;
      }
      await this.waitForWork();
      return this.totals.published;
    });
  }

  private async turn(): Promise<void> {
    const ticks: ControlBody[] = this.ticksDue > 0 ? [{ type: 'tick', tick: this.control.fold.tick + 1 }] : [];
    this.ticksDue = 0;
    await this.drainResults(ticks);
    const end = this.totals.end(taskLimit(this.context.program));
    await this.write(end === undefined ? this.decide() : [{ type: 'finish', ...end }]);
  }

  /** Waits for a result, a tick, or the end. */
  private async waitForWork(): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.context.signal]);
    const woken = new Promise<boolean>((resolve) => {
      this.wake = () => resolve(true);
      if (this.ticksDue > 0) resolve(true);
    });
    try {
      await Promise.race([woken, ...this.results.map((cursor) => cursor.wait(signal))]);
    } finally {
      stop.abort();
    }
  }

  private async write(bodies: readonly ControlBody[]): Promise<void> {
    if (bodies.length === 0) return;
    const { context } = this;
    await this.committer.commit(
      bodies.map((body) => ({
        topic: context.topics.control,
        partition: 0,
        value: encodeSigned('mizu-control-v1', context.title, body, context.signer),
      })),
    );
    await this.control.catchUp();
  }

  private missingLeases(): ControlBody[] {
    const bodies: ControlBody[] = [];
    for (const stage of this.context.program.stages) {
      if (stage.kind === 'source') continue;
      for (let partition = 0; partition < stage.partitions; partition++) {
        const epoch = (this.control.fold.leases.get(`${stage.index}/${partition}`)?.epoch ?? -1) + 1;
        bodies.push({ type: 'lease', stage: stage.index, partition, epoch, node: partition % this.options.nodes });
      }
    }
    return bodies;
  }

  /** Takes what nodes committed and writes the facts that follow from it; what to do about them is decided afterwards. */
  private async drainResults(more: readonly ControlBody[] = []): Promise<void> {
    const facts: ControlBody[] = [];
    for (const cursor of this.results) {
      for (let entry = await cursor.take(); entry !== undefined; entry = await cursor.take()) {
        const { body } = readEntry(decodeResult, cursor.topic, cursor.partition, entry);
        const fact = this.judge(body, entry.value);
        if (fact !== undefined) facts.push(fact);
      }
    }
    await this.write([...facts, ...more]);
    this.control.fold.forgetBelow(this.totals.published);
  }

  private judge(body: ResultBody, bytes: Uint8Array): ControlBody | undefined {
    switch (body.type) {
      case 'step':
        this.totals.addStep(body);
        return undefined;
      case 'task':
        return this.takeTask(body, bytes);
      case 'failed-attempt':
        return this.takeFailure(body);
      case 'probe-result':
        return this.takeProbe(body);
    }
  }

  private takeTask(body: TaskResult, bytes: Uint8Array): ControlBody | undefined {
    const task = this.control.fold.tasks.get(body.k);
    if (task === undefined) return undefined;
    if (task.accepted !== undefined) {
      if (task.accepted.attempt === body.attempt) this.totals.addTask(body);
      return undefined;
    }
    if (body.attempt < task.validFrom || this.totals.hasTask(body.k)) return undefined;
    this.totals.addTask(body);
    return { type: 'accept', k: body.k, attempt: body.attempt, node: body.node, result: toHex(sha256(bytes)) };
  }

  private takeFailure(body: FailedAttempt): ControlBody | undefined {
    const task = this.waitingFor(body.k);
    if (!task?.live.some(({ attempt }) => attempt === body.attempt)) return undefined;
    outcomeOf(body);
    this.lastFailure = body.message;
    return { type: 'dead', k: body.k, attempt: body.attempt, reason: body.code };
  }

  private takeProbe(body: ProbeResult): ControlBody | undefined {
    if (this.waitingFor(body.k)?.probe?.probe !== body.probe) return undefined;
    return { type: 'probed', k: body.k, probe: body.probe, outcome: body.code === '' ? 'survived' : outcomeOf(body) };
  }

  /** A task that no result was taken for yet. */
  private waitingFor(k: number): TaskState | undefined {
    const task = this.control.fold.tasks.get(k);
    return task === undefined || task.accepted !== undefined || this.totals.hasTask(k) ? undefined : task;
  }

  private decide(): ControlBody[] {
    try {
      return nextEntries(this.control.fold, this.plan());
    } catch (error) {
      if (!(error instanceof MizuError) || error.component === undefined || this.lastFailure === undefined) throw error;
      throw new MizuError(error.code, `${error.message}. At last: ${this.lastFailure}`, {
        cause: error,
        component: error.component,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }

  private plan(): DispatchPlan {
    const { program } = this.context;
    return {
      nodes: this.options.nodes,
      deadlineTicks: this.deadlineTicks,
      cutEnd: Math.min(this.totals.published + this.options.window, taskLimit(program)),
      taskSize: program.task.size,
      candidates: candidateLimit(program),
      source: program.source !== undefined,
    };
  }
}

/** @throws ATTEMPTS_EXHAUSTED for a failure that another attempt would only repeat. */
function outcomeOf(failure: FailedAttempt | ProbeResult): 'died' | 'unreachable' {
  if (failure.code === 'WORKER_DIED') return 'died';
  if (failure.code === 'UPSTREAM_UNREACHABLE') return 'unreachable';
  throw new MizuError('ATTEMPTS_EXHAUSTED', `Task ${failure.k} failed: ${failure.message}`, {
    component: `0/${failure.k}`,
    hint: 'Nothing committed is lost; mend the cause and run again with the same log.',
  });
}
