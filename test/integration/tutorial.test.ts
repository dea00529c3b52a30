/**
 * documents/tutorial.md, executed as it stands: files are saved, commands run one after the other by a shell in one folder, and each line that is shown was
 * printed, in that order. `…` stands for anything. A block marked `sh fails` must fail.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const LIMIT_MS = 180_000;

interface Block {
  readonly mark: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, mark = '', text = '']) => ({ mark, text }));
}

/** A folder with the command `mizu` on its path and the library `mizu` among its packages, both as they are in this checkout. */
function installed(): { readonly folder: string; readonly path: string } {
  const library = `export * from ${JSON.stringify(pathToFileURL(join(ROOT, 'package/index.ts')).href)};\n`;
  const folder = scratchFolder({
    'bin/mizu': `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'cli/main.ts')}" "$@"\n`,
    'work/package.json': '{ "type": "module" }',
    'work/node_modules/mizu/package.json': '{ "name": "mizu", "type": "module", "exports": "./index.js" }',
    'work/node_modules/mizu/index.js': library,
  });
  chmodSync(join(folder, 'bin/mizu'), 0o755);
  const path = [join(folder, 'bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  return { folder: join(folder, 'work'), path };
}

function shell(script: string, cwd: string, path: string): Promise<{ readonly code: number | null; readonly printed: string }> {
  const { MIZU_LOG: _log, FORCE_COLOR: _colour, ...env } = process.env;
  const child = spawn('sh', ['-e', '-c', script], { cwd, env: { ...env, PATH: path }, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const take = (text: string): void => {
    printed += text;
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, printed }));
  });
}

/** The first shown line that was not printed after those before it. */
function unprinted(shown: string, printed: string): string | undefined {
  const lines = printed.split('\n');
  let at = 0;
  for (const line of shown.trimEnd().split('\n')) {
    const parts = line.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const pattern = new RegExp(`^${parts.join('.*')}$`);
    const found = lines.findIndex((one, n) => n >= at && pattern.test(one));
    if (found < 0) return line;
    at = found + 1;
  }
  return undefined;
}

it('finds a line that was not printed, or not in this order', () => {
  expect(unprinted('a…c\nd\n', 'abc\nx\nd\n')).toBeUndefined();
  expect(unprinted('d\na\n', 'a\nd\n')).toBe('a');
  expect(unprinted('1.5\n', '125\n')).toBe('1.5');
});

it(
  'documents/tutorial.md works as it stands, and prints what it shows',
  async () => {
    const { folder, path } = installed();
    let printed = '';
    const ran = { files: 0, commands: 0, shown: 0 };
    for (const { mark, text } of blocksOf(readFileSync(join(ROOT, 'documents/tutorial.md'), 'utf8'))) {
      const [language = '', name] = mark.split(' ');
      if (language === 'text') {
        expect(unprinted(text, printed), `shown, but not among what was printed:\n${printed}`).toBeUndefined();
        ran.shown++;
      } else if (language === 'sh') {
        const result = await shell(text, folder, path);
        expect(result.code === 0, `${text}${result.printed}`).toBe(name !== 'fails');
        printed = result.printed;
        ran.commands++;
      } else {
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, name ?? 'no name'), text);
        ran.files++;
      }
    }
    expect(ran).toEqual({ files: 2, commands: 12, shown: 11 });
  },
  LIMIT_MS,
);
