/**
 * What a short command loads: time is measured by `npm run bench -- startup`, and what takes the time is counted here. A module of the runtime, or a client
 * of something outside, must not come in by the back door for a command that needs neither.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const execute = promisify(execFile);

/** Prints every loaded module to standard error when the process ends, and a line for each of its threads before. */
const LISTING = `import { writeSync } from 'node:fs';
import { getCompileCacheDir, registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
process.on('exit', () => writeSync(2, JSON.stringify(isMainThread ? loaded : { loaded, cache: getCompileCacheDir() }) + '\\n'));
`;
const folder = scratchFolder({ 'listing.mjs': LISTING });

interface LoadedByThread {
  readonly loaded: readonly string[];
  /** Where it keeps what it compiled. */
  readonly cache?: string;
}

/** Paths from the root of the repository, names of packages, and \`node:…\`; of the process, and of each of its threads. */
async function loadedInAll(...args: readonly string[]): Promise<{ loaded: string[]; threads: LoadedByThread[] }> {
  const { NODE_COMPILE_CACHE: _cache, ...env } = process.env;
  const listing = pathToFileURL(join(folder, 'listing.mjs')).href;
  const { stderr } = await execute(process.execPath, ['--import', listing, 'cli/main.ts', ...args, '--quiet'], {
    cwd: ROOT,
    env,
    maxBuffer: 16 << 20,
  });
  const lines = stderr.trimEnd().split('\n');
  const threads: LoadedByThread[] = lines.slice(0, -1).map((line) => JSON.parse(line));
  return {
    loaded: nameAll(JSON.parse(lines.at(-1) ?? '')),
    threads: threads.map((thread) => ({ ...thread, loaded: nameAll(thread.loaded) })),
  };
}

function nameAll(urls: readonly string[]): string[] {
  return urls.map((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url.replace(/^file:\/\//, '').replace(`${ROOT}/`, ''));
}

async function loadedBy(...args: readonly string[]): Promise<string[]> {
  return (await loadedInAll(...args)).loaded;
}

/** Packages and rooms that no workflow without files, models, topics and simulators needs. */
const HEAVY = [
  /^(rxjs|undici|kafkajs|@kafkajs|bloom-filters|lodash|ajv|hyparquet|fastify|pino|prom-client|protobufjs|@dimforge|avsc|node:sqlite)/,
  /^engine\/(runtime|dispatch|verify)\//,
  /^connectors\/(kafka|embedded|inference|registry|files|metrics)\//,
];

describe('a command about a workflow file', () => {
  it.each([
    ['check', 'topologies/starter/workflow.yaml'],
    ['compile', 'topologies/starter/workflow.yaml'],
    ['operators', 'length'],
  ])('%s loads no runtime, and nothing of what its file does not use', async (...args) => {
    const loaded = await loadedBy(...args);
    expect(loaded).toContain('engine/kernel.ts');
    expect([...new Set(loaded.filter((name) => HEAVY.some((pattern) => pattern.test(name))))]).toEqual([]);
    // 410 at the time of writing; each costs more than half a millisecond.
    expect(loaded.length).toBeLessThan(500);
  });

  it('loads the physics for a workflow that simulates, and still no runtime', async () => {
    const loaded = await loadedBy('check', 'topologies/falling-stacks/workflow.yaml');
    expect(loaded).toContain('@dimforge/rapier3d-deterministic-compat');
    expect(loaded.filter((name) => name.startsWith('engine/runtime/'))).toEqual([]);
  });
});

/** Clients of what is outside, and what only some runs come to. */
const CLIENTS =
  /^(undici|kafkajs|@kafkajs|mappersmith|bloom-filters|lodash|ajv|hyparquet|fastify|pino|prom-client|protobufjs|@dimforge|avsc|connectors\/kafka\/(log|source)\.ts|connectors\/inference\/(gateway|endpoint)\.ts)/;
const OTHERS_THAN_TASKS =
  /^(rxjs|engine\/(dispatch|verify)\/|engine\/runtime\/(?!serve-worker|worker-protocol|packed-bytes|global-storage))/;

describe('a run on a folder', () => {
  it('loads no client of anything outside; its threads load what executes tasks and no role, and find it compiled as it does', async () => {
    const run = ['run', 'topologies/starter/workflow.yaml', '--log', join(folder, 'log'), '--workers', '2'];
    const { loaded, threads } = await loadedInAll(...run);
    expect(loaded).toContain('engine/runtime/run.ts');
    expect([...new Set(loaded.filter((name) => CLIENTS.test(name)))]).toEqual([]);
    // 900 at the time of writing.
    expect(loaded.length).toBeLessThan(1_000);
    expect(threads).toHaveLength(2);
    for (const { loaded: ofThread, cache } of threads) {
      expect(ofThread).toContain('engine/runtime/serve-worker.ts');
      expect(ofThread.filter((name) => OTHERS_THAN_TASKS.test(name))).toEqual([]);
      expect(cache).toContain('node-compile-cache');
    }
  });
});

describe('--help', () => {
  it('loads the descriptions of the commands and nothing that they do', async () => {
    const loaded = await loadedBy('--help');
    expect(loaded).toContain('cli/program.ts');
    expect(loaded.filter((name) => !name.startsWith('cli/') && !name.startsWith('node:') && name !== 'commander')).toEqual([]);
  });
});
