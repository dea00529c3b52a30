/**
 * What `npm pack` makes, used as strangers do: installed in an empty folder it gives the command and the typed library, with the same bytes on every Node that
 * it promises. Where no registry can be reached the package is unpacked by hand, beside links to the checkout's dependencies, and other versions are skipped.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { messageOf } from '#engine';
import { nodeProblem, OLDEST_NODE } from '../../cli/node-version.ts';
import { nodeFolder, npm } from '../support/parts/node-binaries.ts';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const execute = promisify(execFile);
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const manifest: { engines: { node: string }; dependencies: Record<string, string> } = JSON.parse(textOf('package.json'));

/** The least that is promised, this one, and the newest there was. */
const OTHERS = [OLDEST_NODE, '26.10.0'];
const EXAMPLE = /^```ts program\n([\s\S]*?)^```$/m.exec(textOf('documents/library.md'))?.[1] ?? '';

const folder = scratchFolder({ 'package.json': '{ "private": true, "type": "module" }', 'example.ts': EXAMPLE });
const packed = scratchFolder();
const tarball = join(packed, 'mizu-0.1.0.tgz');

/** Runs a program of the installed package, or node itself, with the given Node first on the path. */
async function runWith(node: string, command: string, args: readonly string[], cwd = folder): Promise<string> {
  const { MIZU_LOG: _log, FORCE_COLOR: _colour, ...env } = process.env;
  const PATH = [node, join(folder, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
  const { stdout, stderr } = await execute(command, [...args], { cwd, env: { ...env, PATH }, maxBuffer: 64 << 20 });
  expect(stderr, `${command} ${args.join(' ')}`).not.toMatch(/warning/i);
  return stdout;
}

async function install(): Promise<void> {
  try {
    await npm(['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball], folder);
  } catch (error) {
    process.stderr.write(`package: not installed by npm, but unpacked beside links: ${messageOf(error).split('\n').at(-1)}\n`);
    const modules = join(folder, 'node_modules');
    mkdirSync(join(modules, 'mizu'), { recursive: true });
    mkdirSync(join(modules, '.bin'), { recursive: true });
    await execute('tar', ['-xzf', tarball, '-C', join(modules, 'mizu'), '--strip-components', '1']);
    for (const name of Object.keys(manifest.dependencies)) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      if (!existsSync(join(modules, name))) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    symlinkSync('../mizu/dist/cli/main.js', join(modules, '.bin/mizu'));
    chmodSync(join(modules, 'mizu/dist/cli/main.js'), 0o755);
  }
}

beforeAll(async () => {
  await npm(['pack', '--pack-destination', packed], ROOT);
  await install();
}, 300_000);

/** From a first workflow to a record that was checked offline; what is equal everywhere. */
async function tour(node: string, name: string): Promise<object> {
  const own = join(folder, name);
  mkdirSync(own);
  const mizu = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const lines = (await runWith(node, 'mizu', [...args, '--json', '--quiet'], own)).trimEnd().split('\n');
    return JSON.parse(lines.at(-1) ?? '');
  };
  await mizu('init', 'first');
  const { program } = await mizu('check', 'first/workflow.yaml');
  const { root, accepted, verifierKey } = await mizu('run', 'first/workflow.yaml', '--workers', '2');
  const verified = await mizu('verify', 'first', '--verifier-key', String(verifierKey));
  const replayed = await mizu('replay', 'first', '--workers', '1');
  const [id] = readRecords(await runWith(node, 'mizu', ['rejected', 'first', '--json'], own)).map((drop) => drop['id']);
  const { file } = await mizu('prove', String(id));
  const proved = await mizu('verify', String(file), '--verifier-key', String(verifierKey));
  await mizu('export', 'first', '--format', 'jsonl,csv,parquet', '--out', 'data');
  const digests = ['jsonl', 'csv', 'parquet'].map((ending) =>
    createHash('sha256')
      .update(readFileSync(join(own, `data/first.${ending}`)))
      .digest('hex'),
  );
  const healthy = await mizu('doctor', '--log', '.mizu');
  return {
    healthy: healthy['mayBeNode'],
    vectors: healthy['vectors'],
    program,
    root,
    accepted,
    verified: verified['ok'],
    replayed: replayed['ok'],
    proved: proved['ok'],
    id,
    digests,
  };
}

function readRecords(lines: string): Record<string, unknown>[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** The program of documents/library.md, as TypeScript compiles it for a stranger. */
async function compileExample(module: string, resolution: string): Promise<string> {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const options = ['--target', 'es2024', '--module', module, '--moduleResolution', resolution, '--strict', '--skipLibCheck', 'false'];
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types'), '--outDir', `compiled-${resolution}`];
  const { stdout } = await execute(process.execPath, [compiler, ...options, ...types, '--ignoreConfig', 'example.ts'], { cwd: folder });
  return stdout;
}

const here = dirname(process.execPath);

describe('the package', () => {
  it('holds compiled code, types, workflows, documents and the schema, and neither tests nor sources', async () => {
    const { stdout } = await execute('tar', ['-tzf', tarball]);
    const files = stdout
      .trimEnd()
      .split('\n')
      .map((name) => name.replace('package/', ''));
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'documents/library.md', 'dist/workflow.schema.json']),
    );
    expect(files).toEqual(
      expect.arrayContaining(['dist/package/index.js', 'dist/package/index.d.ts', 'dist/topologies/starter/lists/topics.txt']),
    );
    expect(files.filter((name) => /^(test|dist\/test)\/|(?<!\.d)\.ts$/.test(name))).toEqual([]);
    const schema = await runWith(here, 'mizu', ['operators', '--schema']);
    expect(readFileSync(join(folder, 'node_modules/mizu/dist/workflow.schema.json'), 'utf8')).toBe(schema);
    const code = files
      .filter((name) => /\.(js|d\.ts)$/.test(name))
      .map((name) => readFileSync(join(folder, 'node_modules/mizu', name), 'utf8'));
    expect(code.length).toBeGreaterThan(500);
    expect(code.filter((text) => /(from |import\()['"](#|\.[^'"]*\.ts['"])/.test(text))).toEqual([]);
  });

  it('is clean for publint', async () => {
    const { stdout } = await execute(process.execPath, [join(ROOT, 'node_modules/.bin/publint'), 'run', '--strict', tarball]);
    expect(stdout).toContain('All good');
  });

  it.each([
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('has types that a strict program compiles with, those of its dependencies checked too (%s, %s)', async (module, resolution) => {
    expect(EXAMPLE.length).toBeGreaterThan(500);
    expect(await compileExample(module, resolution)).toBe('');
  });

  it('brings the demo, with the root that the README shows', async () => {
    const root = /root ([0-9a-f]{64})/.exec(textOf('README.md'))?.[1] ?? 'no root';
    expect(await runWith(here, 'mizu', ['demo', 'demo', '--quiet'])).toContain(root);
  });
});

describe('the oldest Node', () => {
  it('is the one of `engines`', () => {
    expect(`>=${OLDEST_NODE}`).toBe(`${manifest.engines.node}.0`);
  });

  it.each([
    ['20.19.0', true],
    ['22.15.1', true],
    ['22.16.0', false],
    ['22.16.1', false],
    ['24.0.0', false],
    ['26.10.0', false],
  ])('%s is refused with what to do: %s', (version, refused) => {
    if (refused) expect(nodeProblem(version)).toMatch(new RegExp(`needs Node ${OLDEST_NODE}.*this is Node ${version}.*Install`, 's'));
    else expect(nodeProblem(version)).toBeUndefined();
  });
});

/** Calls `make` when it is first asked for. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** What this Node makes, by the command and by the library. */
const ownTour = once(() => tour(here, 'this-node'));
const ownPrinted = once(() => runExample(here, 'this-library'));

async function runExample(node: string, name: string): Promise<string> {
  const own = join(folder, name);
  mkdirSync(own);
  return runWith(node, 'node', ['--disable-warning=ExperimentalWarning', join(folder, 'compiled-nodenext/example.js')], own);
}

describe('the installed command and library', () => {
  it('run, check and hand on what they made', async () => {
    expect(await ownTour()).toMatchObject({ healthy: true, accepted: 40, verified: true, replayed: true, proved: true });
    expect(await ownPrinted()).toMatch(/^20 of \d+ candidates, root [0-9a-f]{64}\nverified true, replayed true\n/);
  });

  describe.each(OTHERS)('on Node %s', async (version) => {
    const found = await nodeFolder(version).catch((error: unknown) => messageOf(error).split('\n').at(-1) ?? '');
    const missing = existsSync(join(found, 'node')) ? undefined : `node@${version} can't be fetched: ${found}`;
    if (missing !== undefined) process.stderr.write(`SKIPPED ${missing}\n`);

    it('make the same program, root, proofs, files and records', async (ctx) => {
      if (missing !== undefined) return ctx.skip(missing);
      expect(await runWith(found, 'node', ['--version'])).toBe(`v${version}\n`);
      expect(await tour(found, `node-${version}`)).toEqual(await ownTour());
      expect(await runExample(found, `library-${version}`)).toBe(await ownPrinted());
    });
  });
});
