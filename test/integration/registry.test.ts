/** Schemas of published topics in a real registry: registered once, changed only as their readers can bear, and every refusal says why. */
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SchemaRegistry as Consumer } from '@kafkajs/confluent-schema-registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRegistry } from '#connectors/registry';
import { ByteWriter, confluentFrame, type Json, MizuError, recordCodec, type Schema, toAvroSchema, valueSubject } from '#engine';
import { describeRegistry } from '../support/registry-server.ts';
import { scratchFolder } from '../support/scratch.ts';

const SCHEMA: Schema = [
  { name: 'text', type: 'string' },
  { name: 'length', type: 'long' },
  { name: 'tags', type: { array: 'string' } },
  { name: 'author', type: { optional: { record: [{ name: 'name', type: 'string' }] } } },
];

function avro(schema: Schema = SCHEMA): Json {
  return toAvroSchema(schema, 'Complaint');
}

function without(name: string): Schema {
  return SCHEMA.filter((field) => field.name !== name);
}

/** What a rejected promise was rejected with. */
async function refusal(work: Promise<unknown>): Promise<MizuError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MizuError)) throw new Error(`a MizuError was expected, not ${error}`, { cause: error });
  return error;
}

/** A server in front of the registry, or in its place. */
async function serve(listener: RequestListener): Promise<{ url: string; close(): void }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

describeRegistry('schemas in a registry', (registry) => {
  let topics = 0;
  const subject = (): string => valueSubject(`registry-test-${process.pid}-${++topics}`);
  const open = (env: Record<string, string> = {}) => openRegistry({ url: registry().url, env });

  it('gives one schema one id, and finds it by id and by subject', async () => {
    const name = subject();
    expect(await open().latest(name)).toBeUndefined();
    const id = await open().register(name, avro());
    expect(await open().register(name, avro())).toBe(id);
    expect(await open().latest(name)).toEqual({ id, version: 1, type: 'AVRO', schema: JSON.stringify(avro()) });
    expect(await open().schemaOf(id)).toEqual(avro());
  });

  it('registers nothing and sets no level while it only checks, and sets one with the first schema', async () => {
    const name = subject();
    const config = async (): Promise<string> => (await fetch(`${registry().url}/config/${name}`)).text();
    const before = await config();
    await open().check(name, avro());
    expect([await open().latest(name), await config()]).toEqual([undefined, before]);
    await open().register(name, avro());
    expect(JSON.parse(await config())).toMatchObject({ compatibilityLevel: 'BACKWARD' });
  });

  it("lets any Confluent consumer read a published record by its head's id", async () => {
    const id = await open().register(subject(), avro());
    const writer = new ByteWriter(64);
    recordCodec(SCHEMA).encode(writer, { text: 'No heat', length: 7, tags: ['a', 'b'], author: { name: 'Ada' } });
    const value = Buffer.from(confluentFrame(id, writer.take()));
    const read = await new Consumer({ host: registry().url }).decode(value);
    expect(JSON.parse(JSON.stringify(read))).toEqual({ text: 'No heat', length: 7, tags: ['a', 'b'], author: { name: 'Ada' } });
  });

  it('takes an optional field more and a field less, and gives older records a null', async () => {
    const name = subject();
    const first = await open().register(name, avro());
    const second = await open().register(name, avro([...without('length'), { name: 'tone', type: { optional: 'string' } }]));
    expect(second).not.toBe(first);
    expect((await open().versions(name)).map(({ id, version }) => [id, version])).toEqual([
      [first, 1],
      [second, 2],
    ]);
    expect(await open().versions(subject())).toEqual([]);
  });

  it('explains a refused change field by field, and registers nothing of it', async () => {
    const name = subject();
    await open().register(name, avro());
    const changed = avro([
      { name: 'text', type: 'long' },
      { name: 'length', type: 'long' },
      { name: 'tags', type: { array: 'double' } },
      { name: 'author', type: { optional: { record: [{ name: 'age', type: 'long' }] } } },
      { name: 'score', type: 'double' },
    ]);
    const error = await refusal(open().check(name, changed));
    expect([error.code, error.component]).toEqual(['SCHEMA_INCOMPATIBLE', name]);
    expect(error.message).toContain('level BACKWARD, compared with version 1, 4 fields');
    expect(error.problems).toEqual([
      {
        path: 'text',
        message: "field text was string and is now long: older records hold string, which can't be read as long",
        hint: 'keep text as string, and put the new value into an optional field of another name',
        value: 'long',
        expected: 'string',
      },
      expect.objectContaining({ path: 'tags[]', expected: 'string', value: 'double' }),
      expect.objectContaining({ path: 'author.age', value: 'long', hint: 'make it optional, which gives it the default null' }),
      expect.objectContaining({ path: 'score', message: "field score is new (double) and has no default, so older records can't be read" }),
    ]);
    expect((await refusal(open().register(name, changed))).problems).toEqual(error.problems);
    expect((await open().latest(name))?.version).toBe(1);
  });

  it('keeps a level that somebody chose, and refuses what that one forbids', async () => {
    const name = subject();
    await open({ MIZU_REGISTRY_COMPATIBILITY: 'full' }).register(name, avro());
    const error = await refusal(open().check(name, avro(without('length'))));
    expect(error.message).toContain('level FULL');
    expect(error.problems).toEqual([expect.objectContaining({ path: 'length', expected: 'long', hint: 'keep it (long)' })]);
    const other = await refusal(open({ MIZU_REGISTRY_COMPATIBILITY: 'BACKWARD' }).check(name, avro()));
    expect([other.code, other.hint]).toEqual(['REGISTRY_REFUSED', expect.stringContaining('Unset MIZU_REGISTRY_COMPATIBILITY')]);
  });

  it('compares with older versions under a transitive level, and says which', async () => {
    const name = subject();
    const strict = open({ MIZU_REGISTRY_COMPATIBILITY: 'BACKWARD_TRANSITIVE' });
    await strict.register(name, avro());
    await strict.register(name, avro(without('length')));
    const error = await refusal(strict.check(name, avro([...without('length'), { name: 'length', type: { optional: 'string' } }])));
    expect(error.message).toContain('compared with version 1');
    expect(error.problems).toEqual([expect.objectContaining({ path: 'length', expected: 'long', value: 'string or null' })]);
  });

  it('takes any change where the level is NONE by choice', async () => {
    const name = subject();
    const loose = open({ MIZU_REGISTRY_COMPATIBILITY: 'NONE' });
    const first = await loose.register(name, avro());
    expect(await loose.register(name, avro([{ name: 'text', type: 'long' }]))).not.toBe(first);
  });

  it('says that an id is not there', async () => {
    const error = await refusal(open().schemaOf(2 ** 31 - 1));
    expect([error.code, error.hint]).toEqual(['NOT_FOUND', expect.stringContaining('MIZU_REGISTRY_URL')]);
  });

  it('says that an address is no registry', async () => {
    const error = await refusal(openRegistry({ url: new URL('/nowhere', registry().url).href, env: {} }).check(subject(), avro()));
    expect([error.code, error.hint]).toEqual(['REGISTRY_REFUSED', expect.stringContaining('/apis/ccompat/v7')]);
  });

  describe('behind a door that wants to know who asks', () => {
    let door: { url: string; close(): void };
    let wanted = '';
    const scratch = scratchFolder();
    /** `breaking`: every registration is broken off. `late`: the door says that any change is compatible, as it was a moment before another deploy. */
    let mood: 'plain' | 'breaking' | 'late' = 'plain';

    beforeAll(async () => {
      door = await serve(async (request, response) => {
        const [text, { authorization }] = [await bodyOf(request), request.headers];
        if (authorization !== wanted) return response.writeHead(401).end('{"error_code":401,"message":"Unauthorized"}');
        if (mood === 'late' && request.url?.includes('/compatibility/')) return response.end('{"is_compatible":true}');
        if (mood === 'breaking' && request.method === 'POST' && request.url?.endsWith('/versions')) return request.socket.destroy();
        const address = `${registry().url}${request.url?.replace(/^\/door/, '')}`;
        const type = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
        const answer = await fetch(address, { method: request.method ?? 'GET', headers: type, ...(text === '' ? {} : { body: text }) });
        response.writeHead(answer.status, type).end(await answer.text());
      });
    });
    afterAll(() => door.close());

    const through = (env: Record<string, string>) => openRegistry({ env: { ...env, MIZU_REGISTRY_URL: `${door.url}/door/` } });

    it('lets in a user with password, and a token', async () => {
      wanted = `Basic ${Buffer.from('ada:s3cret').toString('base64')}`;
      expect(await through({ MIZU_REGISTRY_USER: 'ada', MIZU_REGISTRY_PASSWORD: 's3cret' }).register(subject(), avro())).toBeGreaterThan(0);
      wanted = 'Bearer t0ken';
      const file = join(scratch, 'token');
      writeFileSync(file, 't0ken\n');
      expect(await through({ MIZU_REGISTRY_TOKEN_FILE: file }).register(subject(), avro())).toBeGreaterThan(0);
    });

    it('tells a refused account, without its secret', async () => {
      wanted = 'Bearer t0ken';
      const error = await refusal(through({ MIZU_REGISTRY_TOKEN: 'oth3r' }).check(subject(), avro()));
      expect([error.code, error.retry]).toEqual(['REGISTRY_REFUSED', 'never']);
      expect(error.hint).toContain('MIZU_REGISTRY_TOKEN');
      expect(`${error.message}${error.hint}`).not.toContain('oth3r');
    });

    it('tells a connection that broke during the registration from a refusal', async () => {
      wanted = 'Bearer t0ken';
      mood = 'breaking';
      const error = await refusal(through({ MIZU_REGISTRY_TOKEN: 't0ken' }).register(subject(), avro()));
      expect([error.code, error.retry]).toEqual(['REGISTRY_UNAVAILABLE', 'backoff']);
    });

    it('explains a refusal that comes only with the registration', async () => {
      [wanted, mood] = ['Bearer t0ken', 'plain'];
      const [name, late] = [subject(), through({ MIZU_REGISTRY_TOKEN: 't0ken' })];
      await late.register(name, avro());
      mood = 'late';
      const error = await refusal(late.register(name, avro([...SCHEMA, { name: 'score', type: 'double' }])));
      expect([error.code, error.problems.map(({ path }) => path)]).toEqual(['SCHEMA_INCOMPATIBLE', ['score']]);
    });
  });
});

describe('a registry that is down', () => {
  it('is told from one that refuses, for every question', async () => {
    const gone = await serve(() => undefined);
    gone.close();
    const registry = openRegistry({ url: gone.url, env: {} });
    for (const work of [
      registry.check('a-value', avro()),
      registry.register('a-value', avro()),
      registry.schemaOf(1),
      registry.latest('a-value'),
    ]) {
      const error = await refusal(work);
      expect([error.code, error.retry]).toEqual(['REGISTRY_UNAVAILABLE', 'backoff']);
      expect(error.message).toContain('ECONNREFUSED');
    }
  });

  it('may also be one that answers with an error of its own', async () => {
    const broken = await serve((_request, response) => response.writeHead(503).end('starting'));
    const error = await refusal(openRegistry({ url: broken.url, env: {} }).latest('a-value'));
    broken.close();
    expect([error.code, error.message]).toEqual(['REGISTRY_UNAVAILABLE', expect.stringContaining('HTTP 503: starting')]);
  });
});

/** A registry with one Avro subject that holds one schema, and the rules of Confluent's, or of one that says NONE where nobody said anything. */
async function serveOne(level: string | undefined, unset: 'none' | 'missing') {
  const written: string[] = [];
  const server = await serve(async (request, response) => {
    const url = request.url ?? '';
    if (request.method === 'PUT' || url.endsWith('/versions')) written.push(`${request.method} ${url} ${await bodyOf(request)}`);
    const missing = (code: number): unknown => response.writeHead(404).end(JSON.stringify({ error_code: code, message: 'not there' }));
    if (url.startsWith('/config/')) {
      const own = url === '/config/one' ? level : undefined;
      if (own === undefined && unset === 'missing') return missing(40408);
      return response.end(JSON.stringify({ compatibilityLevel: own ?? 'NONE' }));
    }
    // By the level of all subjects, NONE, anything may follow.
    if (url.startsWith('/compatibility/')) return response.end('{"is_compatible":true}');
    if (url.endsWith('/versions/latest')) return response.end(JSON.stringify({ id: 1, version: 1, schema: JSON.stringify(avro()) }));
    return missing(40401);
  });
  return { ...server, written };
}

describe('a level of a subject', () => {
  const BROKEN = avro([{ name: 'text', type: 'long' }]);

  it.each<[string, string | undefined, 'none' | 'missing', string | undefined]>([
    ['that is a chosen NONE is kept, where the registry tells it from none', 'NONE', 'missing', undefined],
    ['that nobody chose counts as BACKWARD, whatever holds for all subjects', undefined, 'missing', 'level BACKWARD'],
    ['counts as BACKWARD if NONE is what the registry says of any subject', 'NONE', 'none', 'level BACKWARD'],
    ['that is a chosen FORWARD is kept', 'FORWARD', 'none', undefined],
  ])('%s', async (_what, level, unset, refused) => {
    const server = await serveOne(level, unset);
    const registry = openRegistry({ url: server.url, env: {} });
    const schema = level === 'FORWARD' ? avro([...SCHEMA, { name: 'score', type: 'double' }]) : BROKEN;
    const error = refused === undefined ? await registry.check('one', schema) : await refusal(registry.check('one', schema));
    if (refused !== undefined) expect(error).toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', message: expect.stringContaining(refused) });
    expect(server.written).toEqual([]);
    server.close();
  });
});

describe('settings of a registry', () => {
  it.each([
    ['no address', {}, 'MIZU_REGISTRY_URL'],
    ['an address that is none', { MIZU_REGISTRY_URL: 'localhost:8081' }, 'http://HOST:PORT'],
    ['a password in the address', { MIZU_REGISTRY_URL: 'http://ada:s3cret@host' }, 'MIZU_REGISTRY_PASSWORD'],
    ['a user without a password', { MIZU_REGISTRY_URL: 'http://host', MIZU_REGISTRY_USER: 'ada' }, 'MIZU_REGISTRY_PASSWORD'],
    ['a secret in two places', { MIZU_REGISTRY_URL: 'http://host', MIZU_REGISTRY_TOKEN: 't', MIZU_REGISTRY_TOKEN_FILE: 'f' }, 'TOKEN_FILE'],
    ['a token and a user', { MIZU_REGISTRY_URL: 'http://host', MIZU_REGISTRY_USER: 'a', MIZU_REGISTRY_TOKEN: 't' }, 'MIZU_REGISTRY_TOKEN'],
    ['a level that is none', { MIZU_REGISTRY_URL: 'http://host', MIZU_REGISTRY_COMPATIBILITY: 'BACK' }, 'FULL_TRANSITIVE'],
  ])('are refused for %s, before anything is asked', (_what, env, tells) => {
    const opened = (): unknown => openRegistry({ env });
    expect(opened).toThrow(MizuError);
    try {
      opened();
    } catch (error) {
      const { code, message, hint } = error as MizuError;
      expect(code).toBe('USAGE');
      expect(`${message} ${hint}`).toContain(tells);
      expect(`${message} ${hint}`).not.toContain('s3cret');
    }
  });
});
