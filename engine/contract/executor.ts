/**
 * What executes an op: the block that it sees, the sinks that it reports to, the draws it may make. The kernel owns everything else: errors, counting, effects, leaves,
 * ordering. What executors uphold stands in `operator.ts`.
 */
import type { DataEngine } from './data-engine.ts';
import type { Answer, Question } from './inference.ts';
import type { GlobalStorage, LocalStorage, Winner } from './storage.ts';
import type { Json } from './program.ts';
import type { Row, Value } from './types.ts';

export interface OpEnv {
  readonly storage: GlobalStorage;
  readonly local: LocalStorage;
  readonly draws: Draws;
  /** The draws for a block: those of the seed, or, for an op whose plan says `random: vrf`, those of its task's verifiable random numbers. */
  readonly drawsFor: (input: BlockView) => Draws;
  readonly engines: readonly DataEngine[];
  /** Digest of the op as its questions bind it. */
  readonly questionDigest: Uint8Array;
  readonly program: { readonly accept: number | undefined; readonly expectedRecords: number };
}

/**
 * Seeded draws of one step: HMAC-SHA-256(seed, step id ‖ candidate index ‖ field ‖ draw number). `candidate` is the
 * index in the run (k·B + i), so a draw depends on nothing else than the candidate and the place that asks.
 */
export interface Draws {
  /** 32 bytes. */
  bytes(candidate: number, field: string, draw?: number): Uint8Array;
  /** Uniform in 0 … n−1 by rejection; 1 ≤ n ≤ 2^40. */
  below(n: number, candidate: number, field: string, draw?: number): number;
  /** Uniform in [0, 1) with 53 bits. */
  unit(candidate: number, field: string, draw?: number): number;
}

export type Executor = RowExecutor | ExternalExecutor | KeyedExecutor;

export interface RowExecutor {
  /** Called once per block. A throw is a defect and ends the attempt; what is wrong with a record goes to `out.fail`. */
  execute(input: BlockView, out: EffectSink): void;
}

export interface ExternalExecutor {
  /** The question for a row, or undefined if none is needed or the record was failed (`out.fail`). Nothing else is reported here but gas. */
  question(input: BlockView, row: number, out: EffectSink): Question | undefined;
  /**
   * The next question of a row whose answer is of no use: a further draw. Undefined: `answer` gets the answer. Called once for each answer, in no
   * order of rows, and reports nothing.
   */
  further?(input: BlockView, row: number, answer: Answer, question: Question): Question | undefined;
  /** What the last answer of a row means. Called in order of rows, once all have theirs. */
  answer(input: BlockView, row: number, answer: Answer, out: EffectSink): void;
  /** Writes what stands for the answer of a row that asked nothing. */
  unasked?(input: BlockView, row: number, out: EffectSink): void;
}

export interface KeyedExecutor {
  /**
   * Verdicts for the records of step k, and the delta that they make to the state, computed from the state before.
   * The state is the fold of all deltas: state(k) = apply(state(k−1), delta(k)), so that a new owner rebuilds it from the log.
   */
  step(batch: KeyedBatch, out: KeyedSink): Uint8Array;
  apply(delta: Uint8Array): void;
  /**
   * The whole state as bytes, and back into a fresh executor: for an op whose state is bounded, so that a snapshot may hold all of it (P14). The same
   * deltas in the same order give the same bytes. An op without these two is rebuilt from deltas, and its snapshots are deltas put together, so
   * that a state that grows is never copied again.
   */
  snapshot?(): Uint8Array;
  /** @throws BYTES_INVALID */
  restore?(state: Uint8Array): void;
  /** The first step whose delta still matters when `next` is the next step; never falls. Absent: 0, nothing is ever forgotten. */
  horizon?(next: number): number;
  /** What the run's report shows of the state, canonical JSON. */
  report?(): Json;
  close?(): void;
}

/** Bytes of a text or bytes column: row r is data[starts[r] … ends[r]). */
export interface BytesColumn {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly data: Uint8Array;
}

/** Where an op writes values of a text or bytes field in place, row by row: `reserve`, write, `commit`. */
export interface ValueRoom {
  /** What is written to. Another one after `reserve`, maybe. */
  readonly data: Uint8Array;
  /** Makes room for a value of at most so many bytes, and gives the place of its first. Asked again before `commit`, the room is another. */
  reserve(bytes: number): number;
  /** The value of the row is what was written: `length` bytes from the place on, not more than reserved. Text is valid UTF-8. */
  commit(row: number, length: number): void;
}

/** A block as an op sees it: columns for those that can, single values for the others. */
export interface BlockView {
  /** Rows of the block, dropped ones included. */
  readonly length: number;
  /** The live rows, ascending. Ops handle these and no others. */
  readonly rows: Uint32Array;
  /** Output of the task's verifiable random function, 64 bytes, where the program has a step that draws from it. */
  readonly beta?: Uint8Array | undefined;
  /** Candidate index in the run. */
  candidate(row: number): number;
  /** Column of a `string` or `bytes` field. */
  bytes(field: string): BytesColumn;
  /** Column of a `long` or `double` field. */
  numbers(field: string): Float64Array;
  /** Column of a `boolean` field: 0 or 1. */
  booleans(field: string): Uint8Array;
  /** A view on one text: no copy. */
  slice(field: string, row: number): Uint8Array;
  /** One text, decoded. */
  text(field: string, row: number): string;
  /** Any field as plain JavaScript. */
  value(field: string, row: number): Value;
  /** The fields that the op declared as read, as one plain object. */
  row(row: number): Row;
}

/** A measured value or a limit as it stands in effects, reports and `mizu rejected`. */
export type Measured = number | string;

/** Where an op reports what it did. Rows must be given in ascending order per field. */
export interface EffectSink {
  /** The record breaks the rule: dropped, or flagged if the step says so. */
  reject(row: number, why?: { readonly measured?: Measured | undefined; readonly limit?: Measured | undefined }): void;
  /** The record can't be handled: dropped as failed, with its original bytes. `code` is UPPER_SNAKE. */
  fail(row: number, code: string, message: string): void;
  setText(field: string, row: number, text: string): void;
  setBytes(field: string, row: number, bytes: Uint8Array): void;
  /** For a text or bytes field: as `setBytes`, without a copy. */
  room(field: string): ValueRoom;
  setNumber(field: string, row: number, value: number): void;
  setBoolean(field: string, row: number, value: boolean): void;
  /** Any type, checked against the planned one; a value that does not fit fails the record. */
  setValue(field: string, row: number, value: Value): void;
  /** Gas beyond the estimate (simulator steps, output bytes). Whole number. */
  charge(gas: number): void;
}

/** The records of one keyed step, in order of (k, candidate). */
export interface KeyedBatch {
  readonly k: number;
  /** Indices of the live records, ascending. */
  readonly rows: Uint32Array;
  /** Candidate within the task. */
  candidate(row: number): number;
  /** 32 bytes. */
  key(row: number): Uint8Array;
  /** SHA-256 of the record's Avro bytes. */
  digest(row: number): Uint8Array;
  /** Avro bytes under the stage's input schema; a view. */
  record(row: number): Uint8Array;
  row(row: number): Row;
}

export interface KeyedSink {
  duplicate(row: number, winner: Winner): void;
  reject(
    row: number,
    why: { readonly rule?: string; readonly measured?: Measured | undefined; readonly limit?: Measured | undefined },
  ): void;
  charge(gas: number): void;
}
