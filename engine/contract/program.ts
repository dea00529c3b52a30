/**
 * A program: the compiled workflow. It is canonical JSON (RFC 8785), named by its digest, and holds nothing that is a
 * deployment setting (P5): no name, node count, worker count, deadline, model address or key.
 */
import type { DigestHex } from './ids.ts';
import type { Retention } from './log.ts';
import type { FieldType, Schema } from './types.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Where an op's result lives: `local` (the task's own blocks, temporary) or `global` (the log, kept). */
export type StorageClass = 'local' | 'global';

/**
 * - `row`: each record by itself, over blocks, on any worker.
 * - `external`: as row, with answers that enter signed from outside (law 7).
 * - `keyed`: over all records of a partition in order of k; has state.
 */
export type OpKind = 'row' | 'external' | 'keyed';

/**
 * What becomes of a record that a rule rejects: it is dropped; `flag` keeps it and adds the step id to the list field `flags`; `note` keeps it and
 * writes why into the hidden text field that is first among the op's writes, for a later op that repairs it.
 */
export type OnFail = 'drop' | 'flag' | 'note';

/** One atomic step of a program. Its digest is the SHA-256 of its canonical JSON. */
export interface OpSpec {
  /** Step id (P6), unique in the program; draws and question keys use it. */
  readonly id: string;
  /** Name in the registry. */
  readonly op: string;
  /** Version of the op's behaviour: another one gives another digest. */
  readonly version: number;
  readonly kind: OpKind;
  readonly params: Json;
  /** Fields it reads, as named in the schema before it. */
  readonly reads: readonly string[];
  /** Fields it makes or changes, with their types. */
  readonly writes: Schema;
  /** Data sets it uses. */
  readonly data: readonly DigestHex[];
  readonly onFail: OnFail;
  readonly storage: StorageClass;
  /** A keyed op of a last stage that rejects records, before the exact count; absent: it only looks at them. */
  readonly drops?: true;
  /** Its draws come from the task's verifiable random numbers; absent: from the seed. */
  readonly random?: 'vrf';
}

/** How records leave a stage for the next one: one frame to each partition of it, by key. */
export interface ShuffleSpec {
  /** Fields whose canonical Avro is hashed to the key; empty: the record's own digest. */
  readonly by: readonly string[];
  /** Partitions of the next stage. */
  readonly partitions: number;
}

export interface StageSpec {
  readonly index: number;
  /** `last`: one partition, takes all frames of k at once and merges them by candidate (P4). */
  readonly kind: 'source' | 'keyed' | 'last';
  readonly partitions: number;
  /** Fields of the records that enter (empty for a generator). */
  readonly input: Schema;
  /** In order. A keyed stage's ops may be of every kind but `external`. */
  readonly ops: readonly OpSpec[];
  /** Fields of the records that leave. */
  readonly output: Schema;
  /** To the next stage; absent for the publishing stage. */
  readonly shuffle?: ShuffleSpec;
}

/** A finite source whose records are numbered 0 … records−1 and cut round-robin by count (P7). */
export interface SourceSpec {
  readonly format: 'jsonl' | 'csv' | 'parquet' | 'text';
  readonly records: number;
  /** SHA-256 over the length-prefixed (u32 big-endian) bytes of all records. */
  readonly digest: DigestHex;
}

/** Where a finite source that was digested can be compared before its end: the digest of its first `records` records, as `SourceSpec` makes it of all of them. */
export interface SourceMark {
  readonly records: number;
  readonly digest: DigestHex;
}

/** How the values of a topic's records are read. `avro` and `json-schema` are in the Confluent wire format, with schemas of a registry. */
export const TOPIC_FORMATS = ['json', 'avro', 'json-schema', 'text', 'bytes'] as const;
export type TopicFormat = (typeof TOPIC_FORMATS)[number];

/** A topic as a source (P7, P13). Where it is, is a deployment setting; its cuts are inputs of the run, recorded in control. */
export interface TopicSource {
  readonly kind: 'topic';
  /** The author's name for it, under `sources`. */
  readonly name: string;
  readonly format: TopicFormat;
  /** `copy`: its records are copied to the run's own log, so that proofs hold as long as that does. `reference`: they are read where they are. */
  readonly ingest: 'copy' | 'reference';
  /** Finite: ends at the offsets that stood when it was deployed. */
  readonly until?: 'end';
}

export interface ProgramData {
  readonly kind: 'list' | 'map';
  readonly type: FieldType;
  readonly size: number;
  readonly digest: DigestHex;
}

/** Limits of a run (P15). What bounds a question's cost stands here too, since it decides which questions are asked. */
export interface Budget {
  readonly candidates?: number;
  readonly tokens?: number;
  readonly money?: MoneyBudget;
  /** With `tokens` or `money`: longest request of a model, bytes; a longer one fails its record before it is asked. */
  readonly requestBytes?: number;
}

export interface MoneyBudget {
  /** Millionths of the currency. */
  readonly micros: number;
  readonly currency: string;
  /** Of the models that the program asks, by the author's name. */
  readonly prices: Readonly<Record<string, TokenPrice>>;
}

/** Millionths of a currency for a million tokens; whole numbers. */
export interface TokenPrice {
  readonly input: number;
  readonly output: number;
}

export interface Program {
  readonly mizu: 1;
  readonly seed: number | string;
  /** Exactly this many accepted records; absent: all there are. */
  readonly accept?: number;
  readonly budget: Budget;
  readonly task: { readonly size: number };
  /** Records per block. */
  readonly block: number;
  readonly source?: SourceSpec | TopicSource;
  readonly data: Readonly<Record<string, ProgramData>>;
  readonly stages: readonly StageSpec[];
  /** Schema of published records. */
  readonly published: Schema;
}

/** The program's finite source of files, if it has one. */
export function fileSource({ source }: Pick<Program, 'source'>): SourceSpec | undefined {
  return source === undefined || 'kind' in source ? undefined : source;
}

/** The topic that the program reads, if it reads one. */
export function topicSource({ source }: Pick<Program, 'source'>): TopicSource | undefined {
  return source !== undefined && 'kind' in source ? source : undefined;
}

/** Where a topic that is a source lies. */
export interface SourceAddress {
  /** `kafka://host:port[,host:port]`; absent: the cluster of the run's own log. */
  readonly url?: string;
  /** Absent: the source's own name. */
  readonly topic?: string;
  /** Address of the schema registry, for formats that need one. */
  readonly registry?: string;
  /** Where a run that is deployed for the first time begins. */
  readonly from: 'earliest' | 'latest';
}

/** A topic that takes the verified records besides the run's own. */
export interface SinkAddress {
  readonly topic: string;
  /** Where the author says that it is: brokers of the run's own log, since a transaction spans one cluster. Absent: there. */
  readonly url?: string;
}

/** What the author may change without changing the program. */
export interface Deployment {
  readonly name: string;
  readonly nodes: number;
  /** Time frame of a task, milliseconds; rounded up to ticks. */
  readonly deadlineMs: number;
  readonly models: Readonly<Record<string, ModelAddress>>;
  readonly storage: 'global' | 'local';
  /** What the log may forget of a run's records between their places; absent: nothing. */
  readonly retention?: Retention;
  /** Topics that are sources, by the author's name. */
  readonly sources?: Readonly<Record<string, SourceAddress>>;
  /** Somebody else's topic that takes the verified records too. */
  readonly publish?: SinkAddress;
  /** A task of a live source is cut once its first record has waited for this long, milliseconds, though it is not full. */
  readonly cutEveryMs?: number;
  /** Memory that a node must offer for each of its slots to be given tasks, bytes; absent: any. */
  readonly memoryBytes?: number;
  /** What a schema registry calls the published schema; it stands in every published record, so a generation keeps it. */
  readonly schemaId?: number;
}

/** Where a model answers. The key is named by its environment variable and never written anywhere. */
export interface ModelAddress {
  readonly url: string;
  readonly model?: string;
  readonly keyEnv?: string;
  /** Most calls to it at once; below that the gateway finds the right number itself. Absent: the gateway's own ceiling. */
  readonly calls?: number;
  /** One whole call may take so long, milliseconds. Absent: the gateway's own limit. */
  readonly timeoutMs?: number;
  /** What it costs, to show the cost of a run; with a budget of money, the program holds it too. */
  readonly price?: TokenPrice & { readonly currency: string };
}
