/**
 * Entries of the control log (P1): one partition, one fenced writer, the orchestrator. Each is canonical JSON
 * {"body": …, "sig": base64}, signed over its body, so that anyone can recompute every decision and see who made it.
 * Results are written by nodes in the same form.
 */
import { MizuError, messageOf } from '../contract/errors.ts';
import type { InferenceApi, Usage } from '../contract/inference.ts';
import type { LogEntry } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import type { Signer } from '../contract/signer.ts';
import { toJson } from '../compile/to-json.ts';
import { verifyStrict, verifyStrictAside } from '../proof/ed25519.ts';
import { canonicalBytes, canonicalJson, isPlainObject } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { fromBase64, toBase64 } from '../proof/sha256.ts';
import type { FinishReason } from './finish-reasons.ts';
import { isControlBody, isRequestBody, isResultBody } from './entry-shapes.ts';

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

export type SigningContext =
  | 'mizu-control-v1'
  | 'mizu-result-v1'
  | 'mizu-request-v1'
  | 'mizu-question-v1'
  | 'mizu-control-snapshot-v1'
  | 'mizu-tree-place-v1';

function signedBytes(context: SigningContext, run: string, body: Json): Uint8Array {
  return canonicalBytes([context, run, body]);
}

/** `run`: NAME/GENERATION; binds the signature to its run. */
export function encodeSigned(
  context: SigningContext,
  run: string,
  body: ControlBody | ResultBody | RequestBody | QuestionBody | (Json & object),
  signer: Signer,
): Uint8Array {
  const json = toJson(body);
  return Buffer.from(canonicalJson({ body: json, sig: toBase64(signer.sign(signedBytes(context, run, json))) }), 'utf8');
}

export interface SignedEntry<T> {
  readonly body: T;
  readonly signature: Uint8Array;
}

/** Reads an entry of the control log; the signature is checked by `verifySigned`. @throws BYTES_INVALID for a body of another shape. */
export function decodeControl(bytes: Uint8Array): SignedEntry<ControlBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isControlBody(body)) throw new MizuError('BYTES_INVALID', `A control entry of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

/** Reads an entry of the results topic, likewise. @throws BYTES_INVALID. */
export function decodeResult(bytes: Uint8Array): SignedEntry<ResultBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isResultBody(body)) throw new MizuError('BYTES_INVALID', `A result of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

/** Reads an entry of the requests topic, likewise. @throws BYTES_INVALID. */
export function decodeRequest(bytes: Uint8Array): SignedEntry<RequestBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isRequestBody(body)) throw new MizuError('BYTES_INVALID', `A request of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

/** Reads an entry where it stands. @throws LOG_CORRUPT naming topic, partition and offset. */
export function readEntry<T>(
  decode: (bytes: Uint8Array) => SignedEntry<T>,
  topic: string,
  partition: number,
  entry: LogEntry,
): SignedEntry<T> {
  try {
    return decode(entry.value);
  } catch (error) {
    throw new MizuError('LOG_CORRUPT', `${topic}, partition ${partition}, offset ${entry.offset}: ${messageOf(error)}`, {
      cause: error,
      component: topic,
      hint: 'Use the version of Mizu that wrote the run; if it is this one, the log was changed by someone else.',
    });
  }
}

/** Body and signature of any entry, its shape not yet checked. @throws BYTES_INVALID. */
export function decodeEnvelope(bytes: Uint8Array): SignedEntry<Json> {
  const json = parseStrictJson(bytes);
  if (!isPlainObject(json)) throw new MizuError('BYTES_INVALID', 'A control or result entry is no JSON object');
  const { body, sig } = json;
  if (body === undefined || typeof sig !== 'string')
    throw new MizuError('BYTES_INVALID', 'A control or result entry has no body or signature');
  return { body, signature: fromBase64(sig) };
}

export function verifySigned(
  context: SigningContext,
  run: string,
  entry: SignedEntry<ControlBody | ResultBody | RequestBody | QuestionBody | (Json & object)>,
  publicKey: Uint8Array,
): boolean {
  return verifyStrict(publicKey, signedBytes(context, run, toJson(entry.body)), entry.signature);
}

/** The same on a thread of Node's pool. */
export function verifySignedAside(
  context: SigningContext,
  run: string,
  entry: SignedEntry<ControlBody | ResultBody | QuestionBody>,
  publicKey: Uint8Array,
): Promise<boolean> {
  return verifyStrictAside(publicKey, signedBytes(context, run, toJson(entry.body)), entry.signature);
}
