/** What members write into topics of their own: results of work, requests to the orchestrator, questions to the gateway. None of it counts before control says so (P1). */
import type { InferenceApi, Usage } from '../contract/inference.ts';
import type { Json } from '../contract/program.ts';
import type { Offer, RunMode } from './control-entry.ts';

export interface TaskResult {
  readonly type: 'task';
  readonly k: number;
  readonly attempt: number;
  readonly node: number;
  readonly candidates: number;
  readonly corrected: number;
  /** Of its candidates those that failed in the source stage. */
  readonly failed: number;
  readonly gas: number;
  readonly localBytes: number;
  readonly globalBytes: number;
  /** What its questions took, by step (P15); absent where it asked none. */
  readonly usage?: Usage;
  /** SHA-256 over all leaves, hexadecimal: equal results of two attempts confirm each other. */
  readonly leaves: string;
}

export interface StepResult {
  readonly type: 'step';
  readonly stage: number;
  readonly partition: number;
  readonly k: number;
  readonly epoch: number;
  readonly node: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly failed: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly gas: number;
  readonly globalBytes: number;
  readonly reached: boolean;
}

/** An attempt that came to nothing; the orchestrator decides what follows. */
export interface FailedAttempt {
  readonly type: 'failed-attempt';
  readonly k: number;
  readonly attempt: number;
  readonly node: number;
  readonly code: string;
  /** Id of the step in which, where it was one. */
  readonly step?: string | undefined;
  readonly message: string;
}

/** What became of a probe. `code` and `message` are empty if it survived. */
export interface ProbeResult {
  readonly type: 'probe-result';
  readonly k: number;
  readonly probe: number;
  readonly node: number;
  readonly code: string;
  readonly message: string;
}

/** A member lives. Every entry of its partition says so; this one when there is nothing else to say. */
export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly node: number;
  readonly incarnation: string;
  /** Attempts that run, and those that wait for a thread. */
  readonly running: number;
  readonly waiting: number;
  /** Resident memory, bytes. */
  readonly memory: number;
}

/** What the aggregates of the last stage found, once its run is over; by step id. */
export interface StepReport {
  readonly type: 'report';
  readonly node: number;
  readonly stage: number;
  readonly partition: number;
  readonly reports: { readonly [step: string]: Json };
}

/** The head of the whole tree is signed. */
export interface Sealed {
  readonly type: 'sealed';
  readonly node: number;
  readonly tasks: number;
  readonly size: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly verifierKey: string;
}

/** A gateway could not get an answer to the question with this key; whoever waits for it gives its attempt up (P9). */
export interface Unanswered {
  readonly type: 'unanswered';
  readonly node: number;
  /** Key of the question, hexadecimal. */
  readonly question: string;
  readonly code: string;
  readonly message: string;
}

export type ResultBody = TaskResult | StepResult | FailedAttempt | ProbeResult | Heartbeat | StepReport | Sealed | Unanswered;

/** What others ask of the orchestrator, in the requests topic: they never write control themselves (P1). */
export type RequestBody =
  | {
      readonly type: 'join';
      readonly member: string;
      readonly incarnation: string;
      readonly key: string;
      readonly offer: Offer;
    }
  | { readonly type: 'leave'; readonly member: string; readonly incarnation: string }
  | { readonly type: 'mode'; readonly mode: RunMode; readonly by: string }
  /** The deployment entry of the program topic was changed: take its settings over. */
  | { readonly type: 'settings'; readonly nodes: number; readonly deadlineMs: number; readonly memory?: number };

/** What stands in the questions topic: what members ask, each in its own partition, and in one more how far gateways have come. */
export type QuestionBody =
  | {
      readonly type: 'question';
      readonly node: number;
      readonly network: string;
      readonly step: string;
      /** Digest of the op, hexadecimal. */
      readonly op: string;
      readonly candidate: number;
      readonly draw: number;
      readonly model: string;
      /** Exact bytes, base64. */
      readonly request: string;
      /** Absent: chat completions. */
      readonly api?: InferenceApi | undefined;
    }
  /** Questions below these offsets, by number of the member, are settled: a gateway that takes over begins there. */
  | { readonly type: 'settled'; readonly node: number; readonly positions: readonly number[] };
