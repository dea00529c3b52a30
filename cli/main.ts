#!/usr/bin/env node
/** Entry of the program `mizu`. Sets the exit code and lets the process drain; nothing here ends work that still runs. */
import { nodeProblem } from './node-version.ts';
import { silenceSqlite } from './silence-sqlite.ts';

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  // Half of a start is stripping and compiling; every process and thread after the first on a machine finds that done.
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  silenceSqlite();
  const { runCommandLine } = await import('./command-line.ts');
  process.exitCode = await runCommandLine(process.argv.slice(2));
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 2;
}
