/**
 * Where a model answers: its address as the deployment says, and its key from the environment. The key stays in this object; it
 * is in no error, log or attestation (law 7).
 */
import { type InferenceApi, type ModelAddress, MizuError } from '#engine';

export interface ModelServer {
  /** Author's name. */
  readonly name: string;
  /** The server's own name of the model. */
  readonly asked: string;
  /** Base address. */
  readonly base: URL;
  /** The base without query, as errors show it. */
  readonly shown: string;
  readonly key: string | undefined;
  /** Most calls at once; the gateway's own ceiling where the deployment says nothing. */
  readonly calls: number | undefined;
  /** One whole call, milliseconds; the gateway's own limit where the deployment says nothing. */
  readonly timeoutMs: number | undefined;
}

/** Where an API of the server is called. */
export function endpointOf(server: ModelServer, api: InferenceApi): URL {
  const endpoint = new URL(server.base);
  endpoint.pathname = `${endpoint.pathname.replace(/\/+$/, '')}/${api}`;
  return endpoint;
}

/** What a key may be made of: visible ASCII, as an HTTP header carries it unchanged. */
const KEY_PATTERN = /^[!-~]+$/;
/** Shorter keys are no secrets, and would be found by chance in answers. */
const KEY_MIN_CHARACTERS = 8;

/** @throws USAGE for every key that is missing or none, all at once, naming variables only. */
export function resolveModels(
  models: Readonly<Record<string, ModelAddress>>,
  env: (name: string) => string | undefined,
): ReadonlyMap<string, ModelServer> {
  const problems: string[] = [];
  const servers = new Map<string, ModelServer>();
  for (const [name, address] of Object.entries(models)) {
    const key = address.keyEnv === undefined ? undefined : env(address.keyEnv);
    const problem = address.keyEnv === undefined ? undefined : keyProblem(address.keyEnv, key);
    if (problem !== undefined) problems.push(`model '${name}': ${problem}`);
    const base = baseOf(name, address.url);
    const { calls, timeoutMs } = address;
    servers.set(name, { name, asked: address.model ?? name, base, shown: `${base.origin}${base.pathname}`, key, calls, timeoutMs });
  }
  if (problems.length === 0) return servers;
  throw new MizuError('USAGE', `A key is missing: ${problems.join('; ')}`, {
    component: 'models',
    hint: 'Set the variable in the environment of this command. Keys are read from there only and never written anywhere.',
    problems: problems.map((message) => ({ path: 'models', message })),
  });
}

function keyProblem(variable: string, key: string | undefined): string | undefined {
  if (key === undefined || key === '') return `the environment variable ${variable} is not set`;
  if (!KEY_PATTERN.test(key)) return `the environment variable ${variable} holds characters that no key has, such as a space or a line end`;
  return key.length < KEY_MIN_CHARACTERS
    ? `the environment variable ${variable} holds fewer than ${KEY_MIN_CHARACTERS} characters`
    : undefined;
}

function baseOf(name: string, url: string): URL {
  let base: URL;
  try {
    base = new URL(url);
  } catch (error) {
    throw new MizuError('USAGE', `models.${name}.url is no address: '${url.slice(0, 80)}'`, {
      cause: error,
      hint: 'Expected the base address of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1',
    });
  }
  base.hash = '';
  return base;
}
