/** What every role of one run shares: the log, names, program, keys, and the signal that ends the process's part in it. */
import type { Registry } from '../contract/operator.ts';
import type { DigestHex } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Deployment, Program } from '../contract/program.ts';
import { fileSource } from '../contract/program.ts';
import type { SourceBounds } from '../contract/source.ts';
import type { Signer } from '../contract/signer.ts';
import type { DataSet, LocalStorage } from '../contract/storage.ts';
import type { LoadContext } from '../datavm/program-loader.ts';
import { globalStorage } from './global-storage.ts';
import type { RunName, RunTopics } from './topics.ts';

/** A tick of the control log while its orchestrator lives, milliseconds. Deadlines are counted in ticks (P16). */
export const TICK_MS = 500;
/** A member says at least so often that it lives, milliseconds. */
export const HEARTBEAT_MS = 500;
/** Ticks without a word after which a member is lost. Short, because a stopped partition stops the stream; a false alarm costs a move, never a record. */
export const LOST_TICKS = 5;
/** Tasks cut and not yet published, per slot of the members: keeps workers busy, bounds what is held (law 6). */
export const WINDOW_PER_SLOT = 6;
/** A worker thread that computes and says nothing for this many task deadlines is ended, and its attempt is dead (law 11). */
export const SILENT_DEADLINES = 3;
/** But not before this, milliseconds: starting a thread and loading a program take their time, whatever the deadline. */
export const SILENCE_FLOOR_MS = 10_000;

export interface RunContext {
  readonly log: Log;
  readonly run: RunName;
  /** NAME/GENERATION. */
  readonly title: string;
  readonly topics: RunTopics;
  readonly program: Program;
  readonly digest: DigestHex;
  readonly deployment: Deployment;
  readonly data: readonly DataSet[];
  /** Where the program's topic begins and ends, if it reads one. */
  readonly source?: SourceBounds | undefined;
  readonly registry: Registry;
  readonly local: LocalStorage;
  readonly signer: Signer;
  /** Aborts when the run ends or fails anywhere in this process. */
  readonly signal: AbortSignal;
}

/** Candidates that the run may have at most; Infinity for an endless one. */
export function candidateLimit(program: Program): number {
  return Math.min(program.budget.candidates ?? Number.POSITIVE_INFINITY, fileSource(program)?.records ?? Number.POSITIVE_INFINITY);
}

/** Tasks that the run may have at most. */
export function taskLimit(program: Program): number {
  return Math.ceil(candidateLimit(program) / program.task.size);
}

/** Keys that a dedup index is sized for when the stream has no end. */
const ENDLESS_EXPECTED_RECORDS = 1_000_000;

export function loadContext(context: Pick<RunContext, 'program' | 'registry' | 'local' | 'data'>): LoadContext {
  const limit = candidateLimit(context.program);
  return {
    program: context.program,
    registry: context.registry,
    storage: globalStorage(context.data),
    local: context.local,
    expectedRecords: Number.isFinite(limit) ? limit : ENDLESS_EXPECTED_RECORDS,
  };
}
