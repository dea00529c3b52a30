/** Other versions of Node, fetched once from the user's npm registry: what Mizu promises to run on, beside the one that runs the tests. */
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder, madeOnce } from './made-once.ts';

const FETCH_LIMIT_MS = 3 * 60_000;
const execute = promisify(execFile);

/** npm as a shell would run it, without the settings that an npm around this process hands down. */
export async function npm(args: readonly string[], cwd: string): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  const { stdout } = await execute('npm', [...args], { cwd, env, timeout: FETCH_LIMIT_MS, maxBuffer: 64 << 20 });
  return stdout;
}

/** @param version exact. @returns a folder that holds the program `node`. @throws when it can't be fetched. */
export function nodeFolder(version: string): Promise<string> {
  return madeOnce(cacheFolder(), `node-${version}`, async (folder) => {
    const from = mkdtempSync(join(tmpdir(), 'mizu-node-'));
    try {
      // Its install script links the binary of this platform into the package.
      writeFileSync(join(from, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
      await npm(['install', '--no-audit', '--no-fund', '--prefer-offline', `node@${version}`], from);
      copyFileSync(join(from, 'node_modules/node/bin/node'), join(folder, 'node'));
      chmodSync(join(folder, 'node'), 0o755);
    } finally {
      rmSync(from, { recursive: true, force: true });
    }
  });
}
