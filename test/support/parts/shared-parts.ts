/**
 * The broker and the registry that all suites of one run share. This runs once, in Vitest's own process, and only listens: a part is looked for when the
 * first suite asks for it, started when the first test needs it, and ended with the run. So a run without such suites starts nothing.
 */
import { createServer, type Server } from 'node:http';
import type { TestProject } from 'vitest/node';
import { dockerRuns, startBrokerContainer, startRegistryContainer } from './containers.ts';
import { startBroker } from './jvm-broker.ts';
import { kafkaJars, registryJars } from './jvm-parts.ts';
import { startRegistry } from './jvm-registry.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where suites ask for shared parts. */
    sharedParts: string;
  }
}

interface Started {
  remove(): Promise<void>;
}

/** Says where a part would come from; what it throws is why there is none. */
const FIND: Readonly<Record<string, () => Promise<() => Promise<Started>>>> = {
  kafka: async () => {
    const given = process.env.KAFKA_BROKERS;
    if (given !== undefined && given !== '') return async () => ({ brokers: given, remove: async () => undefined });
    if (await dockerRuns()) return startBrokerContainer;
    await kafkaJars();
    return startBroker;
  },
  registry: async () => {
    const given = process.env.REGISTRY_URL;
    if (given !== undefined && given !== '') return async () => ({ url: given, remove: async () => undefined });
    if (await dockerRuns()) return startRegistryContainer;
    await registryJars();
    return startRegistry;
  },
  /** Suites with a broker of their own start it themselves; here its files are fetched, once for all. */
  'own-kafka': async () => {
    await kafkaJars();
    return async () => ({ remove: async () => undefined });
  },
};

const found = new Map<string, Promise<() => Promise<Started>>>();
const started = new Map<string, Promise<Started>>();

function once<T>(made: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const one = made.get(name) ?? make();
  made.set(name, one);
  return one;
}

/** `/find/PART` or `/start/PART`. */
async function answer(path: string): Promise<object> {
  const [, verb, part = ''] = path.split('/');
  const find = FIND[part];
  if (find === undefined) throw new Error(`there is no part '${part}'`);
  const start = await once(found, part, find);
  return verb === 'start' ? once(started, part, start) : {};
}

/** Called by Vitest before the first test file. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    answer(request.url ?? '').then(
      (value) => response.end(JSON.stringify(value)),
      (error: unknown) => response.end(JSON.stringify({ missing: error instanceof Error ? error.message : String(error) })),
    );
  });
  project.provide('sharedParts', await listen(server));
  return async () => {
    server.closeAllConnections();
    server.close();
    await Promise.all([...started.values()].map((part) => part.then((one) => one.remove()).catch(() => undefined)));
  };
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '');
    });
  });
}
