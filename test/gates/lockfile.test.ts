/**
 * `npm ci` works on every platform and from every registry. It refuses a lock file in which one optional package of some other platform is
 * missing, and a lock file that names a host works only there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Locked = Readonly<Record<string, LockedPackage>>;

/** Is `name` installed where a module at `path` would find it? */
function isLocked(locked: Locked, path: string, name: string): boolean {
  let at = path;
  while (at !== '') {
    if (`${at}/node_modules/${name}` in locked) return true;
    at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')));
  }
  return `node_modules/${name}` in locked;
}

/** Everything that would keep `npm ci` from working elsewhere. */
function lockProblems(locked: Locked, allowed: Readonly<Record<string, boolean>>): string[] {
  const problems: string[] = [];
  for (const [path, entry] of Object.entries(locked)) {
    if (entry.resolved !== undefined) problems.push(`${path} names a host`);
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      if (!isLocked(locked, path, name)) problems.push(`${path} needs ${name}, which is not locked`);
    }
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (entry.hasInstallScript === true && !(name in allowed))
      problems.push(`${path} has an install script that allowScripts does not decide`);
  }
  return problems;
}

const ROOT = join(import.meta.dirname, '../..');
const lock: { packages: Locked } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
const manifest: { allowScripts: Record<string, boolean> } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

describe('the lock file', () => {
  it('is complete for every platform, names no host and leaves no install script undecided', () => {
    process.stdout.write(`lock file: looked at ${Object.keys(lock.packages).length} packages\n`);
    expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
    expect(lockProblems(lock.packages, manifest.allowScripts)).toEqual([]);
  });

  it('holds no address of a registry in any field', () => {
    expect(JSON.stringify(lock)).not.toMatch(/"resolved"|registry\.|\.tgz/);
  });

  it('would be refused for a missing platform, a host or a new install script', () => {
    const bad: Locked = {
      '': { dependencies: { a: '1' } },
      'node_modules/a': { version: '1.0.0', optionalDependencies: { 'a-darwin': '1.0.0' } },
      'node_modules/b': { version: '1.0.0', resolved: 'https://example.org/b.tgz' },
      'node_modules/b/node_modules/c': { version: '1.0.0', hasInstallScript: true, dependencies: { a: '1' } },
    };
    expect(lockProblems(bad, { node: true })).toEqual([
      'node_modules/a needs a-darwin, which is not locked',
      'node_modules/b names a host',
      'node_modules/b/node_modules/c has an install script that allowScripts does not decide',
    ]);
  });
});
