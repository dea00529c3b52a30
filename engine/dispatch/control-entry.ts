/**
 * Entries of the control log (P1): one partition, one fenced writer, the orchestrator. They are all that anyone needs to recompute its decisions. How an entry is
 * signed and read stands in `signed-entry.ts`.
 */
import type { Usage } from '../contract/inference.ts';
import type { Json } from '../contract/program.ts';
import type { FinishReason } from './finish-reasons.ts';

/** What task k covers (P7): candidates [first, first + count), from records [from, to) of the source where there is one. */
export interface CutEntry {
  readonly type: 'cut';
  readonly k: number;
  readonly branch: number;
  readonly first: number;
  readonly count: number;
  /** (partition, from, to) of the source; empty for a generator. */
  readonly ranges: readonly (readonly [number, number, number])[];
}

/** What a member offers to a run. Its work is chosen by it alone (P17): nothing else about a member is known to the dispatcher. */
export interface Offer {
  /** Tasks that it executes at once; 0 for a member that takes none. */
  readonly slots: number;
  /** Share of the work that it asks for among capable members, a whole number from 1 to WEIGHT_LIMIT. */
  readonly weight: number;
  /** Whether it takes partitions of keyed stages under lease. */
  readonly steps: boolean;
  /** Whether it can be the checkpointer: it holds the run's key. */
  readonly checkpoints: boolean;
  /** Whether it can be the gateway: it holds a key for attestations and reaches the models in `models`. */
  readonly answers: boolean;
  /** Ops that it knows, `name@version`, sorted. */
  readonly ops: readonly string[];
  /** Models that a gateway reaches, sorted; empty for others. */
  readonly models: readonly string[];
  /** Memory that it gives to the run, bytes: to all its slots together. */
  readonly memory: number;
}

/** Totals of a run, in order of k (P16): tasks 0 … published−1 are in them. */
export interface Totals {
  candidates: number;
  accepted: number;
  corrected: number;
  duplicates: number;
  failed: number;
  rejected: Record<string, number>;
  gas: number;
  localBytes: number;
  globalBytes: number;
  /** What questions took, by step; absent while none was asked. */
  usage?: Usage;
}

/** What work took: gas, bytes that stayed with a node, bytes that went through the log. */
export interface Cost {
  gas: number;
  localBytes: number;
  globalBytes: number;
}

/** What a stage took, and the records that left there; rejected ones are told by step, in `Totals`. */
export interface StageTotals extends Cost {
  duplicates: number;
  failed: number;
}

/** What was done under a member's number, by the member that has it now or had it last. */
export interface MemberTotals extends Cost {
  readonly member: string;
}

export interface Mark {
  readonly type: 'mark';
  /** Tasks below it are complete in every stage. */
  readonly published: number;
  readonly totals: Readonly<Totals>;
  /** The same tasks by stage. */
  readonly stages: readonly Readonly<StageTotals>[];
  /** The same tasks by number of the member that did them. */
  readonly members: readonly Readonly<MemberTotals>[];
  /** Per member number the offset of its results from which one has to read to count the tasks from `published` on. */
  readonly results: readonly number[];
}

export type RunMode = 'running' | 'paused' | 'draining' | 'stopped';

export type ControlBody =
  /** An orchestrator took over. `owner`: process, for people; `key`: its public key in hexadecimal; `memory`: as in `settings`. */
  | { readonly type: 'open'; readonly owner: string; readonly key: string; readonly memory?: number }
  | CutEntry
  | { readonly type: 'assign'; readonly k: number; readonly attempt: number; readonly node: number; readonly deadline: number }
  | { readonly type: 'lease'; readonly stage: number; readonly partition: number; readonly epoch: number; readonly node: number }
  /**
   * A member takes part as node `node`: its results stand in that partition. `incarnation` names the process's present life: an admission
   * of another one under the same number ends the one before. `request`: offset of the request that it answers.
   */
  | {
      readonly type: 'admit';
      readonly node: number;
      readonly member: string;
      readonly incarnation: string;
      /** Its public key, hexadecimal: signs its results. */
      readonly key: string;
      readonly offer: Offer;
      readonly request: number;
    }
  /** The member takes part no longer: its attempts are over, its leases and roles free. `silent`: no word for LOST_TICKS. */
  | { readonly type: 'lost'; readonly node: number; readonly reason: 'silent' | 'left' | 'replaced' }
  /** One member has this role for the run; the next epoch ends it. */
  | { readonly type: 'appoint'; readonly role: 'checkpointer' | 'gateway'; readonly epoch: number; readonly node: number }
  /** What its operator asked for. paused: nothing new is assigned; stopped: and members let go; draining: nothing new is cut, then the run finishes. */
  | { readonly type: 'mode'; readonly mode: RunMode; readonly by: string; readonly request: number }
  /**
   * Deployment settings changed (P12, compatible): how many task-taking members are employed, the time frame of an attempt, and what a
   * member must offer for each slot, bytes; any amount if absent.
   */
  | {
      readonly type: 'settings';
      readonly nodes: number;
      readonly deadlineMs: number;
      readonly memory?: number;
      readonly request: number;
    }
  /** A second result of an accepted task: whether it agrees on every leaf with the one that counts, which is of node `accepted`. */
  | {
      readonly type: 'confirm';
      readonly k: number;
      readonly attempt: number;
      readonly node: number;
      readonly accepted: number;
      readonly equal: boolean;
    }
  /** Time in the log. */
  | { readonly type: 'tick'; readonly tick: number }
  /** How far the run has come: every fold lets go of the tasks below `published`, and a new orchestrator counts on from here. */
  | Mark
  | { readonly type: 'accept'; readonly k: number; readonly attempt: number; readonly node: number; readonly result: string }
  | { readonly type: 'dead'; readonly k: number; readonly attempt: number; readonly reason: string }
  /** Candidates [from, to) of a task that died are executed alone, to find who kills workers (P9); nothing of it is committed. */
  | {
      readonly type: 'probe';
      readonly k: number;
      readonly probe: number;
      readonly from: number;
      readonly to: number;
      readonly node: number;
    }
  | { readonly type: 'probed'; readonly k: number; readonly probe: number; readonly outcome: ProbeOutcome }
  | { readonly type: 'poison'; readonly k: number; readonly i: number }
  /** The pool is finished: `last` is the last task that counts, −1 if there is none. */
  | { readonly type: 'finish'; readonly last: number; readonly reason: FinishReason }
  /** The run is closed: every record is published, the tree is signed. */
  | { readonly type: 'close'; readonly summary: Json };

/** `unreachable`: nothing was learned. */
export type ProbeOutcome = 'survived' | 'died' | 'unreachable';
