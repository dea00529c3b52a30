/** Messages between a worker pool and its threads. Structured-clone data only. */
import type { ErrorCode } from '../contract/errors.ts';
import type { Answer, Question } from '../contract/inference.ts';
import type { Program } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { TaskInput, TaskOutput } from '../datavm/task-machine.ts';

export interface WorkerSetup {
  readonly program: Program;
  /** Hexadecimal. */
  readonly digest: string;
  readonly data: readonly DataSet[];
}

export type WorkerRequest =
  | { readonly type: 'execute'; readonly id: number; readonly input: TaskInput }
  | { readonly type: 'answers'; readonly id: number; readonly ask: number; readonly answers: readonly Answer[] }
  | { readonly type: 'unanswered'; readonly id: number; readonly ask: number; readonly code: ErrorCode; readonly message: string };

export type WorkerReply =
  | { readonly type: 'ask'; readonly id: number; readonly ask: number; readonly questions: readonly Question[] }
  | { readonly type: 'done'; readonly id: number; readonly output: TaskOutput }
  | { readonly type: 'failed'; readonly id: number; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined };
