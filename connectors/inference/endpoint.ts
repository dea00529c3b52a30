/**
 * The gateway as an ordinary OpenAI-compatible HTTP endpoint (laws 2, 7; P8). A request is a question: bound to its caller, to its idempotency key (or a number
 * drawn for it alone) and to its exact canonical bytes. Its answer is signed and recorded before the caller sees the end of it, and the same key gets
 * the same answer ever after. State: the idempotency keys on their way, and the fold of those recorded; what else there is belongs to gateway and callers.
 */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  AttestationTable,
  type GatewayConfig,
  type InferenceApi,
  type LocalStorage,
  type Log,
  messageOf,
  MizuError,
  openAttestation,
  REQUEST_LIMIT_BYTES,
  type Signer,
  toHex,
} from '#engine';
import { rememberUsage, usageEntry } from './caller-usage.ts';
import { Callers } from './callers.ts';
import { bodyOf, failureOf, type HttpFailure, RequestError } from './endpoint-errors.ts';
import { callerOf, EndpointKeys, type HttpQuestion, readHttpQuestion } from './endpoint-question.ts';
import { EndpointStream } from './endpoint-stream.ts';
import { type InferenceGateway, openGateway, type RecordedAnswer } from './gateway.ts';
import { SERVED_AS } from './http-call.ts';
import { ENDPOINT_CONNECTIONS, ENDPOINT_DRAIN_MS, ENDPOINT_REQUEST_MS } from './limits.ts';
import type { CallEnd } from './model-pace.ts';
import { SYSTEM_TIMING, type Timing } from './timing.ts';

/** What the endpoint tells of itself. */
export type EndpointEvent =
  | {
      readonly type: 'request';
      /** Empty for who is nobody's caller. */
      readonly caller: string;
      readonly model: string;
      readonly status: number;
      readonly code: string;
      readonly seconds: number;
      /** Of a new answer. */
      readonly tokens: number;
      /** It was answered from the log. */
      readonly recorded: boolean;
    }
  | { readonly type: 'call'; readonly model: string; readonly end: CallEnd['kind'] }
  /** A request could not be answered for a reason that its caller is not told in full. */
  | { readonly type: 'failed'; readonly error: unknown }
  /** Another gateway took over, or the log is in doubt: nothing more can be recorded. */
  | { readonly type: 'broken'; readonly error: MizuError };

export interface EndpointOptions {
  readonly config: GatewayConfig;
  readonly log: Log;
  readonly signer: Signer;
  readonly local: LocalStorage;
  /** The environment, for keys of models. */
  readonly env: (name: string) => string | undefined;
  /** Tokens by caller's name. */
  readonly tokens: ReadonlyMap<string, string>;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly onEvent: (event: EndpointEvent) => void;
  /** Further pages that are answered without a token: /healthz, /readyz, /metrics. */
  readonly pages?: Readonly<Record<string, () => Promise<{ readonly status: number; readonly type: string; readonly body: string }>>>;
  readonly timing?: Timing;
}

export interface Endpoint {
  /** `http://HOST:PORT`. */
  readonly address: string;
  readonly gateway: InferenceGateway;
  close(): Promise<void>;
}

/** Topics and writer of an endpoint, by its name. */
export function endpointNames(name: string): Readonly<Record<'title' | 'attestations' | 'keys' | 'usage', string>> {
  const topics = `gateway.${name}`;
  return { title: `gateway/${name}`, attestations: `${topics}.attestations`, keys: `${topics}.keys`, usage: `${topics}.usage` };
}

/** Fences the endpoint of this name before, and listens. @throws USAGE for missing keys or tokens, or an address that can't be listened on; what the log throws. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { config, log, signer, local, env, onEvent } = options;
  const timing = options.timing ?? SYSTEM_TIMING;
  const callers = new Callers(config.callers, options.tokens, () => timing.now());
  const { title, attestations, keys: keysTopic, usage } = endpointNames(config.name);
  for (const name of [attestations, keysTopic, usage]) await log.createTopic({ name, partitions: 1, cleanup: 'keep' });
  let keys: EndpointKeys | undefined;
  const gateway = await openGateway({
    log,
    title,
    topic: attestations,
    network: `${log.network}/${title}`,
    models: config.models,
    signer,
    local,
    env,
    timing,
    alongside: (key, { step }, attestation) => [
      ...(keys?.entryFor(key) ?? []),
      ...usageEntry(usage, callers, callerOf(step), attestation.usage?.totalTokens ?? 0),
    ],
    onCall: (model, end) => onEvent({ type: 'call', model, end }),
    onBroken: (error) => onEvent({ type: 'broken', error }),
  });
  try {
    // After the fence: nobody adds to them any more but this process.
    await rememberUsage(log, usage, callers);
    keys = new EndpointKeys(keysTopic, await AttestationTable.open({ log, topics: [keysTopic], local }));
    // Loaded when it is wanted: whoever asks models loads this connector.
    const { fastify } = await import('fastify');
    const app = fastify({
      bodyLimit: REQUEST_LIMIT_BYTES,
      requestTimeout: ENDPOINT_REQUEST_MS,
      forceCloseConnections: 'idle',
      return503OnClosing: true,
    });
    const server = new EndpointServer(options, gateway, callers, keys, app);
    const address = await server.listen();
    return { address, gateway, close: () => server.close() };
  } catch (error) {
    keys?.close();
    await gateway.close();
    throw error;
  }
}

interface Told {
  caller: string;
  model: string;
  code: string;
  tokens: number;
  recorded: boolean;
}

class EndpointServer {
  private readonly options: EndpointOptions;
  private readonly gateway: InferenceGateway;
  private readonly callers: Callers;
  private readonly keys: EndpointKeys;
  private readonly app: FastifyInstance;
  private readonly told = new WeakMap<FastifyRequest, Told>();

  constructor(options: EndpointOptions, gateway: InferenceGateway, callers: Callers, keys: EndpointKeys, app: FastifyInstance) {
    this.options = options;
    this.gateway = gateway;
    this.callers = callers;
    this.keys = keys;
    this.app = app;
    this.app.server.maxConnections = ENDPOINT_CONNECTIONS;
    this.build();
  }

  async listen(): Promise<string> {
    const { host, port } = this.options;
    try {
      await this.app.listen({ host, port });
    } catch (error) {
      throw new MizuError('USAGE', `Can't listen on ${host}:${port}: ${messageOf(error)}`, {
        cause: error,
        component: '--port',
        hint: 'Give a free port and an address of this machine; port 0 takes a free one.',
      });
    }
    const { port: given } = this.app.server.address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${given}`;
  }

  async close(): Promise<void> {
    const late = setTimeout(() => this.app.server.closeAllConnections(), ENDPOINT_DRAIN_MS);
    await this.app.close();
    clearTimeout(late);
    await this.gateway.close();
    this.keys.close();
  }

  private build(): void {
    const { app } = this;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error, request, reply) => {
      const failure = failureOf(error);
      if (failure.status >= 500) this.options.onEvent({ type: 'failed', error });
      return this.refuse(request, reply, failure);
    });
    app.setNotFoundHandler((request, reply) =>
      this.refuse(request, reply, {
        status: 404,
        code: 'not_found',
        message: `There is nothing at ${request.method} ${request.url.slice(0, 80)}`,
      }),
    );
    app.addHook('onRequest', (request, _reply, done) => {
      this.told.set(request, { caller: '', model: '', code: '', tokens: 0, recorded: false });
      done();
    });
    app.addHook('onResponse', (request, reply, done) => {
      this.tell(request, reply.raw.statusCode, reply.elapsedTime);
      done();
    });
    for (const [path, page] of Object.entries(this.options.pages ?? {})) {
      app.get(path, async (_request, reply) => {
        const { status, type, body } = await page();
        return reply.code(status).header('content-type', type).header('cache-control', 'no-store').send(body);
      });
    }
    app.register(
      (guarded, _options, done) => {
        this.guarded(guarded);
        done();
      },
      { prefix: '/v1' },
    );
  }

  /** What needs a token; it is looked at before a body is read. */
  private guarded(app: FastifyInstance): void {
    app.addHook('onRequest', (request, _reply, done) => {
      const caller = this.callers.find(request.headers.authorization);
      if (caller !== undefined) this.toldOf(request).caller = caller.name;
      done(caller === undefined ? new RequestError(NO_TOKEN) : undefined);
    });
    app.post('/chat/completions', (request, reply) => this.answer(request, reply, 'chat/completions'));
    app.post('/embeddings', (request, reply) => this.answer(request, reply, 'embeddings'));
    app.post('/simulations', (request, reply) => this.answer(request, reply, 'simulations'));
    app.get('/models', async (request) => ({
      object: 'list',
      data: this.modelsOf(request).map((id) => ({ id, object: 'model', created: 0, owned_by: 'mizu' })),
    }));
    app.get('/key', async () => ({ algorithm: 'ed25519', publicKey: toHex(this.options.signer.publicKey) }));
    app.get('/attestations/:id', (request, reply) => this.attestation(request, reply));
  }

  private toldOf(request: FastifyRequest): Told {
    const told = this.told.get(request);
    if (told === undefined) throw new MizuError('INTERNAL', 'a request that no hook saw');
    return told;
  }

  private modelsOf(request: FastifyRequest): string[] {
    const { config } = this.options;
    const allowed = config.callers[this.toldOf(request).caller]?.models;
    return Object.keys(config.models).filter((name) => allowed?.includes(name) ?? true);
  }

  private async answer(request: FastifyRequest, reply: FastifyReply, api: InferenceApi): Promise<void> {
    const told = this.toldOf(request);
    const asked = readHttpQuestion({
      api,
      caller: told.caller,
      models: this.modelsOf(request),
      idempotencyKey: request.headers['idempotency-key'],
      body: request.body,
    });
    told.model = asked.question.model;
    const config = this.options.config.callers[told.caller];
    if (config === undefined) throw new RequestError(NO_TOKEN);
    const admission = this.callers.admit({ name: told.caller, config });
    if ('code' in admission) {
      const { code, message, retryAfterSeconds } = admission;
      throw new RequestError({ status: 429, code, message, headers: { 'retry-after': String(retryAfterSeconds) } });
    }
    try {
      await this.answerAdmitted(asked, reply, told);
    } finally {
      admission.end();
    }
  }

  private async answerAdmitted(asked: HttpQuestion, reply: FastifyReply, told: Told): Promise<void> {
    const { network } = this;
    const held = await this.keys.take(asked, network);
    const stream = asked.streams ? new EndpointStream(reply, toHex(held.key), asked.question.model) : undefined;
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    try {
      const answer = await this.gateway.answerFor(asked.question, gone.signal, stream);
      told.recorded = answer.before;
      told.tokens = answer.before ? 0 : (answer.attestation.usage?.totalTokens ?? 0);
      if (stream?.begun === true) stream.finish(answer.attestation);
      else await this.send(reply, answer, asked.streams, told);
    } catch (error) {
      if (stream?.begun !== true) throw error;
      told.code = failureOf(error).code;
      stream.breakOff();
    } finally {
      held.release(this.gateway.settled(held.key));
    }
  }

  private get network(): string {
    return `${this.options.log.network}/${endpointNames(this.options.config.name).title}`;
  }

  /** The whole answer: a recorded one, one that is no stream, or what the server said against the question. */
  private async send(reply: FastifyReply, { attestation, key, before }: RecordedAnswer, streams: boolean, told: Told): Promise<void> {
    const { outcome, response } = attestation;
    void reply
      .header('mizu-attestation', toHex(key))
      .header('mizu-recorded', String(before))
      .header(SERVED_AS, encodeURIComponent(attestation.model.name));
    if (outcome.kind === 'answer') {
      await reply.header('content-type', streams ? 'text/event-stream' : 'application/json').send(Buffer.from(response));
      return;
    }
    told.code = outcome.code;
    if (attestation.status >= 400) {
      await reply.code(attestation.status).header('content-type', 'application/json').send(Buffer.from(response));
      return;
    }
    const failure = { status: 502, code: outcome.code.toLowerCase(), message: `The model server's answer is unusable: ${outcome.message}` };
    await reply.code(502).header('content-type', 'application/json').send(bodyOf(failure));
  }

  /** The envelope, to the caller whose question it answers. */
  private async attestation(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { id } = request.params as { readonly id: string };
    const envelope = /^[0-9a-f]{64}$/.test(id) ? await this.gateway.envelope(Buffer.from(id, 'hex')) : undefined;
    const own =
      envelope !== undefined && callerOf(openAttestation(envelope, [this.options.signer.publicKey]).step) === this.toldOf(request).caller;
    if (!own)
      throw new RequestError({
        status: 404,
        code: 'not_found',
        message: `No attestation '${id.slice(0, 80)}' is recorded for this caller`,
      });
    await reply.header('content-type', 'application/json').send(Buffer.from(envelope));
  }

  private refuse(request: FastifyRequest, reply: FastifyReply, failure: HttpFailure): FastifyReply {
    const told = this.told.get(request);
    if (told !== undefined) told.code = failure.code;
    const headers = { 'content-type': 'application/json', ...failure.headers };
    return reply.code(failure.status).headers(headers).send(bodyOf(failure));
  }

  private tell(request: FastifyRequest, status: number, elapsedMs: number): void {
    const told = this.told.get(request);
    if (told === undefined || !request.url.startsWith('/v1/')) return;
    this.options.onEvent({ type: 'request', ...told, status, seconds: elapsedMs / 1_000 });
  }
}

const NO_TOKEN: HttpFailure = {
  status: 401,
  code: 'invalid_api_key',
  message: 'Give the token of a caller: Authorization: Bearer TOKEN',
  headers: { 'www-authenticate': 'Bearer' },
};
