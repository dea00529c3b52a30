/**
 * Worker threads that execute tasks of one program. A task that waits for outside answers holds no thread: its slot is
 * free until the answers come. A dead thread fails its attempts, never a record (P9), and is replaced.
 */
import { Worker } from 'node:worker_threads';
import { MizuError, messageOf } from '../contract/errors.ts';
import type { Answer, Question } from '../contract/inference.ts';
import type { TaskInput, TaskOutput } from '../datavm/task-machine.ts';
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-protocol.ts';

export interface WorkerPoolOptions {
  /** Module that calls `serveWorker`. */
  readonly url: URL;
  readonly size: number;
  readonly setup: WorkerSetup;
  readonly ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
}

/** What a node has its tasks executed by: a pool of threads, or whatever an embedding program brings. */
export interface TaskExecutor {
  /** Several at once. @throws WORKER_DIED or UPSTREAM_UNREACHABLE where another attempt may help; anything else ends the run. */
  execute(input: TaskInput): Promise<TaskOutput>;
  /** Ends what runs. Called once, at the end of the run. */
  close(): Promise<void>;
}

interface Job {
  readonly id: number;
  readonly input: TaskInput;
  readonly resolve: (output: TaskOutput) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly jobs: Map<number, Job>;
  /** Jobs that compute now; those waiting for answers are not counted. */
  busy: number;
}

export class WorkerPool implements TaskExecutor {
  private readonly options: WorkerPoolOptions;
  private readonly threads = new Set<Thread>();
  private readonly queue: Job[] = [];
  private nextJob = 0;
  private closed = false;

  constructor(options: WorkerPoolOptions) {
    this.options = options;
    for (let n = 0; n < options.size; n++) this.start();
  }

  execute(input: TaskInput): Promise<TaskOutput> {
    if (this.closed) return Promise.reject(closedBefore(input));
    return new Promise((resolve, reject) => {
      this.queue.push({ id: this.nextJob++, input, resolve, reject });
      this.dispatch();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const job of this.queue.splice(0)) job.reject(closedBefore(job.input));
    await Promise.all([...this.threads].map((thread) => thread.worker.terminate()));
  }

  private start(): void {
    const thread: Thread = { worker: new Worker(this.options.url, { workerData: this.options.setup }), jobs: new Map(), busy: 0 };
    this.threads.add(thread);
    thread.worker.on('message', (reply: WorkerReply) => this.receive(thread, reply));
    thread.worker.on('error', (error) => this.bury(thread, messageOf(error)));
    thread.worker.on('exit', (code) => this.bury(thread, `exit code ${code}`));
  }

  private bury(thread: Thread, reason: string): void {
    if (!this.threads.delete(thread)) return;
    for (const job of thread.jobs.values()) {
      job.reject(new MizuError('WORKER_DIED', `The worker thread that executed task ${job.input.k} ended: ${reason}`));
    }
    if (this.closed) return;
    this.start();
    this.dispatch();
  }

  private dispatch(): void {
    for (const thread of this.threads) {
      if (thread.busy > 0) continue;
      const job = this.queue.shift();
      if (job === undefined) return;
      thread.jobs.set(job.id, job);
      thread.busy++;
      this.post(thread, { type: 'execute', id: job.id, input: job.input });
    }
  }

  private post(thread: Thread, request: WorkerRequest): void {
    thread.worker.postMessage(request);
  }

  private receive(thread: Thread, reply: WorkerReply): void {
    const job = thread.jobs.get(reply.id);
    if (job === undefined) return;
    thread.busy--;
    if (reply.type === 'ask') void this.answer(thread, job, reply.ask, reply.questions);
    else {
      thread.jobs.delete(reply.id);
      if (reply.type === 'done') job.resolve(reply.output);
      else job.reject(new MizuError(reply.code, reply.message, { ...(reply.hint === undefined ? {} : { hint: reply.hint }) }));
    }
    this.dispatch();
  }

  private async answer(thread: Thread, job: Job, ask: number, questions: readonly Question[]): Promise<void> {
    let request: WorkerRequest;
    try {
      request = { type: 'answers', id: job.id, ask, answers: await this.options.ask(questions) };
    } catch (error) {
      const code = error instanceof MizuError ? error.code : 'INTERNAL';
      request = { type: 'unanswered', id: job.id, ask, code, message: messageOf(error) };
    }
    if (!this.threads.has(thread)) return;
    thread.busy++;
    this.post(thread, request);
  }
}

function closedBefore(input: TaskInput): MizuError {
  return new MizuError('WORKER_DIED', `The pool was closed before task ${input.k} started`);
}
