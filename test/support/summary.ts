/**
 * What a test run came to: counts that are true for every way a run can go wrong.
 * A file that cannot be loaded, a failing hook and an unhandled error each count as one failure, because Vitest reports them beside
 * its tests, and a count that leaves them out would be green. A skip must say why: by `ctx.skip('reason')`, or in a title that ends
 * in `(skipped: reason)`.
 */
import { relative } from 'node:path';
import type { TestCase, TestModule, TestSuite } from 'vitest/node';

/** Why a suite or a test did not run, and how many tests that covers. */
export interface SkippedGroup {
  /** File and suite titles, or file and test title for a single test. */
  readonly where: string;
  /** The stated reason; empty when none was given, which is a failure of the run. */
  readonly reason: string;
  readonly tests: number;
}

/** The counts of one run. `problems` are failures that no single test carries; each is counted in `failed`. */
export interface RunSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skippedGroups: readonly SkippedGroup[];
  readonly problems: readonly string[];
}

const REASON_IN_TITLE = /\(skipped: ([^)]+)\)\s*$/;

/** The reason of a skipped test: its note, else the nearest title that carries one. */
function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined) return result.note;
  let at: TestCase | TestSuite | TestModule = test;
  while (at.type !== 'module') {
    const found = REASON_IN_TITLE.exec(at.name);
    if (found?.[1] !== undefined) return found[1];
    at = at.parent;
  }
  return '';
}

/**
 * Folds the finished modules of a run into its summary.
 *
 * @param modules every test file that was run
 * @param unhandled errors that no test caught
 * @param context `filtered` when a title filter was given: then tests outside it were skipped on purpose and need no reason;
 *   `problems` that the caller found before the run
 */
export function summarise(
  modules: readonly TestModule[],
  unhandled: readonly unknown[],
  context: { readonly filtered: boolean; readonly problems: readonly string[] },
): RunSummary {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const groups = new Map<string, SkippedGroup>();
  const problems: string[] = [...context.problems];
  for (const module of modules) {
    const file = relative(process.cwd(), module.moduleId);
    for (const error of module.errors()) problems.push(`${file}: ${error.message}`);
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors()) problems.push(`${file} > ${suite.fullName}: ${error.message}`);
    }
    for (const test of module.children.allTests()) {
      const state = test.result().state;
      if (state === 'passed') passed++;
      else if (state === 'failed') failed++;
      else if (state === 'pending') problems.push(`${file} > ${test.fullName}: never finished`);
      else {
        skipped++;
        if (context.filtered) continue;
        const title = test.parent.type === 'suite' ? test.parent.fullName : test.name;
        const where = `${file} > ${title.replace(REASON_IN_TITLE, '').trimEnd()}`;
        const reason = reasonOf(test);
        const key = `${where}\n${reason}`;
        groups.set(key, { where, reason, tests: (groups.get(key)?.tests ?? 0) + 1 });
      }
    }
  }
  for (const group of groups.values()) {
    if (group.reason === '')
      problems.push(`${group.where}: skipped without a reason (use ctx.skip('reason') or a title ending in '(skipped: reason)')`);
  }
  for (const error of unhandled) problems.push(`unhandled: ${error instanceof Error ? error.message : messageOf(error)}`);
  if (passed + failed + problems.length === 0) problems.push('no test ran: nothing matched, or everything was skipped');
  return { passed, failed: failed + problems.length, skipped, skippedGroups: [...groups.values()], problems };
}

/** Vitest hands errors over from its workers as plain objects. */
function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}

/** The last line of a run: `N passed, N failed`, and `, N skipped` when there are any. */
export function countsLine(summary: RunSummary): string {
  const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : '';
  return `${summary.passed} passed, ${summary.failed} failed${skipped}`;
}
