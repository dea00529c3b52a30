/**
 * Asks the run's gateway, which lives in another process, through the log (P8, P9, law 7). State, owned by this object: who waits for which key.
 * A question is committed in the asking member's own partition; its answer is the first attestation under its key, checked here before it is used.
 * What is not yet answered when the gateway moves is asked again, so nothing depends on what the one before had read or said.
 */
import { ERROR_CODES, type ErrorCode, MizuError } from '../contract/errors.ts';
import type { Answer, Gateway, Question } from '../contract/inference.ts';
import { decodeResult, encodeSigned, readEntry } from '../dispatch/signed-entry.ts';
import { questionBody } from '../dispatch/question-entry.ts';
import { isHeld } from '../dispatch/roles.ts';
import { answerTo, attestationKey, openAttestation } from '../proof/attestation.ts';
import { toHex } from '../proof/sha256.ts';
import { AttestationTable } from './attestation-table.ts';
import { Bell } from './bell.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { LogCursor } from './log-cursor.ts';
import type { RunContext } from './run-context.ts';

/** The life of a member, for which it asks. */
interface Life {
  readonly node: number;
  readonly signal: AbortSignal;
  committer: Promise<Committer> | undefined;
}

/** One key that somebody waits for. */
interface Wait {
  readonly key: Uint8Array;
  readonly question: Question;
  readonly envelope: Promise<Uint8Array>;
  readonly resolve: (envelope: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  /** Its question was committed: it is committed again when the gateway moves. */
  asked: boolean;
  waiting: number;
}

export interface LogGatewayOptions {
  /** Called when a question is asked and nobody answers now: it waits for a gateway. */
  readonly onUnserved: (error: MizuError) => void;
}

export class LogGateway implements Gateway {
  private readonly context: RunContext;
  private readonly control: ControlTail;
  private readonly options: LogGatewayOptions;
  private readonly waits = new Map<string, Wait>();
  private readonly bell = new Bell();
  private readonly closing = new AbortController();
  private readonly unlisten: () => void;
  private table: Promise<AttestationTable> | undefined;
  private life: Life | undefined;
  /** Results of the gateway, read from where they ended when it was first asked. */
  private results: { readonly epoch: number; readonly cursor: LogCursor } | undefined;
  /** Whether there was a gateway when it was last looked for: its absence is told once. */
  private served = true;
  /** While anybody waits: ready once answers are listened for. */
  private listening: Promise<AttestationTable> | undefined;

  constructor(context: RunContext, control: ControlTail, options: LogGatewayOptions) {
    this.context = context;
    this.control = control;
    this.options = options;
    this.unlisten = control.listen((body) => {
      if (body.type === 'appoint' || body.type === 'lost') this.bell.ring();
    });
  }

  /** Asks as this member from now on, until the signal aborts: then whoever waits is told so. */
  begin(node: number, signal: AbortSignal): void {
    this.end();
    const life: Life = { node, signal, committer: undefined };
    this.life = life;
    signal.addEventListener('abort', () => this.life === life && this.end(), { once: true });
  }

  /**
   * @throws UPSTREAM_UNREACHABLE, UPSTREAM_REFUSED, NOT_FOUND as the gateway says; PROOF_INVALID when what is recorded is no answer to the
   * question; INTERRUPTED when the signal or the member's life ends first; what the log throws.
   */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const { life } = this;
    if (life === undefined || life.signal.aborted || signal.aborted) throw interrupted();
    const key = attestationKey(this.context.log.network, question);
    const name = toHex(key);
    const wait = this.waits.get(name) ?? this.start(name, key, question, life);
    return this.open(await this.share(name, wait, signal), question);
  }

  async close(): Promise<void> {
    this.unlisten();
    this.closing.abort();
    this.end();
    (await this.table?.catch(() => undefined))?.close();
  }

  private end(): void {
    const { life } = this;
    this.life = undefined;
    this.giveUp(interrupted());
    void life?.committer?.then((committer) => committer.close()).catch(() => undefined);
  }

  private giveUp(error: unknown): void {
    for (const wait of this.waits.values()) wait.reject(error);
    this.waits.clear();
    this.bell.ring();
  }

  private start(name: string, key: Uint8Array, question: Question, life: Life): Wait {
    const { promise: envelope, resolve, reject } = Promise.withResolvers<Uint8Array>();
    envelope.catch(() => undefined);
    const wait: Wait = { key, question, envelope, resolve, reject, asked: false, waiting: 0 };
    this.waits.set(name, wait);
    this.find(wait, life).catch((error: unknown) => this.settle(name, wait, () => wait.reject(error)));
    return wait;
  }

  /** The envelope, unless the caller gives up first. A question that nobody waits for is forgotten. */
  private async share(name: string, wait: Wait, signal: AbortSignal): Promise<Uint8Array> {
    wait.waiting++;
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(interrupted());
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([wait.envelope, left.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
      if (--wait.waiting === 0) this.settle(name, wait, () => undefined);
    }
  }

  private settle(name: string, wait: Wait, tell: () => void): void {
    tell();
    if (this.waits.get(name) === wait) this.waits.delete(name);
    if (this.waits.size === 0) this.bell.ring();
  }

  /** Control may be behind the attestation of a gateway that it has just appointed. */
  private async open(envelope: Uint8Array, question: Question): Promise<Answer> {
    const { network } = this.context.log;
    try {
      return answerTo(openAttestation(envelope, this.control.keys.gateways), network, question);
    } catch {
      await this.control.catchUp();
      return answerTo(openAttestation(envelope, this.control.keys.gateways), network, question);
    }
  }

  /** Looks the answer up, and asks for it if it is not there. */
  private async find(wait: Wait, life: Life): Promise<void> {
    this.listening ??= this.listen();
    const table = await this.listening;
    const found = await table.find(wait.key);
    if (found !== undefined) wait.resolve(found.envelope);
    else if (wait.waiting > 0) await this.commit([wait], life);
  }

  private async commit(waits: readonly Wait[], life: Life): Promise<void> {
    const { log, topics, title, signer } = this.context;
    life.committer ??= Committer.open(log, `${title}/node/${life.node}/ask`);
    const committer = await life.committer;
    // One commit takes all that wait for it.
    const commits = waits.map((wait) => {
      const body = questionBody(life.node, log.network, wait.question);
      wait.asked = true;
      return committer.commit([
        { topic: topics.questions, partition: life.node, value: encodeSigned('mizu-question-v1', title, body, signer) },
      ]);
    });
    try {
      await Promise.all(commits);
    } catch (error) {
      // Another process may have taken the member's place: control says so before this one opens its writer again.
      await this.control.catchUp();
      life.committer = undefined;
      await committer.close().catch(() => undefined);
      throw error;
    }
  }

  private async listen(): Promise<AttestationTable> {
    try {
      const { log, topics, local } = this.context;
      this.table ??= AttestationTable.open({ log, topics: [topics.attestations], local });
      const table = await this.table;
      table.listen(({ key, value }) => {
        if (this.waits.size > 0 && key !== undefined) this.waits.get(toHex(key))?.resolve(value);
      });
      await this.followGateway();
      await table.catchUp();
      void this.work(table);
      return table;
    } catch (error) {
      this.listening = undefined;
      this.table = undefined;
      throw error;
    }
  }

  /** Listens while anybody waits. What the log throws ends every wait: the attempts fail and are made again. */
  private async work(table: AttestationTable): Promise<void> {
    const { signal } = this.closing;
    try {
      while (this.waits.size > 0 && !signal.aborted) {
        this.bell.arm('attestations', () => table.wait(signal));
        const cursor = this.results?.cursor;
        if (cursor !== undefined) this.bell.arm(`results/${cursor.partition}`, () => cursor.wait(signal));
        await this.bell.heard();
        await table.catchUp();
        await this.takeResults();
        if (await this.followGateway()) await this.askAgain();
      }
    } catch (error) {
      this.giveUp(error);
    }
    this.listening = undefined;
    this.results = undefined;
  }

  /** Whether the gateway is another one than before. */
  private async followGateway(): Promise<boolean> {
    const { log, topics } = this.context;
    const { fold } = this.control;
    const role = fold.roles.get('gateway');
    if (role === undefined || !isHeld(fold, role)) {
      if (this.served) this.options.onUnserved(unserved(this.context.title));
      this.served = false;
      return false;
    }
    this.served = true;
    if (this.results?.epoch === role.epoch) return false;
    const cursor = new LogCursor(log, topics.results, role.node, await log.end(topics.results, role.node));
    this.results = { epoch: role.epoch, cursor };
    return true;
  }

  private async askAgain(): Promise<void> {
    const { life } = this;
    const asked = [...this.waits.values()].filter((wait) => wait.asked);
    if (life !== undefined && asked.length > 0) await this.commit(asked, life);
  }

  private async takeResults(): Promise<void> {
    const cursor = this.results?.cursor;
    for (let entry = await cursor?.take(); cursor !== undefined && entry !== undefined; entry = await cursor.take()) {
      const signed = readEntry(decodeResult, cursor.topic, cursor.partition, entry);
      const { body } = signed;
      if (body.type !== 'unanswered' || body.node !== cursor.partition) continue;
      const wait = this.waits.get(body.question);
      if (wait === undefined || !this.control.keys.signed('mizu-result-v1', this.context.title, signed)) continue;
      wait.reject(new MizuError(knownCode(body.code), body.message, { component: wait.question.step }));
    }
  }
}

function knownCode(code: string): ErrorCode {
  return code in ERROR_CODES ? (code as ErrorCode) : 'UPSTREAM_UNREACHABLE';
}

function interrupted(): MizuError {
  return new MizuError('INTERRUPTED', 'The question was given up before its answer came', {
    hint: 'Nothing recorded is lost: another attempt asks again.',
  });
}

function unserved(title: string): MizuError {
  return new MizuError('UPSTREAM_UNREACHABLE', `'${title}' asks a model, and no member answers questions now`, {
    component: title,
    hint: 'Start a process with the role gateway; the tasks that ask wait for it.',
  });
}
