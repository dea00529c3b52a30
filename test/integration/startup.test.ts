/**
 * What a short command loads: time is measured by `npm run bench -- startup`, and what takes the time is counted here. A module of the runtime, or a client
 * of something outside, must not come in by the back door for a command that needs neither.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const execute = promisify(execFile);

/** Prints every loaded module to standard error when the process ends. */
const LISTING = `import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
process.on('exit', () => process.stderr.write(JSON.stringify(loaded)));
`;
const folder = scratchFolder({ 'listing.mjs': LISTING });

/** Paths from the root of the repository, names of packages, and \`node:…\`. */
async function loadedBy(...args: readonly string[]): Promise<string[]> {
  const { stderr } = await execute(process.execPath, ['--import', join(folder, 'listing.mjs'), 'cli/main.ts', ...args, '--quiet'], {
    cwd: ROOT,
    maxBuffer: 16 << 20,
  });
  const urls: string[] = JSON.parse(stderr);
  return urls.map((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url.replace(/^file:\/\//, '').replace(`${ROOT}/`, ''));
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

describe('--help', () => {
  it('loads the descriptions of the commands and nothing that they do', async () => {
    const loaded = await loadedBy('--help');
    expect(loaded).toContain('cli/program.ts');
    expect(loaded.filter((name) => !name.startsWith('cli/') && !name.startsWith('node:') && name !== 'commander')).toEqual([]);
  });
});
