/**
 * Where test vectors come from: the folder named by the environment variable MIZU_VECTORS. Without it the suites that need one are
 * skipped, say so on standard error, and are counted as skipped; with `vectors` in MIZU_REQUIRE they fail instead.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

function whyMissing(file: string): string | undefined {
  const folder = process.env.MIZU_VECTORS;
  if (folder === undefined || folder === '') return 'MIZU_VECTORS is not set';
  return existsSync(join(folder, file)) ? undefined : `MIZU_VECTORS holds no ${file}`;
}

function required(): boolean {
  return (process.env.MIZU_REQUIRE ?? '').split(',').includes('vectors');
}

function textOf(file: string): string {
  return readFileSync(join(process.env.MIZU_VECTORS ?? '', file), 'utf8');
}

/** A suite over one text file of vectors. The body runs only if the file is there. */
export function describeVectorText(file: string, body: (text: string) => void): void {
  const why = whyMissing(file);
  if (why === undefined) {
    describe(`vectors ${file}`, () => body(textOf(file)));
    return;
  }
  if (required()) {
    describe(`vectors ${file}`, () => {
      test('are required', () => expect.fail(`MIZU_REQUIRE asks for vectors, but ${why}`));
    });
    return;
  }
  process.stderr.write(`SKIPPED vectors ${file}: ${why}\n`);
  describe.skip(`vectors ${file} (skipped: ${why})`, () => {
    test(`needs ${file}`, () => expect.fail('never runs'));
  });
}

/** As `describeVectorText`, for JSON. `T` is what the file's own head promises; cases are checked one by one by the suite. */
export function describeVectors<T>(file: string, body: (data: T) => void): void {
  describeVectorText(file, (text) => body(JSON.parse(text) as T));
}

/** Parsed vectors of a file, for use inside a suite of `describeVectors`. */
export function vectors<T>(file: string): T {
  return JSON.parse(textOf(file)) as T;
}

/** Runs the check on every case and names all those that failed; fails on an empty list, so that no suite passes by looking at nothing. */
export function everyCase<T>(cases: readonly T[], name: (one: T, index: number) => string, check: (one: T) => void): void {
  expect(cases.length).toBeGreaterThan(0);
  const failures: string[] = [];
  cases.forEach((one, index) => {
    try {
      check(one);
    } catch (error) {
      failures.push(`${name(one, index)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  expect(failures).toEqual([]);
}
