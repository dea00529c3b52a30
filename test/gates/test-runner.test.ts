/** `npm test` cannot be green by accident: each way a run can go wrong shows in its last line and its exit code. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LONG_FILES } from '../support/long-first.ts';
import { scratchFolder } from '../support/scratch.ts';

const RUNNER = join(import.meta.dirname, '../run.ts');
const HEAD = "import { describe, expect, test } from 'vitest';\n";

/** Runs `npm test`'s runner over one test file. */
function runOver(source: string, extra: NodeJS.ProcessEnv = {}): { status: number | null; lines: string[] } {
  const folder = scratchFolder(source === '' ? {} : { 'a.test.ts': HEAD + source });
  const { VITEST: _, ...env } = process.env;
  const run = spawnSync(process.execPath, [RUNNER, '--root', folder], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, MIZU_REQUIRE: '', ...extra },
  });
  return { status: run.status, lines: run.stdout.trimEnd().split('\n') };
}

describe('the test runner', () => {
  it('begins with long files that there are', () => {
    expect(LONG_FILES.filter((file) => !existsSync(join(import.meta.dirname, '../..', file)))).toEqual([]);
    expect(new Set(LONG_FILES).size).toBe(LONG_FILES.length);
  });

  it('ends with the counts, and exits 0 when all passed', () => {
    const { status, lines } = runOver("test('a', () => expect(1).toBe(1));");
    expect([status, lines.at(-1)]).toEqual([0, '1 passed, 0 failed']);
  });

  it('names and counts a skip that has a reason', () => {
    const { status, lines } = runOver(
      "test('a', () => {});\ntest('b', (ctx) => ctx.skip('no Java'));\ndescribe.skip('v (skipped: no vectors)', () => { test('c', () => {}); test('d', () => {}); });",
    );
    expect([status, lines.at(-1)]).toEqual([0, '1 passed, 0 failed, 3 skipped']);
    expect(lines.filter((line) => line.startsWith('skipped'))).toEqual([
      'skipped 1: a.test.ts > b: no Java',
      'skipped 2: a.test.ts > v: no vectors',
    ]);
  });

  it('fails a skip without a reason', () => {
    const { status, lines } = runOver("test('a', () => {});\ntest.skip('b', () => {});");
    expect([status, lines.at(-1)]).toEqual([1, '1 passed, 1 failed, 1 skipped']);
  });

  it('fails when a test fails', () => {
    const { status, lines } = runOver("test('a', () => expect(1).toBe(2));\ntest('b', () => {});");
    expect([status, lines.at(-1)]).toEqual([1, '1 passed, 1 failed']);
  });

  it('fails when an error was caught by no test', () => {
    const { status, lines } = runOver("test('a', () => void Promise.reject(new Error('lost')));");
    expect([status, lines.at(-1)]).toEqual([1, '1 passed, 1 failed']);
  });

  it('fails when a file cannot be loaded', () => {
    const { status, lines } = runOver("import './nowhere.ts';");
    expect([status, lines.at(-1)]).toEqual([1, '0 passed, 1 failed']);
  });

  it('fails when a hook fails after its tests passed', () => {
    const { status, lines } = runOver(
      "import { afterAll } from 'vitest';\nafterAll(() => { throw new Error('hook'); });\ntest('a', () => {});",
    );
    expect([status, lines.at(-1)]).toEqual([1, '1 passed, 1 failed']);
  });

  it('fails when an only is left behind', () => {
    expect(runOver("test.only('a', () => {});\ntest('b', () => {});").status).toBe(1);
  });

  it('fails when a part is required that no suite needs', () => {
    const { status, lines } = runOver("test('a', () => {});", { MIZU_REQUIRE: 'vector' });
    expect([status, lines.at(-1)]).toEqual([1, '1 passed, 1 failed']);
    expect(lines.at(-2)).toContain("'vector'");
  });

  it('fails when nothing ran', () => {
    expect(runOver('').status).toBe(1);
    expect(runOver("test('a', (ctx) => ctx.skip('all off'));").lines.at(-1)).toBe('0 passed, 1 failed, 1 skipped');
  });
});
