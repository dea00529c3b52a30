/**
 * Worker threads that execute tasks of one program. A task that waits for outside answers holds no thread: its slot is
 * free until the answers come. A dead thread fails the attempts that it computed, never a record (P9), and is replaced. A thread that
 * computes without a word for too long is ended: the watchdog ends an attempt and decides nothing else (law 11).
 */
import { Worker } from 'node:worker_threads';
import type { Observable, Subscription } from 'rxjs';
import { timer } from 'rxjs';
import { MizuError, messageOf } from '../contract/errors.ts';
import type { Answer, Question } from '../contract/inference.ts';
import type { TaskInput, TaskOutput } from '../datavm/task-machine.ts';
import type { JobRequest, WorkerReply, WorkerRequest, WorkerSetup } from './worker-protocol.ts';
import { exactAnswer, packInput, unpackOutput } from './worker-protocol.ts';

/** Threads that may end one after the other before any of them could work; then the pool gives up. */
export const START_FAILURE_LIMIT = 3;
/** A thread that was asked to end and computes nothing has this long before it is ended. It may still be loading its code. */
const DISMISS_LIMIT_MS = 10_000;
/** Longest time that a timer of Node can be set to, milliseconds. */
const TIMER_LIMIT_MS = 2 ** 31 - 1;

export interface WorkerPoolOptions {
  /** Module that calls `serveWorker`. */
  readonly url: URL;
  readonly size: number;
  readonly setup: WorkerSetup;
  readonly ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  /** A thread that computes and says nothing for so long is ended. Absent: none ever is. */
  readonly silenceMs?: number;
  /** Called when a thread ended that should not have, with the reason. */
  readonly onDeath?: (reason: string) => void;
  /** Emits once after so many milliseconds. Default: the clock. */
  readonly alarm?: (ms: number) => Observable<unknown>;
}

/** What a node has its tasks executed by: a pool of threads, or whatever an embedding program brings. */
export interface TaskExecutor {
  /**
   * Several at once. The frames of the output are the caller's own. `alone`: on a thread that executes nothing else, so that a death is this task's own (P9).
   * @throws WORKER_DIED or UPSTREAM_UNREACHABLE where another attempt may help; anything else ends the run.
   */
  execute(input: TaskInput, alone?: boolean): Promise<TaskOutput>;
  /** Ends what runs. Called once, at the end of the run. */
  close(): Promise<void>;
  /** What it has to do now, for those who watch. */
  readonly load?: { readonly running: number; readonly waiting: number };
}

interface Job {
  readonly id: number;
  readonly input: TaskInput;
  readonly alone: boolean;
  /** Started once more after a thread died on which it only waited for answers. */
  again: boolean;
  readonly resolve: (output: TaskOutput) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly alone: boolean;
  readonly jobs: Map<number, Job>;
  /** Ids of jobs that compute now; those waiting for answers are not among them. */
  readonly computing: Set<number>;
  ready: boolean;
  /** Why it ends, where that is known before it does. */
  reason: string | undefined;
  watchdog: Subscription | undefined;
  readonly exited: Promise<unknown>;
}

export class WorkerPool implements TaskExecutor {
  private readonly options: WorkerPoolOptions;
  private readonly threads = new Set<Thread>();
  private readonly queue: Job[] = [];
  /** One after the other, each on a new thread. */
  private readonly aloneQueue: Job[] = [];
  private nextJob = 0;
  /** Where records of jobs may be sent in, at most one for each thread. */
  private readonly spares: ArrayBuffer[] = [];
  /** Threads that ended at their start, since one last came to work. */
  private startFailures = 0;
  /** Why nothing is executed any more. */
  private over: ((input: TaskInput) => MizuError) | undefined;

  constructor(options: WorkerPoolOptions) {
    this.options = options;
    for (let n = 0; n < options.size; n++) this.start(false);
  }

  execute(input: TaskInput, alone = false): Promise<TaskOutput> {
    if (this.over !== undefined) return Promise.reject(this.over(input));
    return new Promise((resolve, reject) => {
      (alone ? this.aloneQueue : this.queue).push({ id: this.nextJob++, input, alone, again: false, resolve, reject });
      this.dispatch();
    });
  }

  get load(): { readonly running: number; readonly waiting: number } {
    let running = 0;
    for (const thread of this.threads) running += thread.jobs.size;
    return { running, waiting: this.queue.length + this.aloneQueue.length };
  }

  async close(): Promise<void> {
    await this.end(closedBefore);
  }

  private async end(why: (input: TaskInput) => MizuError): Promise<void> {
    this.over = why;
    for (const job of [...this.queue.splice(0), ...this.aloneQueue.splice(0)]) job.reject(why(job.input));
    await Promise.all([...this.threads].map((thread) => this.dismiss(thread)));
  }

  private start(alone: boolean): Thread {
    const worker = new Worker(this.options.url, { workerData: this.options.setup });
    const thread: Thread = {
      worker,
      alone,
      jobs: new Map(),
      computing: new Set(),
      ready: false,
      reason: undefined,
      watchdog: undefined,
      exited: new Promise((resolve) => worker.once('exit', resolve)),
    };
    this.threads.add(thread);
    worker.on('message', (reply: WorkerReply) => this.receive(thread, reply));
    // What a thread said before it died comes before `exit`, but not always before `error`.
    worker.on('error', (error) => {
      thread.reason ??= messageOf(error);
    });
    worker.on('exit', (code) => this.bury(thread, thread.reason ?? `exit code ${code}`));
    return thread;
  }

  private terminate(thread: Thread): Promise<number> {
    thread.watchdog?.unsubscribe();
    return thread.worker.terminate();
  }

  /** Lets a thread end by itself, unless it computes: one that is torn down while it loads its code can take the process with it. */
  private async dismiss(thread: Thread): Promise<void> {
    if (thread.computing.size > 0) {
      await this.terminate(thread);
      return;
    }
    thread.watchdog?.unsubscribe();
    const request: WorkerRequest = { type: 'end' };
    thread.worker.postMessage(request);
    const late = timer(DISMISS_LIMIT_MS).subscribe(() => void this.terminate(thread));
    await thread.exited;
    late.unsubscribe();
  }

  private bury(thread: Thread, reason: string): void {
    if (!this.threads.delete(thread)) return;
    thread.watchdog?.unsubscribe();
    if (!thread.ready && this.over === undefined) this.startFailed(reason);
    for (const job of thread.jobs.values()) this.release(thread, job, reason);
    if (this.over !== undefined) return;
    // One that was alone ends with its task.
    if (!thread.alone || thread.computing.size > 0) this.options.onDeath?.(reason);
    if (!thread.alone) this.start(false);
    this.dispatch();
  }

  /** A job whose thread died. Only one that computed may have killed it; the others start again, and their recorded answers are there. */
  private release(thread: Thread, job: Job, reason: string): void {
    if (this.over !== undefined) job.reject(this.over(job.input));
    else if (thread.ready && (thread.computing.has(job.id) || job.again)) {
      job.reject(new MizuError('WORKER_DIED', `The worker thread that executed task ${job.input.k} ended: ${reason}`));
    } else {
      job.again = thread.ready;
      (job.alone ? this.aloneQueue : this.queue).unshift(job);
    }
  }

  private startFailed(reason: string): void {
    this.startFailures++;
    if (this.startFailures < START_FAILURE_LIMIT) return;
    void this.end(
      () =>
        new MizuError('INTERNAL', `${START_FAILURE_LIMIT} worker threads in a row ended before they could work: ${reason}`, {
          component: this.options.url.pathname,
          hint: 'Mend what the worker module and the operators do when they are loaded, then run again with the same log.',
        }),
    );
  }

  private dispatch(): void {
    for (const thread of this.threads) {
      if (thread.alone || thread.computing.size > 0) continue;
      const job = this.queue.shift();
      if (job === undefined) break;
      this.give(thread, job);
    }
    const busyAlone = [...this.threads].some((thread) => thread.alone);
    const next = busyAlone ? undefined : this.aloneQueue.shift();
    if (next !== undefined) this.give(this.start(true), next);
  }

  private give(thread: Thread, job: Job): void {
    thread.jobs.set(job.id, job);
    const input = packInput(job.input, job.input.records === undefined ? undefined : this.spares.pop());
    this.post(thread, { type: 'execute', id: job.id, input }, input.records === undefined ? [] : [input.records.buffer]);
  }

  /** From here on the job computes. */
  private post(thread: Thread, request: JobRequest, transfer: readonly ArrayBuffer[] = []): void {
    thread.computing.add(request.id);
    thread.worker.postMessage(request, transfer);
    this.watch(thread);
  }

  /** Begins to wait for the thread's next word. */
  private watch(thread: Thread): void {
    thread.watchdog?.unsubscribe();
    thread.watchdog = undefined;
    if (thread.computing.size === 0 || this.options.silenceMs === undefined) return;
    const ms = Math.min(this.options.silenceMs, TIMER_LIMIT_MS);
    thread.watchdog = (this.options.alarm ?? timer)(ms).subscribe(() => {
      thread.reason = `no word from it for ${ms} ms`;
      void this.terminate(thread);
    });
  }

  private receive(thread: Thread, reply: WorkerReply): void {
    if (reply.type === 'ready') {
      thread.ready = true;
      this.startFailures = 0;
      this.watch(thread);
      return;
    }
    const job = thread.jobs.get(reply.id);
    if (job === undefined) return;
    thread.computing.delete(reply.id);
    this.watch(thread);
    if (reply.type === 'ask') void this.answer(thread, job, reply.ask, reply.questions);
    else {
      thread.jobs.delete(reply.id);
      if (reply.type === 'done') {
        if (reply.spent !== undefined && this.spares.length < this.options.size) this.spares.push(reply.spent);
        job.resolve(unpackOutput(reply.output));
      }
      if (reply.type === 'failed') job.reject(failedReply(reply));
      if (thread.alone) void this.dismiss(thread);
    }
    this.dispatch();
  }

  private async answer(thread: Thread, job: Job, ask: number, questions: readonly Question[]): Promise<void> {
    let request: JobRequest;
    try {
      const answers = await this.options.ask(questions);
      request = { type: 'answers', id: job.id, ask, answers: answers.map(exactAnswer) };
    } catch (error) {
      const code = error instanceof MizuError ? error.code : 'INTERNAL';
      request = { type: 'unanswered', id: job.id, ask, code, message: messageOf(error) };
    }
    if (this.threads.has(thread)) this.post(thread, request);
  }
}

function closedBefore(input: TaskInput): MizuError {
  return new MizuError('WORKER_DIED', `The pool was closed before task ${input.k} was done`);
}

function failedReply({ code, message, hint, component }: Extract<WorkerReply, { readonly type: 'failed' }>): MizuError {
  return new MizuError(code, message, { ...(hint === undefined ? {} : { hint }), ...(component === undefined ? {} : { component }) });
}
