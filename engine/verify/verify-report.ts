/** What a verification is told, and what it says. */
import type { OpenExternal } from '../contract/source.ts';
import type { VerifyProblem } from './report.ts';
import type { TaskRange } from './task-range.ts';
import type { SampleLimits } from './task-sample.ts';

export interface VerifyReport {
  readonly ok: boolean;
  /** Whether the run is closed: otherwise it goes on, and what came after its newest signed head was not looked at. */
  readonly closed: boolean;
  /** Tasks in the tree: 0 … tasks − 1. Their signatures and leaves were checked. */
  readonly tasks: number;
  /** Tasks of which everything was checked that their leaves commit to; undefined if there are none. */
  readonly range: TaskRange | undefined;
  /** Tasks of which source, frames and published records were looked at: all, but where a sample was asked for. */
  readonly content: readonly TaskRange[];
  /** Topics that forgot something of a task before the range. Of these tasks, what is left was checked. */
  readonly forgotten: readonly string[];
  readonly checks: readonly { readonly name: string; readonly count: number; readonly detail: string }[];
  /** At most PROBLEM_LIMIT; `ok` is false when there is one. */
  readonly problems: readonly VerifyProblem[];
  readonly treeSize: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly verifierKey: string;
  /** Whether the verifier key was given by the caller; otherwise it was taken from the log that it should judge. */
  readonly keyGiven: boolean;
}

export interface VerifyOptions {
  /** C2SP verifier key that the reader trusts; default: the key that the log itself names. */
  readonly verifierKey?: string | undefined;
  /** Opens the topic of a program that reads one by reference. */
  readonly external?: OpenExternal | undefined;
  /** Of which tasks source, frames and published records are read: of all (default), or of a random sample of a large run. All else is checked of every task. */
  readonly content?: 'all' | 'sample' | SampleLimits | undefined;
}
