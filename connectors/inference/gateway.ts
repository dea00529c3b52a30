/**
 * The gateway inside the process: one question, one answer (laws 2, 7; P8, P9). State: the questions on their way, owned by this object, and the fold
 * of the attestation topics. A question is first looked up there, then joined to an equal one on its way, and only then sent upstream; its answer is
 * returned after its attestation is committed and read back. The fenced owner makes it the only gateway of its run.
 */
import {
  type Answer,
  type Attestation,
  AttestationTable,
  answerTo,
  attestationKey,
  attestRandom,
  canonicalBytes,
  Committer,
  type Json,
  MizuError,
  type Offset,
  openAttestation,
  parseStrictJson,
  type Question,
  REQUEST_LIMIT_BYTES,
  signAttestation,
  toHex,
  VRF_MODEL,
} from '#engine';
import { Flight, interrupted } from './flight.ts';
import type { GatewayCounts, GatewayOptions, InferenceGateway, RecordedAnswer, Standing } from './gateway-contract.ts';
import { type HttpTransport, httpTransport } from './http-call.ts';
import { DEFAULT_LIMITS, type GatewayLimits } from './limits.ts';
import { ModelPace } from './model-pace.ts';
import { type ModelServer, resolveModels } from './model-server.ts';
import type { StreamSink } from './stream-relay.ts';
import { SYSTEM_TIMING, type Timing } from './timing.ts';
import { askServer, type UpstreamResult } from './upstream.ts';

/** Fences the run's gateway before, and reads back what is recorded. @throws USAGE naming variables of missing keys, before any work. */
export async function openGateway(options: GatewayOptions): Promise<InferenceGateway> {
  const servers = resolveModels(options.models, options.env);
  const committer = await Committer.open(options.log, `${options.title}/gateway`);
  try {
    const { log, local, topic, earlier = [] } = options;
    const own = await AttestationTable.open({ log, topics: [topic], local });
    const shared = earlier.length === 0 ? undefined : await AttestationTable.open({ log, topics: earlier, local });
    return new EmbeddedGateway(options, servers, committer, own, shared);
  } catch (error) {
    await committer.close();
    throw error;
  }
}

/** After these another gateway may be the one of this run, and it decides what the answers are. */
const WRITER_ENDS: readonly string[] = ['LOG_FENCED', 'LOG_UNKNOWN_OUTCOME'];

class EmbeddedGateway implements InferenceGateway {
  private readonly options: GatewayOptions;
  private readonly servers: ReadonlyMap<string, ModelServer>;
  private readonly committer: Committer;
  private readonly own: AttestationTable;
  private readonly shared: AttestationTable | undefined;
  private readonly limits: GatewayLimits;
  private readonly timing: Timing;
  private readonly trusted: readonly Uint8Array[];
  private readonly http: HttpTransport;
  readonly paces: ReadonlyMap<string, ModelPace>;
  private readonly flights = new Map<string, Flight<RecordedAnswer>>();
  private readonly closing = new AbortController();
  private readonly ended: AbortSignal;
  /** Why nothing more can be recorded; then nothing more is asked either. */
  private broken: MizuError | undefined;
  private readonly counted = { questions: 0, recorded: 0, joined: 0, calls: 0, answers: 0, tokens: 0, held: 0 };

  constructor(
    options: GatewayOptions,
    servers: ReadonlyMap<string, ModelServer>,
    committer: Committer,
    own: AttestationTable,
    shared: AttestationTable | undefined,
  ) {
    this.options = options;
    this.servers = servers;
    this.committer = committer;
    this.own = own;
    this.counted.held = own.size;
    this.shared = shared;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.timing = options.timing ?? SYSTEM_TIMING;
    this.http = httpTransport(options.env);
    this.trusted = [options.signer.publicKey, ...(options.trustedKeys ?? [])];
    this.ended = options.signal === undefined ? this.closing.signal : AbortSignal.any([options.signal, this.closing.signal]);
    this.paces = new Map([...servers.values()].map((server) => [server.name, this.paceOf(server)]));
  }

  private paceOf(server: ModelServer): ModelPace {
    const { limits, timing, ended } = this;
    return new ModelPace({
      model: server.name,
      shown: server.shown,
      ceiling: server.calls ?? limits.callsPerModel,
      callMs: server.timeoutMs ?? limits.callMs,
      timing,
      signal: ended,
    });
  }

  get counts(): GatewayCounts {
    return { ...this.counted };
  }

  /**
   * @throws UPSTREAM_UNREACHABLE, UPSTREAM_REFUSED: the attempt fails, nothing is recorded; NOT_FOUND for an unknown model; PROOF_INVALID when
   * what is recorded is no answer to this question; INTERRUPTED; what the log throws.
   */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const { attestation } = await this.answerFor(question, signal);
    return answerTo(attestation, this.options.network, question);
  }

  async answerFor(question: Question, signal: AbortSignal, sink?: StreamSink): Promise<RecordedAnswer> {
    this.counted.questions++;
    const key = attestationKey(this.options.network, question);
    const name = toHex(key);
    for (;;) {
      if (this.broken !== undefined) throw this.broken;
      if (signal.aborted || this.ended.aborted) throw interrupted();
      const flight = this.flights.get(name);
      if (flight === undefined) return this.start(name, key, question, sink).wait(signal);
      if (!flight.unwanted) {
        this.counted.joined++;
        return flight.wait(signal);
      }
      // Nobody wanted it any more, yet it may still record an answer: two calls of one question never overlap.
      await flight.answer.catch(() => undefined);
    }
  }

  async standing(key: Uint8Array): Promise<Standing> {
    // Before anything is awaited: an answer leaves here only after it is found there.
    const asked = this.flights.has(toHex(key));
    if ((await this.envelope(key)) !== undefined) return 'recorded';
    return asked ? 'asked' : 'new';
  }

  async settled(key: Uint8Array): Promise<void> {
    await this.flights.get(toHex(key))?.answer.catch(() => undefined);
  }

  async envelope(key: Uint8Array): Promise<Uint8Array | undefined> {
    return ((await this.own.find(key)) ?? (await this.shared?.find(key)))?.envelope;
  }

  private start(name: string, key: Uint8Array, question: Question, sink: StreamSink | undefined): Flight<RecordedAnswer> {
    const flight = new Flight((unwanted) => this.answer(key, question, unwanted, sink).finally(() => this.flights.delete(name)));
    this.flights.set(name, flight);
    return flight;
  }

  private async answer(key: Uint8Array, question: Question, unwanted: AbortSignal, sink: StreamSink | undefined): Promise<RecordedAnswer> {
    const { network, signer } = this.options;
    const own = await this.own.find(key);
    const found = own ?? (await this.shared?.find(key));
    if (found !== undefined) {
      const attestation = openAttestation(found.envelope, this.trusted);
      answerTo(attestation, network, question);
      if (own === undefined) await this.record(key, question, attestation, found.envelope);
      this.counted.recorded++;
      return { attestation, key, before: true };
    }
    const isRandom = question.model === VRF_MODEL;
    const attestation = isRandom ? attestRandom(network, question, signer) : await this.call(key, question, unwanted, sink);
    await this.record(key, question, attestation, signAttestation(attestation, signer));
    this.counted.answers++;
    this.counted.tokens += attestation.usage?.totalTokens ?? 0;
    this.options.onAnswer?.(question, attestation);
    return { attestation, key, before: false };
  }

  /** Resolves when the envelope is committed, visible, and in the table. */
  private async record(key: Uint8Array, question: Question, attestation: Attestation, envelope: Uint8Array): Promise<void> {
    const more = this.options.alongside?.(key, question, attestation) ?? [];
    let at: Offset | undefined;
    try {
      [at] = await this.committer.commit([{ topic: this.options.topic, partition: 0, key, value: envelope }, ...more]);
    } catch (error) {
      if (error instanceof MizuError && WRITER_ENDS.includes(error.code)) {
        if (this.broken === undefined) this.options.onBroken?.(error);
        this.broken = error;
      }
      throw error;
    }
    this.counted.held++;
    if (at !== undefined) await this.own.learn({ offset: at, key, value: envelope, headers: {} });
  }

  private async call(key: Uint8Array, question: Question, unwanted: AbortSignal, sink: StreamSink | undefined): Promise<Attestation> {
    const server = this.servers.get(question.model);
    const pace = this.paces.get(question.model);
    if (server === undefined || pace === undefined) {
      throw new MizuError('NOT_FOUND', `Step '${question.step}' asks the model '${question.model}', which the deployment does not have`, {
        component: question.step,
        hint: `Models there are: ${[...this.servers.keys()].join(', ') || 'none'}. Name it under \`models:\` in the workflow.`,
      });
    }
    const { body, streams } = bodyFor(question, server);
    const { limits, timing, ended: signal } = this;
    try {
      const result = await askServer(server, body, {
        api: question.api ?? 'chat/completions',
        idempotencyKey: toHex(key),
        limits,
        pace,
        transport: this.options.transport ?? this.http.call,
        timing,
        signal,
        unwanted,
        stream: streams ? { sink } : undefined,
        onCall: (end) => {
          this.counted.calls++;
          this.options.onCall?.(server.name, end);
        },
      });
      return this.attestationOf(question, server, result);
    } catch (error) {
      if (signal.aborted || unwanted.aborted) throw new MizuError('INTERRUPTED', interrupted().message, { cause: error });
      throw error;
    }
  }

  private attestationOf(question: Question, server: ModelServer, result: UpstreamResult): Attestation {
    const { step, opDigest, candidate, draw, request } = question;
    const { outcome, status, response, facts } = result;
    const model = { name: server.name, asked: server.asked, answered: facts.model };
    const { network } = this.options;
    const { finishReason, usage } = facts;
    return { network, step, opDigest, candidate, draw, model, request, response, outcome, status, finishReason, usage };
  }

  async close(): Promise<void> {
    this.closing.abort(interrupted());
    await Promise.allSettled([...this.flights.values()].map((flight) => flight.answer));
    await this.http.close();
    await this.committer.close();
    this.own.close();
    this.shared?.close();
  }
}

/** The body that is sent: the question's, with the server's name of the model. @throws INTERNAL for a question that no op of ours makes. */
function bodyFor(question: Question, server: ModelServer): { readonly body: Uint8Array; readonly streams: boolean } {
  const body: Json = parseStrictJson(question.request);
  const isBody = typeof body === 'object' && body !== null && !Array.isArray(body);
  const fields = isBody ? (body as { readonly [key: string]: Json }) : {};
  if (fields['model'] !== question.model || question.request.length > REQUEST_LIMIT_BYTES) {
    throw new MizuError(
      'INTERNAL',
      `Step '${question.step}' asked with a request that is no body for model '${question.model}' of at most ${REQUEST_LIMIT_BYTES} bytes`,
      { component: question.step },
    );
  }
  return { body: canonicalBytes({ ...fields, model: server.asked }), streams: fields['stream'] === true };
}
