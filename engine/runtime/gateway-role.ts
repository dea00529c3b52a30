/**
 * The gateway as a role that one member is appointed to: reads what the others ask, has each question answered (the gateway that it is given
 * records the answer before it returns it), and says which could not be (P8, P9). Algebra: per member, the questions that are read and not yet
 * settled. Everything below the lowest of them is settled, by an attestation or by `unanswered`; it says so in the log from time to time, so
 * that whoever takes over begins there, and finds what was answered since in the attestations.
 */
import type { Observable } from 'rxjs';
import { MizuError, messageOf } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Gateway, Question } from '../contract/inference.ts';
import type { Append, LogEntry } from '../contract/log.ts';
import type { QuestionBody } from '../dispatch/member-entry.ts';
import type { SignedEntry } from '../dispatch/signed-entry.ts';
import { encodeSigned, verifySigned } from '../dispatch/signed-entry.ts';
import { decodeQuestion, questionOf } from '../dispatch/question-entry.ts';
import { attestationKey } from '../proof/attestation.ts';
import { toHex } from '../proof/sha256.ts';
import { Bell } from './bell.ts';
import type { ControlTail } from './control-tail.ts';
import type { DeployedRun } from './read-run.ts';
import { lastEntry } from './last-entry.ts';
import { LogCursor } from './log-cursor.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import { SETTLED_PARTITION } from './topics.ts';

/** Questions on their way at once: above what the models of a run take together, and 128 of the largest are 16 MiB. */
export const QUESTIONS_IN_FLIGHT = 128;
/** Read ahead of each member: questions may be of 170 KiB each. */
const READ_AHEAD = { maxEntries: 16, maxBytes: 1024 * 1024 };
/** Questions settled between two entries that say so: at most so many more are looked up again after a take-over. */
const SETTLED_EVERY = 64;
/** Failures of the gateway or its log, which say nothing of a question: the role is opened anew, or somebody else has it. */
const ROLE_FAILURES: readonly string[] = [
  'LOG_FENCED',
  'LOG_UNKNOWN_OUTCOME',
  'LOG_UNAVAILABLE',
  'LOG_BUSY',
  'LOG_CORRUPT',
  'DISK_FULL',
  'INTERRUPTED',
];

export interface GatewayPlace {
  /** Keys whose recorded answers are taken, beside its own: those of the run and of the gateways before. */
  readonly trustedKeys: readonly Uint8Array[];
  /** Aborts when the role goes. */
  readonly signal: AbortSignal;
}

/** Opens the gateway of a run for a process that was appointed; this fences the one before. Closed by the role. */
export type OpenGateway = (run: DeployedRun, place: GatewayPlace) => Gateway | undefined | Promise<Gateway | undefined>;

/** One question settled; `code` when it could not be answered, `refused` when it was none of a member. */
export interface QuestionSettled {
  readonly outcome: 'answered' | 'unanswered' | 'refused';
  readonly code?: string | undefined;
  readonly step: string;
  readonly model: string;
  readonly seconds: number;
}

export interface GatewayRoleOptions {
  /** Number of the member. */
  readonly node: number;
  readonly gateway: Gateway;
  /** Commits as the member. */
  readonly commit: (appends: readonly Append[]) => Promise<unknown>;
  readonly onSettled: (settled: QuestionSettled) => void;
}

export class GatewayRole {
  private readonly context: RunContext;
  private readonly control: ControlTail;
  private readonly options: GatewayRoleOptions;
  private readonly cursors: LogCursor[] = [];
  /** Offsets of questions that are read and not settled, by number of the member. */
  private readonly open = new Map<number, Set<number>>();
  /** Keys on their way: an equal question of another member joins. */
  private readonly running = new Map<string, Promise<void>>();
  private readonly bell = new Bell();
  private readonly unlisten: () => void;
  private readonly from: readonly number[];
  private entries = 0;
  private settled = 0;
  private failure: unknown;

  private constructor(context: RunContext, control: ControlTail, options: GatewayRoleOptions, from: readonly number[]) {
    this.context = context;
    this.control = control;
    this.options = options;
    this.from = from;
    const ring = (): void => this.bell.ring();
    context.signal.addEventListener('abort', ring, { once: true });
    const unlisten = control.listen((body) => {
      if (body.type === 'admit' || body.type === 'finish') ring();
    });
    this.unlisten = () => {
      unlisten();
      context.signal.removeEventListener('abort', ring);
    };
  }

  static async open(context: RunContext, control: ControlTail, options: GatewayRoleOptions): Promise<GatewayRole> {
    return new GatewayRole(context, control, options, await settledBefore(context, control));
  }

  /** Answers until the run's end or the signal. Each emission is a turn. */
  run(): Observable<number> {
    return pulled(async () => {
      if (this.over) return undefined;
      await this.take();
      await this.bell.heard();
      if (this.failure !== undefined) throw this.failure;
      if (this.settled >= SETTLED_EVERY) await this.mark();
      return this.entries;
    });
  }

  /** Says how far it came. What is on its way is given up when its gateway is closed. */
  async close(): Promise<void> {
    this.unlisten();
    if (this.settled > 0 && this.failure === undefined) await this.mark();
  }

  /** No task needs an answer once the pool is finished. */
  private get over(): boolean {
    return this.context.signal.aborted || this.control.fold.finish !== undefined;
  }

  /** Takes questions, of each member in turn, until there are none or enough of them are on their way. */
  private async take(): Promise<void> {
    const { log, topics, signal } = this.context;
    for (let node = this.cursors.length; node < this.control.fold.nodes; node++)
      this.cursors.push(new LogCursor(log, topics.questions, node, offset(this.from[node] ?? 0), READ_AHEAD));
    let waiting = [...this.cursors];
    while (waiting.length > 0 && this.entries < QUESTIONS_IN_FLIGHT && !signal.aborted) {
      const more: LogCursor[] = [];
      for (const cursor of waiting) {
        const entry = this.entries < QUESTIONS_IN_FLIGHT ? await cursor.take() : undefined;
        if (entry === undefined) continue;
        more.push(cursor);
        await this.begin(cursor, entry);
      }
      waiting = more;
    }
    // When enough are on their way, only their ends matter.
    if (this.entries >= QUESTIONS_IN_FLIGHT) return;
    for (const cursor of this.cursors) this.bell.arm(`questions/${cursor.partition}`, () => cursor.wait(signal));
  }

  private async begin(cursor: LogCursor, entry: LogEntry): Promise<void> {
    const body = await this.genuine(cursor, entry);
    if (body === undefined) {
      this.options.onSettled({ outcome: 'refused', step: '', model: '', seconds: 0 });
      return;
    }
    const node = cursor.partition;
    const open = this.open.get(node) ?? new Set();
    this.open.set(node, open.add(entry.offset));
    this.entries++;
    const question = questionOf(body);
    const name = toHex(attestationKey(this.context.log.network, question));
    const answered = this.running.get(name) ?? this.answer(name, question);
    void answered.then(
      () => {
        this.settled++;
        open.delete(entry.offset);
        this.leave();
      },
      (error: unknown) => {
        if (!this.context.signal.aborted) this.failure ??= error;
        this.leave();
      },
    );
  }

  private leave(): void {
    this.entries--;
    this.bell.ring();
  }

  /** The question, if the member of this partition signed it for this network. Control may be behind the question of a new member. */
  private async genuine(cursor: LogCursor, entry: LogEntry): Promise<(QuestionBody & { readonly type: 'question' }) | undefined> {
    const { log, title } = this.context;
    const { keys } = this.control;
    const signed = tryDecode(entry);
    if (signed?.body.type !== 'question') return undefined;
    const { body } = signed;
    if (body.node !== cursor.partition || body.network !== log.network) return undefined;
    if (!keys.signed('mizu-question-v1', title, signed)) {
      await this.control.catchUp();
      if (!keys.signed('mizu-question-v1', title, signed)) return undefined;
    }
    return body;
  }

  private answer(name: string, question: Question): Promise<void> {
    const answered = this.settle(name, question).finally(() => this.running.delete(name));
    this.running.set(name, answered);
    return answered;
  }

  private async settle(name: string, question: Question): Promise<void> {
    const { gateway, onSettled } = this.options;
    const { step, model } = question;
    const began = performance.now();
    const seconds = (): number => (performance.now() - began) / 1000;
    try {
      await gateway.ask(question, this.context.signal);
      onSettled({ outcome: 'answered', step, model, seconds: seconds() });
    } catch (error) {
      if (!(error instanceof MizuError) || ROLE_FAILURES.includes(error.code)) throw error;
      await this.report(name, error);
      onSettled({ outcome: 'unanswered', code: error.code, step, model, seconds: seconds() });
    }
  }

  private async report(question: string, error: MizuError): Promise<void> {
    const { topics, title, signer } = this.context;
    const { node, commit } = this.options;
    const body = { type: 'unanswered', node, question, code: error.code, message: messageOf(error) } as const;
    await commit([{ topic: topics.results, partition: node, value: encodeSigned('mizu-result-v1', title, body, signer) }]);
  }

  private async mark(): Promise<void> {
    const { topics, title, signer } = this.context;
    const { node, commit } = this.options;
    this.settled = 0;
    const positions = this.cursors.map((cursor) => Math.min(cursor.position, ...(this.open.get(cursor.partition) ?? [])));
    const body = { type: 'settled', node, positions } as const;
    await commit([{ topic: topics.questions, partition: SETTLED_PARTITION, value: encodeSigned('mizu-question-v1', title, body, signer) }]);
  }
}

/** Where to begin: what the newest gateway said, by number of the member; at the begin where none did. */
async function settledBefore({ log, topics, title }: RunContext, control: ControlTail): Promise<readonly number[]> {
  const entry = await lastEntry(log, topics.questions, SETTLED_PARTITION);
  const signed = entry === undefined ? undefined : tryDecode(entry);
  if (signed?.body.type !== 'settled') return [];
  const genuine = control.keys.gateways.some((key) => verifySigned('mizu-question-v1', title, signed, key));
  return genuine ? signed.body.positions : [];
}

/** Undefined for what has no known shape: whoever wrote it, it is no question and no position. */
function tryDecode(entry: LogEntry): SignedEntry<QuestionBody> | undefined {
  try {
    return decodeQuestion(entry.value);
  } catch (error) {
    if (error instanceof MizuError && error.code === 'BYTES_INVALID') return undefined;
    throw error;
  }
}
