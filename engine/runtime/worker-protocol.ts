/** Messages between a worker pool and its threads. Structured-clone data only; bytes travel packed. */
import type { ErrorCode } from '../contract/errors.ts';
import type { Answer, Question } from '../contract/inference.ts';
import type { Program } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { TaskInput, TaskOutput } from '../datavm/task-machine.ts';
import type { PackedBytes } from './packed-bytes.ts';
import { exactBytes, moveBytes, packBytes, unpackBytes } from './packed-bytes.ts';

export interface WorkerSetup {
  readonly program: Program;
  /** Hexadecimal. */
  readonly digest: string;
  readonly data: readonly DataSet[];
}

export type PackedInput = Omit<TaskInput, 'records'> & { readonly records: PackedBytes | undefined };

export type PackedOutput = Omit<TaskOutput, 'frames' | 'leaves'> & {
  readonly frames: PackedBytes;
  readonly leaves: PackedBytes;
};

/** About one job. */
export type JobRequest =
  | { readonly type: 'execute'; readonly id: number; readonly input: PackedInput }
  | { readonly type: 'answers'; readonly id: number; readonly ask: number; readonly answers: readonly Answer[] }
  | { readonly type: 'unanswered'; readonly id: number; readonly ask: number; readonly code: ErrorCode; readonly message: string };

/** `end`: nothing more comes, and what still waits for answers is of no use. */
export type WorkerRequest = JobRequest | { readonly type: 'end' };

/** `spent`: the buffer of the job's records, which another job's may be sent in. New memory costs more than what is copied into it. */
export type WorkerReply =
  /** The program is loaded, or refused; in either case the thread can answer for itself. */
  | { readonly type: 'ready' }
  | { readonly type: 'ask'; readonly id: number; readonly ask: number; readonly questions: readonly Question[] }
  | { readonly type: 'done'; readonly id: number; readonly output: PackedOutput; readonly spent?: ArrayBuffer | undefined }
  | {
      readonly type: 'failed';
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint?: string | undefined;
      /** What failed: the step, where one did. */
      readonly component?: string | undefined;
    };

export function packInput({ records, ...input }: TaskInput, spare?: ArrayBuffer): PackedInput {
  return { ...input, records: records === undefined ? undefined : packBytes(records, spare) };
}

export function unpackInput({ records, ...input }: PackedInput): TaskInput {
  return records === undefined ? input : { ...input, records: unpackBytes(records) };
}

/** The frames may be gone with it. */
export function packOutput({ frames, leaves, ...output }: TaskOutput): PackedOutput {
  return { ...output, frames: moveBytes(frames), leaves: packBytes(leaves) };
}

export function unpackOutput({ frames, leaves, ...output }: PackedOutput): TaskOutput {
  return { ...output, frames: unpackBytes(frames), leaves: unpackBytes(leaves) };
}

export function exactQuestion(question: Question): Question {
  return { ...question, opDigest: exactBytes(question.opDigest), request: exactBytes(question.request) };
}

export function exactAnswer(answer: Answer): Answer {
  return { ...answer, response: exactBytes(answer.response) };
}
