/** Where a run stands, as its log says: what `RunWatch` gives. */
import type { OpenExternal } from '../contract/source.ts';
import type { RunMode, Totals } from '../dispatch/control-entry.ts';
import type { UnequalResult } from '../dispatch/control-fold.ts';
import type { InferenceEstimate, InferenceTotals } from './inference-totals.ts';
import type { Failure, Loss, MemberStatus } from './member-tally.ts';
import type { RunRate } from './run-pace.ts';
import type { SourceStatus } from './source-status.ts';
import type { StageStatus } from './stage-progress.ts';
import type { RunSummary } from './summary.ts';

export interface RunStatus {
  readonly name: string;
  readonly generation: number;
  readonly program: string;
  /** `running`: an orchestrator works on it. `unfinished`: begun, not closed, and no orchestrator was seen. */
  readonly state: 'deployed' | 'running' | 'unfinished' | 'finished';
  /** What was asked for last, by its operator or, when a task can't be helped, by its orchestrator itself. */
  readonly mode: RunMode;
  /** Who asked for the mode; empty at the begin. */
  readonly modeBy: string;
  /** Process that orchestrated it last, HOST:PID; empty before the first. */
  readonly owner: string;
  /** Orchestrators so far: each but the first took over from one before. */
  readonly opens: number;
  readonly tick: number;
  /** Exact count asked for; null where there is none. */
  readonly wanted: number | null;
  /** Candidates that there are at most; null for an endless run. */
  readonly limit: number | null;
  readonly tasks: { readonly cut: number; readonly published: number };
  readonly totals: Readonly<Totals>;
  /** What questions took in complete tasks; null for a program that asks no model. */
  readonly inference: InferenceTotals | null;
  /** What is still to come; null where that can't be estimated, and for a finished run. */
  readonly estimate: InferenceEstimate | null;
  /** Null before there were two ticks, and for a finished run. */
  readonly rate: RunRate | null;
  readonly stages: readonly StageStatus[];
  readonly members: readonly MemberStatus[];
  /** Members that may take tasks at once. */
  readonly employed: number;
  /** The newest ones, oldest first. */
  readonly losses: readonly Loss[];
  readonly failures: readonly Failure[];
  /** Second results of accepted tasks, by whether they agree with the ones that count. */
  readonly copies: { readonly equal: number; readonly unequal: number };
  /** The newest of those that do not: evidence that one of two nodes executed something else. */
  readonly unequal: readonly UnequalResult[];
  /** Why tasks wait for a member; null when none do. */
  readonly waiting: string | null;
  /** Leaves below the newest signed head; null before the first. */
  readonly signed: number | null;
  readonly source: SourceStatus | null;
  /** Once the run is closed. */
  readonly summary: RunSummary | undefined;
}

export interface StatusOptions {
  /** Opens the topic that the program reads, to tell how far behind the run is. */
  readonly openExternal?: OpenExternal | undefined;
  readonly signal: AbortSignal;
}
