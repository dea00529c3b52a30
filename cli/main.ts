#!/usr/bin/env node
/** Entry of the program `mizu`. Sets the exit code and lets the process drain; nothing here ends work that still runs. */
import { enableCompileCache } from 'node:module';

// Half of a start is stripping and compiling; every process and thread after the first on a machine finds that done.
enableCompileCache();

const { runCommandLine } = await import('./command-line.ts');
process.exitCode = await runCommandLine(process.argv.slice(2));
