/**
 * The operator contract. An operator file holds one idea: parameters, the fields it reads and writes, a pure function, its gas.
 * The kernel owns errors, counting, effects, leaves, ordering and completion.
 *
 * What an operator upholds: the same input gives the same effects on every machine (law 1): no clock, locale, network,
 * unseeded random, nor Math functions whose last bits differ between engines (log, exp, pow, sin, …; + − × ÷ and sqrt are fine).
 * What it may assume: parameters were validated, fields exist with the planned types, rows are given in ascending order.
 * What is not checked: that it stays within its gas estimate, or that it reads only what it declared.
 */
import type { z } from 'zod';
import type { DataEngine } from './data-engine.ts';
import type { DataSet, Winner } from './storage.ts';
import type { Executor, Measured, OpEnv } from './executor.ts';
import type { DigestHex } from './ids.ts';
import type { Json, OnFail, OpKind, OpSpec, SourceSpec, TopicSource } from './program.ts';
import type { SchemaVersion } from './schema-registry.ts';
import type { FieldType, Row, Schema, Value } from './types.ts';

export type OperatorGroup = 'select' | 'template' | 'generate' | 'rule' | 'correct' | 'judge' | 'aggregate';

/** A documented example that the conformance suite executes: these rows in, these rows and drops out. */
export interface GoldenCase {
  readonly title: string;
  readonly params: Json;
  readonly input: readonly Row[];
  /** Types of the input fields; inferred from the first row when absent. */
  readonly schema?: Schema;
  /** Data sets by author's name, as lists or maps. */
  readonly data?: Readonly<Record<string, readonly Value[] | { readonly [key: string]: Value }>>;
  /** Files beside the workflow, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** For external ops: the models there are, and what came back for each question in the order in which they are asked. */
  readonly models?: readonly string[];
  readonly answers?: readonly ({ readonly response: Json } | { readonly failure: string; readonly message: string })[];
  /** One per input row: the row afterwards, or why it was dropped. */
  readonly output: readonly (
    | { readonly row: Row }
    | { readonly rejected: { readonly measured?: Measured; readonly limit?: Measured } }
    | { readonly failed: string }
    | { readonly duplicate: Winner }
  )[];
}

/** What the compiler tells an operator about the place it stands in. */
export interface PlanContext {
  /** Id of the step: hidden fields between its ops are named after it. */
  readonly step: string;
  /** Fields of a record at this step. */
  readonly schema: Schema;
  /** Type of a field at this step, dotted paths reach into records (`persona.voice`); reports a problem with a hint and returns undefined if there is none. `where` says more of the place. */
  fieldType(path: string, at: string, where?: string): FieldType | undefined;
  /** Data set by the author's name; reports a problem with a hint and returns undefined if there is none. */
  data(name: string, at: string): DataSet | undefined;
  /** A file that the operator named by `files`; undefined when it could not be read, which was reported. */
  file(path: string): Uint8Array | undefined;
  /** Plans a rule that stands inside this step's parameters: one key, the operator's name. Undefined after reported problems. */
  rule(step: Json, at: string): PlannedRule | undefined;
  /** The source opened for this step, when the operator has `source`. */
  readonly source: SourceInfo | undefined;
  /** The topic that the step reads, when the operator named one. */
  readonly topic?: TopicInfo | undefined;
  readonly models: readonly string[];
  readonly engines: readonly DataEngine[];
  /** Reports what is wrong at a path below the step's parameters (`min`, `choices[2]`). All problems are reported at once. */
  problem(at: string, message: string, more?: { readonly expected?: string; readonly hint?: string }): void;
  /** Says what is allowed but seldom meant, at a path as for `problem`. */
  warning(at: string, message: string, more: { readonly hint: string }): void;
  /** Names near to a mistyped one, as a hint; undefined when none is near. */
  nearest(word: string, among: readonly string[]): string | undefined;
}

/** A source as an operator's `plan` sees it. */
export interface SourceInfo extends SourceSpec {
  /** The first records, exact bytes, at most 1,000. */
  readonly sample: readonly Uint8Array[];
  /** Names from the header row of a CSV source; absent for other formats and for `header: false`. */
  readonly columns?: readonly string[];
}

/** What an operator asks to be opened as its source: a path relative to the workflow file. */
export interface SourceRequest {
  readonly path: string;
  readonly format?: SourceSpec['format'] | undefined;
  readonly options?: Readonly<Record<string, Json>>;
}

/** What an operator asks for as its source when that is a topic: the author's name for it, and how it is read. */
export interface TopicRequest extends Pick<TopicSource, 'format' | 'ingest'> {
  readonly topic: string;
  readonly until?: 'end' | undefined;
}

/** A topic as an operator's `plan` sees it: nothing of its records, as a program does not depend on what a topic happens to hold. */
export interface TopicInfo {
  /** All versions of its values' schema, oldest first; empty for formats without one. They become a part of the program (law 7). */
  readonly schemas: readonly SchemaVersion[];
}

/** A rule inside another step. */
export interface PlannedRule {
  /** Its operator. */
  readonly op: string;
  /** The field that it is about, if it has one. */
  readonly field: string | undefined;
  readonly plans: readonly OpPlan[];
}

/** A file beside the workflow that an operator wants at compile time; what it makes of it stands in the program. */
export interface FileRequest {
  readonly path: string;
  /** Path of the parameter that names it, for problems. */
  readonly at: string;
}

export interface OpPlan {
  /** Suffix of the step id where a step makes several ops; empty for one. */
  readonly suffix?: string;
  /** Registered operator that executes it; default: the operator itself. */
  readonly op?: string;
  /** What is executed: canonical, defaults filled in; names of data replaced by nothing else than their digests in `data`. */
  readonly params: Json;
  readonly reads: readonly string[];
  readonly writes: Schema;
  readonly data?: readonly DigestHex[];
  /** For an op that may reject; default: what the author says, if the operator is a rule. */
  readonly onFail?: OnFail;
  /** With `onFail: 'note'`: the hidden field, text or null, that takes why the record broke the rule. */
  readonly note?: string;
  /** Its draws come from verifiable random numbers of the task: then it can only stand before records are shuffled. */
  readonly random?: 'vrf' | undefined;
  /** The data engine that it computes with, which is tried before anything is compiled with it. */
  readonly engine?: DataEngine;
}

export interface Operator<Params = unknown> {
  /** The word in the workflow file. */
  readonly name: string;
  readonly version: number;
  readonly group: OperatorGroup;
  readonly kind: OpKind;
  /** It may change what an earlier step made, as operators of the group `correct` do: such records count as corrected. */
  readonly corrects?: boolean;
  /** One line for lists. */
  readonly summary: string;
  /** A paragraph or two for the reference. */
  readonly description: string;
  /** Strict object schema; its descriptions are the reference. The kernel takes `id` and, for rules, `onFail` away before. */
  readonly params: z.ZodType<Params>;
  readonly examples: readonly GoldenCase[];
  /** Gas per live record, and per 64 bytes of the fields read. Whole numbers. */
  readonly gas: { readonly perRecord: number; readonly per64Bytes: number };
  /** For a keyed op: the fields its key is made of (empty: the whole record); `global` ops need all records in one place (P4). */
  readonly keyed?: {
    readonly scope: 'key' | 'global';
    by(params: Params): readonly string[];
    /** A global op that rejects records: the exact count stands behind it. */
    readonly drops?: true;
    /** The most records that it ever lets pass, where its parameters bound them. */
    most?(params: Params): number | undefined;
  };
  /** Words for the default step id: P6 says `as`, else operator and field. */
  defaultId(params: Params): string;
  /** Files beside the workflow that `plan` wants to read. */
  files?(params: Params): readonly FileRequest[];
  /** What it reads records from; undefined when its parameters name nothing, which `plan` then reports. */
  source?(params: Params): SourceRequest | TopicRequest | undefined;
  /** Several plans make several ops, each with its own leaf. An empty list after a reported problem. */
  plan(params: Params, context: PlanContext): readonly OpPlan[];
  /** Makes the executor of one planned op; called once per worker and program. */
  open(op: OpSpec, env: OpEnv): Executor | Promise<Executor>;
}

/** Ties an operator's parameter type, and gives the registry one type to list. */
export function defineOperator<Params>(operator: Operator<Params>): Operator {
  return operator as Operator;
}

/** Everything a process can execute: one explicit typed list. */
export interface Registry {
  readonly operators: readonly Operator[];
  readonly engines: readonly DataEngine[];
}
