/**
 * `npm run gates`: every check that is not a test: types, lint and format, dead code. Each says how many files it looked at and fails when
 * it saw none; that each really reports what it should is tested beside this file. All gates run, so that one failure hides no other.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOMS } from './source-rules.ts';

const ROOT = join(import.meta.dirname, '../..');

interface Outcome {
  readonly ok: boolean;
  /** How many files the gate looked at. */
  readonly files: number;
  readonly output: string;
}

function run(tool: string, args: readonly string[]): { status: number; output: string } {
  const child = spawnSync(join(ROOT, 'node_modules/.bin', tool), args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (child.error !== undefined) return { status: 1, output: `${tool} can't be started: ${child.error.message}. Run npm ci first.` };
  return { status: child.status ?? 1, output: `${child.stdout}${child.stderr}` };
}

function sourceFiles(): string[] {
  return ROOMS.filter((room) => existsSync(join(ROOT, room))).flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => `${room}/${path.replaceAll('\\', '/')}`),
  );
}

/** A file outside tsconfig's `include` would pass unseen, so the list of checked files is compared with the tree. */
function types(): Outcome {
  const { status, output } = run('tsc', ['-p', 'tsconfig.json', '--listFiles', '--pretty', 'false']);
  const lines = output.split('\n');
  const seen = new Set(lines.filter((line) => line.startsWith(ROOT)).map((line) => relative(ROOT, line.trim()).replaceAll('\\', '/')));
  const unseen = sourceFiles().filter((file) => !seen.has(file));
  const errors = lines.filter((line) => line !== '' && !/^(\/|[A-Za-z]:)\S*\.d\.[cm]?ts$/.test(line) && !line.startsWith(ROOT));
  for (const file of unseen) errors.push(`${file}: not looked at (outside tsconfig's include)`);
  const files = [...seen].filter((file) => !file.startsWith('node_modules/')).length;
  return { ok: status === 0 && unseen.length === 0, files, output: errors.join('\n') };
}

function lint(): Outcome {
  const { status, output } = run('biome', ['check', '--error-on-warnings', '--max-diagnostics=200', '.']);
  return { ok: status === 0, files: Number(/Checked (\d+) files?/.exec(output)?.[1] ?? 0), output };
}

function deadCode(): Outcome {
  const { status, output } = run('knip', ['--no-progress']);
  return { ok: status === 0, files: sourceFiles().length, output };
}

const GATES = { types, lint, 'dead code': deadCode };

let failed = 0;
for (const [name, gate] of Object.entries(GATES)) {
  const started = performance.now();
  const { ok, files, output } = gate();
  const good = ok && files > 0;
  if (!good) {
    failed++;
    process.stdout.write(`${output.trimEnd()}\n`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`gate ${name}: ${good ? 'ok' : 'FAILED'}, looked at ${files} files (${seconds} s)\n`);
}
process.exitCode = failed > 0 ? 1 : 0;
