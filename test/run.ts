/**
 * `npm test`: runs Vitest, then says what came of it. The last line is always the counts; before it stand every skipped suite with its
 * reason and every failure that no single test carries. Exit code 1 on any failure, on unhandled errors and when no test ran.
 * Arguments go to Vitest: `npm test -- test/unit/proof`, `npm test -- -t 'law 5'`.
 */
import { parseCLI, startVitest } from 'vitest/node';
import { countsLine, summarise } from './support/summary.ts';

/** The outside parts that a suite may need; `MIZU_REQUIRE` names those whose absence is a failure. */
const OUTSIDE_PARTS = ['vectors', 'kafka', 'registry'];

const required = (process.env.MIZU_REQUIRE ?? '').split(',').filter((name) => name !== '');
const unknown = required.filter((name) => !OUTSIDE_PARTS.includes(name));

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
// A forgotten `.only` would turn every other test into a silent skip.
const vitest = await startVitest(filter, { ...options, watch: false, allowOnly: false });
const summary = summarise(vitest.state.getTestModules(), vitest.state.getUnhandledErrors(), {
  filtered: options.testNamePattern !== undefined,
  problems: unknown.map((name) => `MIZU_REQUIRE: no suite needs '${name}'; expected names out of: ${OUTSIDE_PARTS.join(', ')}`),
});
await vitest.close();

const lines = summary.skippedGroups.map((group) => `skipped ${group.tests}: ${group.where}: ${group.reason || 'NO REASON GIVEN'}`);
for (const problem of summary.problems) lines.push(`failed: ${problem}`);
lines.push(countsLine(summary));
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = summary.failed > 0 ? 1 : 0;
