/** The HTTP side of an endpoint: who may ask, which request is which question, and how answers and refusals go out. Every request is told of, once it is over. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type InferenceApi, messageOf, MizuError, openAttestation, toHex } from '#engine';
import type { Admission, Callers } from './callers.ts';
import type { EndpointOptions } from './endpoint.ts';
import { bodyOf, failureOf, type HttpFailure, RequestError } from './endpoint-errors.ts';
import { callerOf, type EndpointKeys, type HttpQuestion, readHttpQuestion } from './endpoint-question.ts';
import { EndpointStream } from './endpoint-stream.ts';
import type { InferenceGateway, RecordedAnswer } from './gateway-contract.ts';
import { SERVED_AS } from './http-call.ts';
import { ENDPOINT_CONNECTIONS, ENDPOINT_DRAIN_MS } from './limits.ts';
import { OpenConnections } from './open-connections.ts';

interface Told {
  caller: string;
  model: string;
  code: string;
  recorded: boolean;
}

/** What an endpoint serves with. */
export interface EndpointParts {
  /** Closed with the server, as are the keys. */
  readonly gateway: InferenceGateway;
  readonly keys: EndpointKeys;
  readonly callers: Callers;
  readonly app: FastifyInstance;
  /** What keys of questions are bound to. */
  readonly network: string;
}

export class EndpointServer {
  private readonly options: EndpointOptions;
  private readonly gateway: InferenceGateway;
  private readonly callers: Callers;
  private readonly keys: EndpointKeys;
  private readonly app: FastifyInstance;
  private readonly network: string;
  private readonly connections: OpenConnections;
  private readonly told = new WeakMap<FastifyRequest, Told>();

  constructor(options: EndpointOptions, { gateway, callers, keys, app, network }: EndpointParts) {
    this.options = options;
    this.gateway = gateway;
    this.callers = callers;
    this.keys = keys;
    this.app = app;
    this.network = network;
    this.app.server.maxConnections = ENDPOINT_CONNECTIONS;
    this.connections = new OpenConnections(app.server);
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
    const closed = this.app.close();
    this.connections.end();
    await closed;
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
      this.told.set(request, { caller: '', model: '', code: '', recorded: false });
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
    const held = await this.keys.take(asked, this.network);
    try {
      const admission = await this.admit(told.caller, asked, held.key);
      try {
        await this.answerAdmitted(asked, held.key, reply, told);
      } finally {
        admission?.end();
      }
    } finally {
      held.release(this.gateway.settled(held.key));
    }
  }

  /** Limits are of what is asked of models: a recorded answer is given whatever its caller used. @throws RequestError for a caller that has to wait. */
  private async admit(name: string, { keyName }: HttpQuestion, key: Uint8Array): Promise<Admission | undefined> {
    const config = this.options.config.callers[name];
    if (config === undefined) throw new RequestError(NO_TOKEN);
    const standing = keyName === undefined ? 'new' : await this.gateway.standing(key);
    if (standing === 'recorded') return undefined;
    const admission = this.callers.admit({ name, config }, standing === 'asked');
    if (!('code' in admission)) return admission;
    const { code, message, retryAfterSeconds } = admission;
    throw new RequestError({ status: 429, code, message, headers: { 'retry-after': String(retryAfterSeconds) } });
  }

  private async answerAdmitted({ question, streams }: HttpQuestion, key: Uint8Array, reply: FastifyReply, told: Told): Promise<void> {
    const stream = streams ? new EndpointStream(reply, toHex(key), question.model) : undefined;
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    try {
      const answer = await this.gateway.answerFor(question, gone.signal, stream);
      told.recorded = answer.before;
      if (stream?.begun === true) stream.finish(answer.attestation);
      else await this.send(reply, answer, streams, told);
    } catch (error) {
      if (stream?.begun !== true) throw error;
      told.code = failureOf(error).code;
      stream.breakOff();
    }
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
