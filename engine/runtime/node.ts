/**
 * A node: takes the tasks that control assigns to it, executes them on the worker pool, and commits frames, leaves and result
 * in one transaction of its own (law 2, P1). What it commits counts only once control accepts it.
 */
import type { Observable } from 'rxjs';
import { EMPTY, Subject } from 'rxjs';
import { MizuError, messageOf } from '../contract/errors.ts';
import type { Append } from '../contract/log.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { TaskOutput } from '../datavm/task-machine.ts';
import type { Part } from '../dispatch/bisection.ts';
import { outsideOf } from '../dispatch/bisection.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import type { ResultBody, TaskResult } from '../dispatch/member-entry.ts';
import { encodeSigned } from '../dispatch/signed-entry.ts';
import type { TaskState } from '../dispatch/control-fold.ts';
import { freeBytes } from '../proof/free-bytes.ts';
import { sha256, toHex, utf8 } from '../proof/sha256.ts';
import type { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { frameAppends, partAppends } from './frame-parts.ts';
import { encodeLeaves } from './leaf-batch.ts';
import type { RunContext } from './run-context.ts';
import type { TaskSource } from './task-source.ts';
import { openTaskSource, taskInput } from './task-source.ts';
import { PROOF_PARTITIONS } from './topics.ts';
import type { TaskExecutor } from './worker-pool.ts';

/** One finished attempt, as progress shows it. */
export interface AttemptDone {
  readonly k: number;
  readonly node: number;
}

/** What became of an attempt. `dropped`: the run or the member's life ended before it. `seconds`: since it was started here. */
export interface AttemptEvent {
  readonly type: 'attempt';
  readonly k: number;
  readonly attempt: number;
  readonly state: 'started' | 'committed' | 'failed' | 'dropped';
  /** Of one that failed: why, and the step in which, where it was one. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly step?: string | undefined;
  readonly seconds: number;
}

type AttemptFailure = Pick<AttemptEvent, 'step'> & { readonly code: string; readonly message: string };

export interface NodeOptions {
  /** The member's number. */
  readonly id: number;
  /** Of the member's own writer, which its other roles use too. */
  readonly committer: Committer;
  readonly control: ControlTail;
  readonly pool: TaskExecutor;
  /** Opens the topic that the source reads, where the program has one. */
  readonly external?: OpenExternal | undefined;
  readonly onAttempt?: ((event: AttemptEvent) => void) | undefined;
}

export class Node {
  private readonly context: RunContext;
  private readonly id: number;
  private readonly committer: Committer;
  private readonly control: ControlTail;
  private readonly pool: TaskExecutor;
  private readonly source: TaskSource;
  private readonly onAttempt: (event: AttemptEvent) => void;
  private readonly done = new Subject<AttemptDone>();
  private unlisten: () => void = () => {};
  private readonly running = new Set<Promise<void>>();

  constructor(context: RunContext, options: NodeOptions) {
    this.context = context;
    this.id = options.id;
    this.committer = options.committer;
    this.control = options.control;
    this.pool = options.pool;
    this.source = openTaskSource(context, options.external);
    this.onAttempt = options.onAttempt ?? (() => {});
  }

  /** Works on what is assigned until the signal aborts or the pool finishes. Emits each committed attempt. */
  run(): Observable<AttemptDone> {
    this.unlisten = this.control.listen((body) => this.take(body));
    for (const [k, task] of this.control.fold.tasks) {
      if (task.accepted !== undefined) continue;
      for (const { attempt, node } of task.live) if (node === this.id) this.start(k, this.attempt(k, attempt));
      if (task.probe?.node === this.id) this.start(k, this.probe(k, task.probe.probe, task.probe));
    }
    return this.control.fold.finish === undefined ? this.done : EMPTY;
  }

  /** Waits for what runs. */
  async close(): Promise<void> {
    this.unlisten();
    await Promise.allSettled(this.running);
    await this.source.close();
  }

  private take(body: ControlBody): void {
    if (body.type === 'assign' && body.node === this.id) this.start(body.k, this.attempt(body.k, body.attempt));
    if (body.type === 'probe' && body.node === this.id) this.start(body.k, this.probe(body.k, body.probe, body));
    if (body.type === 'finish') this.done.complete();
  }

  private start(k: number, running: Promise<void>): void {
    const work = running.then(
      () => this.done.next({ k, node: this.id }),
      (error: unknown) => {
        if (!this.context.signal.aborted) this.done.error(error);
      },
    );
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }

  private async attempt(k: number, attempt: number): Promise<void> {
    const task = this.control.fold.tasks.get(k);
    if (task === undefined) return;
    const tell = this.begin(k, attempt);
    let output: TaskOutput;
    try {
      output = await this.execute(task, [...task.poison]);
    } catch (error) {
      if (this.idle) return tell('dropped');
      const failure = { ...failureOf(error), ...this.stepOf(error) };
      await this.report({ type: 'failed-attempt', k, attempt, node: this.id, ...failure });
      return tell('failed', failure);
    }
    if (this.idle) return tell('dropped');
    await this.committer.commit(this.appends(attempt, output));
    for (const frame of output.frames) freeBytes(frame);
    tell('committed');
  }

  private async execute(task: TaskState, poison: readonly number[], alone = false): Promise<TaskOutput> {
    const input = taskInput(task.cut, poison, await this.source.records(task.cut));
    try {
      return await this.pool.execute(input, alone);
    } finally {
      this.source.done?.(input.records);
    }
  }

  /** Tells that an attempt is started; the function that it gives tells how it ended. */
  private begin(k: number, attempt: number): (state: AttemptEvent['state'], failure?: AttemptFailure) => void {
    const began = performance.now();
    const tell = (state: AttemptEvent['state'], failure?: AttemptFailure): void =>
      this.onAttempt({ type: 'attempt', k, attempt, state, ...failure, seconds: (performance.now() - began) / 1000 });
    tell('started');
    return tell;
  }

  private stepOf(error: unknown): Pick<AttemptFailure, 'step'> {
    const step = error instanceof MizuError ? error.component : undefined;
    const isStep = this.context.program.stages[0]?.ops.some(({ id }) => id === step) === true;
    return step === undefined || !isStep ? {} : { step };
  }

  /** Executes a part of a task that died, alone, and says no more than whether it lived (P9). */
  private async probe(k: number, probe: number, part: Part): Promise<void> {
    const task = this.control.fold.tasks.get(k);
    if (task === undefined) return;
    let failure = { code: '', message: '' };
    try {
      await this.execute(task, [...new Set([...task.poison, ...outsideOf(part, task.cut.count)])], true);
    } catch (error) {
      failure = failureOf(error);
    }
    if (!this.idle) await this.report({ type: 'probe-result', k, probe, node: this.id, ...failure });
  }

  /** Nothing that is done now counts any more. */
  private get idle(): boolean {
    return this.context.signal.aborted || this.control.fold.finish !== undefined;
  }

  private appends(attempt: number, output: TaskOutput): Append[] {
    const { topics, title, signer } = this.context;
    const { k } = output;
    const { limits } = this.context.log;
    const headers = { k: String(k), attempt: String(attempt), from: '0' };
    const appends: Append[] = output.frames.flatMap((value, partition) =>
      frameAppends(topics.frames(1), partition, value, headers, limits),
    );
    const leaves = encodeLeaves(output.leaves);
    const key = utf8(`0/-1/${k}/${attempt}`);
    appends.push(...partAppends({ topic: topics.proofs, partition: k % PROOF_PARTITIONS, key, value: leaves }, limits));
    const result: TaskResult = {
      type: 'task',
      k,
      attempt,
      node: this.id,
      candidates: output.candidates,
      corrected: output.corrected,
      failed: output.failed,
      gas: output.gas,
      localBytes: output.localBytes,
      globalBytes: output.frames.reduce((sum, frame) => sum + frame.length, leaves.length),
      ...(Object.keys(output.usage).length === 0 ? {} : { usage: output.usage }),
      leaves: toHex(sha256(leaves)),
    };
    appends.push({ topic: topics.results, partition: this.id, value: encodeSigned('mizu-result-v1', title, result, signer) });
    return appends;
  }

  private async report(body: ResultBody): Promise<void> {
    const { topics, title, signer } = this.context;
    await this.committer.commit([
      { topic: topics.results, partition: this.id, value: encodeSigned('mizu-result-v1', title, body, signer) },
    ]);
  }
}

function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  return { code: error instanceof MizuError ? error.code : 'INTERNAL', message: messageOf(error) };
}
