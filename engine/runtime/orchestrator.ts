/**
 * The orchestrator: the one writer of the control log (P1). It cuts tasks, assigns attempts, accepts results, counts ticks, and
 * declares the end. Its state is the fold of what it wrote, so a new one goes on from the log alone (law 4).
 */
import type { Observable } from 'rxjs';
import { EMPTY } from 'rxjs';
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { NodeLoad } from '../dispatch/assign.ts';
import { assignNode } from '../dispatch/assign.ts';
import type { ControlBody, FailedAttempt, ResultBody, StepResult, TaskResult } from '../dispatch/control-entry.ts';
import { decodeResult, encodeSigned } from '../dispatch/control-entry.ts';
import type { TaskState } from '../dispatch/control-fold.ts';
import { sha256, toHex } from '../proof/sha256.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { LogCursor } from './log-cursor.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import { candidateLimit, DEAD_ATTEMPT_LIMIT, taskLimit, TICK_MS } from './run-context.ts';
import { RunTotals } from './run-totals.ts';

export interface OrchestratorOptions {
  /** Logical nodes that take part, numbered from 0. */
  readonly nodes: number;
  /** Tasks cut and not yet published. */
  readonly window: number;
  /** Process name for people: host:pid. */
  readonly owner: string;
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
  /** Reads what was left by an orchestrator before, whose failed attempts are over: each of their tasks gets a new one. */
  private takingOver = true;
  private wake: () => void = () => {};

  private constructor(context: RunContext, options: OrchestratorOptions, committer: Committer, control: ControlTail) {
    this.context = context;
    this.options = options;
    this.committer = committer;
    this.control = control;
    // A run that goes on with fewer nodes still reads what the others left.
    this.results = Array.from({ length: Math.max(options.nodes, control.fold.nodes) }, (_, node) => new LogCursor(context.log, context.topics.results, node));
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
      await self.restartAttempts();
    }
    self.takingOver = false;
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
    // An aborted signal fires no more: nothing would stop the timer, nor let the process end.
    if (signal.aborted) return EMPTY;
    const timer = setInterval(() => {
      this.ticksDue++;
      this.wake();
    }, TICK_MS);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    return pulled(async () => {
      if (signal.aborted) return undefined;
      if (this.control.fold.finish === undefined) await this.turn();
      if (this.control.fold.finish !== undefined) {
        clearInterval(timer);
        return undefined;
      }
      await this.waitForWork();
      return this.totals.published;
    });
  }

  private async turn(): Promise<void> {
    await this.drainResults();
    const bodies: ControlBody[] = [];
    if (this.ticksDue > 0) {
      this.ticksDue = 0;
      bodies.push({ type: 'tick', tick: this.control.fold.tick + 1 });
      bodies.push(...this.lateAttempts());
    }
    const end = this.totals.end(taskLimit(this.context.program));
    if (end !== undefined) bodies.push({ type: 'finish', ...end });
    else bodies.push(...this.newTasks());
    await this.write(bodies);
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
      bodies.map((body) => ({ topic: context.topics.control, partition: 0, value: encodeSigned('mizu-control-v1', context.title, body, context.signer) })),
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

  /** Attempts of an orchestrator before this one have no node any more: each gets a new one. */
  private async restartAttempts(): Promise<void> {
    const bodies: ControlBody[] = [];
    for (const [k, task] of this.control.fold.tasks) {
      if (task.accepted === undefined) bodies.push(this.assignment(k, task.attempts));
    }
    await this.write(bodies);
  }

  private async drainResults(): Promise<void> {
    const bodies: ControlBody[] = [];
    for (const cursor of this.results) {
      for (let entry = await cursor.take(); entry !== undefined; entry = await cursor.take()) {
        const { body } = decodeResult(entry.value);
        const decision = this.judge(body, entry.value);
        if (decision !== undefined) bodies.push(...decision);
      }
    }
    await this.write(bodies);
    this.control.fold.forgetBelow(this.totals.published);
  }

  private judge(body: ResultBody, bytes: Uint8Array): ControlBody[] | undefined {
    if (body.type === 'step') return this.takeStep(body);
    if (body.type === 'failed-attempt') return this.takeFailure(body);
    return this.takeTask(body, bytes);
  }

  private takeStep(body: StepResult): undefined {
    this.totals.addStep(body);
    return undefined;
  }

  private takeTask(body: TaskResult, bytes: Uint8Array): ControlBody[] | undefined {
    const task = this.control.fold.tasks.get(body.k);
    if (task === undefined) return undefined;
    if (task.accepted !== undefined) {
      if (task.accepted.attempt === body.attempt) this.totals.addTask(body);
      return undefined;
    }
    if (this.totals.hasTask(body.k)) return undefined;
    this.totals.addTask(body);
    return [{ type: 'accept', k: body.k, attempt: body.attempt, node: body.node, result: toHex(sha256(bytes)) }];
  }

  private takeFailure(body: FailedAttempt): ControlBody[] | undefined {
    const task = this.control.fold.tasks.get(body.k);
    if (this.takingOver || task === undefined || task.accepted !== undefined || task.current?.attempt !== body.attempt) return undefined;
    if (body.code !== 'WORKER_DIED' && body.code !== 'UPSTREAM_UNREACHABLE') {
      throw new MizuError('ATTEMPTS_EXHAUSTED', `Task ${body.k} failed: ${body.message}`, { component: `0/${body.k}`, hint: 'Nothing committed is lost; mend the cause and run again with the same log.' });
    }
    if (task.dead + 1 >= DEAD_ATTEMPT_LIMIT) {
      throw new MizuError('ATTEMPTS_EXHAUSTED', `Task ${body.k} died ${DEAD_ATTEMPT_LIMIT} times, at last: ${body.message}`, {
        component: `0/${body.k}`,
        hint: 'Nothing committed is lost; mend the cause and run again with the same log.',
      });
    }
    return [{ type: 'dead', k: body.k, attempt: body.attempt, reason: body.code }, this.assignment(body.k, body.attempt + 1)];
  }

  /** A late attempt is not wrong (law 8): another one is started beside it, and the first result counts. */
  private lateAttempts(): ControlBody[] {
    const now = this.control.fold.tick + 1;
    const bodies: ControlBody[] = [];
    for (const [k, task] of this.control.fold.tasks) {
      if (task.accepted === undefined && task.current !== undefined && task.current.deadline < now) bodies.push(this.assignment(k, task.attempts));
    }
    return bodies;
  }

  private newTasks(): ControlBody[] {
    const { program } = this.context;
    const { fold } = this.control;
    const total = candidateLimit(program);
    const bodies: ControlBody[] = [];
    const end = Math.min(this.totals.published + this.options.window, taskLimit(program));
    const added = new Map<number, number>();
    for (let k = fold.nextCut; k < end; k++) {
      const first = k * program.task.size;
      const count = Math.min(program.task.size, total - first);
      bodies.push({ type: 'cut', k, branch: 0, first, count, ranges: program.source === undefined ? [] : [[0, first, first + count]] });
      bodies.push(this.assignment(k, 0, added));
    }
    return bodies;
  }

  private assignment(k: number, attempt: number, added: Map<number, number> = new Map()): ControlBody {
    const node = assignNode(this.loads(added), k, attempt);
    added.set(node, (added.get(node) ?? 0) + 1);
    return { type: 'assign', k, attempt, node, deadline: this.control.fold.tick + 1 + this.deadlineTicks };
  }

  private loads(added: ReadonlyMap<number, number>): NodeLoad[] {
    const loads = new Array<number>(this.options.nodes).fill(0);
    for (const task of this.control.fold.tasks.values()) {
      const node = inFlightNode(task);
      // Nodes of a run before this one may have been more; they take nothing any longer.
      if (node !== undefined && node < loads.length) loads[node] = (loads[node] ?? 0) + 1;
    }
    return loads.map((load, node) => ({ node, weight: 1, load: load + (added.get(node) ?? 0), capable: true }));
  }
}

function inFlightNode(task: TaskState): number | undefined {
  return task.accepted === undefined ? task.current?.node : undefined;
}
