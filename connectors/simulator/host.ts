/**
 * Simulators behind HTTP (documents/simulators.md): one request, one run. A host keeps nothing between requests, so the same request has the same answer, and gateways
 * sign and record it. What makes no sense to the simulator is an answer, too: a fault.
 */
import type { AddressInfo } from 'node:net';
import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import {
  canonicalBytes,
  type DataEngine,
  type EngineInstance,
  type Field,
  type Json,
  messageOf,
  MizuError,
  parseStrictJson,
  RecordFault,
  REQUEST_LIMIT_BYTES,
  type Row,
  sha256,
  utf8,
} from '#kernel';
import { z } from 'zod';

/** Engines with settings that are kept open. */
const OPEN_LIMIT = 64;

const requestSchema = z.strictObject({
  model: z.string().max(256).optional(),
  engine: z.string().min(1).max(128),
  version: z.int().optional(),
  params: z.record(z.string(), z.json()).default({}),
  input: z.record(z.string(), z.json()),
  seed: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
});

export interface SimulatorHostOptions {
  readonly engines: readonly DataEngine[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What callers must show as a bearer token; absent: everybody may ask. */
  readonly token?: string | undefined;
}

export interface SimulatorHost {
  /** `http://HOST:PORT`. */
  readonly address: string;
  close(): Promise<void>;
}

/** @throws USAGE for an address that can't be listened on. */
export async function openSimulatorHost(options: SimulatorHostOptions): Promise<SimulatorHost> {
  const { host, port } = options;
  // Loaded when it is wanted: every worker thread loads this connector.
  const { fastify } = await import('fastify');
  const app = fastify({ bodyLimit: REQUEST_LIMIT_BYTES, forceCloseConnections: true, return503OnClosing: true });
  build(app, options);
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new MizuError('USAGE', `Can't listen on ${host}:${port}: ${messageOf(error)}`, {
      cause: error,
      component: '--port',
      hint: 'Give a free port and an address of this machine; port 0 takes a free one.',
    });
  }
  const { port: given } = app.server.address() as AddressInfo;
  return { address: `http://${host.includes(':') ? `[${host}]` : host}:${given}`, close: async () => void (await app.close()) };
}

interface Refused {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

function build(app: FastifyInstance, { engines, token }: SimulatorHostOptions): void {
  const simulators = new Simulators(engines);
  const wanted = token === undefined ? undefined : sha256(utf8(`Bearer ${token}`));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody({ status: 404, code: 'not_found', message: 'There is POST /v1/simulations and GET /v1/models' })),
  );
  app.addHook('onRequest', async (request, reply) => {
    if (wanted === undefined || request.url === '/healthz') return;
    if (timingSafeEqual(wanted, sha256(utf8(request.headers.authorization ?? '')))) return;
    await reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send(errorBody({ status: 401, code: 'invalid_api_key', message: 'A bearer token is wanted' }));
  });
  app.get('/healthz', async () => ({ alive: true }));
  app.get('/v1/models', async () => ({
    object: 'list',
    data: engines.map(({ name }) => ({ id: name, object: 'model', created: 0, owned_by: 'mizu' })),
  }));
  app.post('/v1/simulations', async (request, reply) => {
    const answer = await simulators.answer(request.body);
    const body = 'status' in answer ? errorBody(answer) : Buffer.from(canonicalBytes(answer));
    return reply
      .code('status' in answer ? answer.status : 200)
      .header('content-type', 'application/json')
      .send(body);
  });
}

function errorBody({ status, code, message }: Refused): string {
  return JSON.stringify({ error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: null, code } });
}

type Answered = {
  readonly engine: string;
  readonly version: number;
  readonly output: { readonly [name: string]: Json };
  readonly gas: number;
};
type Faulted = { readonly engine: string; readonly version: number; readonly fault: { readonly code: string; readonly message: string } };

/** The engines, each opened once for its settings. State: what is open, oldest first. */
class Simulators {
  private readonly engines: readonly DataEngine[];
  private readonly open = new Map<string, Promise<EngineInstance>>();

  constructor(engines: readonly DataEngine[]) {
    this.engines = engines;
  }

  async answer(body: unknown): Promise<Answered | Faulted | Refused> {
    const invalid = (message: string): Refused => ({ status: 400, code: 'bad_request', message });
    let json: Json;
    try {
      json = parseStrictJson(Buffer.isBuffer(body) ? body : Buffer.alloc(0));
    } catch (error) {
      return invalid(`The body is not strict JSON: ${messageOf(error)}`);
    }
    const parsed = requestSchema.safeParse(json);
    if (!parsed.success) return invalid(z.prettifyError(parsed.error));
    const { engine: name, version, params, input, seed } = parsed.data;
    const engine = this.engines.find((known) => known.name === name && (version === undefined || known.version === version));
    if (engine === undefined) {
      const there = this.engines.map((known) => `${known.name} ${known.version}`).join(', ');
      return {
        status: 404,
        code: 'engine_not_found',
        message: `There is no simulator '${name.slice(0, 80)}'${version === undefined ? '' : ` of version ${version}`}; there are: ${there}`,
      };
    }
    const settings = engine.params.safeParse(params);
    if (!settings.success) return invalid(`params: ${z.prettifyError(settings.error)}`);
    const row: Record<string, Row[string]> = {};
    for (const field of engine.input) {
      const value = input[field.name];
      if (!fits(value, field))
        return invalid(`input.${field.name} is ${(JSON.stringify(value) ?? 'missing').slice(0, 80)}, expected ${String(field.type)}`);
      row[field.name] = value;
    }
    const instance = await this.instance(engine, settings.data);
    try {
      const { output, gas } = instance.run(row, Buffer.from(seed, 'hex'));
      return { engine: engine.name, version: engine.version, output: output as { readonly [name: string]: Json }, gas };
    } catch (error) {
      if (!(error instanceof RecordFault)) throw error;
      return { engine: engine.name, version: engine.version, fault: { code: error.code, message: error.message } };
    }
  }

  private instance(engine: DataEngine, settings: unknown): Promise<EngineInstance> {
    const name = `${engine.name} ${JSON.stringify(settings)}`;
    const open = this.open.get(name) ?? engine.open(settings);
    this.open.delete(name);
    this.open.set(name, open);
    const [oldest] = this.open.keys();
    if (this.open.size > OPEN_LIMIT && oldest !== undefined) this.open.delete(oldest);
    return open;
  }
}

function fits(value: Json | undefined, { type }: Field): value is string | number | boolean {
  if (type === 'double') return typeof value === 'number';
  if (type === 'long') return typeof value === 'number' && Number.isInteger(value);
  return typeof type === 'string' && typeof value === type;
}
