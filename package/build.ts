/**
 * Makes dist/, what the package holds beside its documents: `npm pack` calls it. Compiled code and types; workflows, lists and texts where the code looks for
 * them; and the editor's JSON Schema.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { MizuError } from '#engine';
import { editorSchema } from './editor-schema.ts';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

interface Manifest {
  readonly imports: Readonly<Record<string, string>>;
}

function compile(): void {
  const tsc = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'package/tsconfig.json')], {
    encoding: 'utf8',
  });
  if (tsc.status !== 0) throw new MizuError('INTERNAL', `The sources do not compile:\n${tsc.stdout}${tsc.stderr}`);
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
}

/** Whatever of the topologies is no code: workflows, lists, rubrics, READMEs. */
function copyData(): void {
  for (const file of filesBelow('topologies').filter((name) => !name.endsWith('.ts'))) {
    mkdirSync(dirname(join(DIST, file)), { recursive: true });
    cpSync(join(ROOT, file), join(DIST, file));
  }
}

const SPECIFIER = /((?:\bfrom |\bimport |\bimport\()['"])([#.][^'"\n]+)(?=['"])/g;

/**
 * Imports name the files that are there. `#engine` and its like are short names of a checkout, and TypeScript rewrites `./x.ts` in code, not in types.
 * @param imports of the package.json: short names, the last part of which may be a `*`.
 */
function nameFiles(imports: Readonly<Record<string, string>>): void {
  const doors = Object.entries(imports).map(([name, path]) => ({ name: new RegExp(`^${name.replace('*', '([^/]+)')}$`), path }));
  for (const file of filesBelow('dist').filter((name) => /\.(js|d\.ts)$/.test(name))) {
    const folder = dirname(relative(DIST, join(ROOT, file)));
    const named = (_all: string, before: string, specifier: string): string => {
      const door = doors.find(({ name }) => name.test(specifier));
      const path =
        door === undefined ? specifier : `./${posix.relative(folder, specifier.replace(door.name, door.path.replace('*', '$1')))}`;
      return before + path.replace(/^\.\/\.\.\//, '../').replace(/\.ts$/, '.js');
    };
    const text = readFileSync(join(ROOT, file), 'utf8');
    writeFileSync(join(ROOT, file), text.replaceAll(SPECIFIER, named));
  }
}

rmSync(DIST, { recursive: true, force: true });
compile();
copyData();
nameFiles((JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest).imports);
chmodSync(join(DIST, 'cli/main.js'), 0o755);
writeFileSync(join(DIST, 'workflow.schema.json'), `${JSON.stringify(editorSchema())}\n`);
