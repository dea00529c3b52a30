#!/usr/bin/env node
/** Entry of the program `mizu`. Sets the exit code and lets the process drain; nothing here ends work that still runs. */
import { runCommandLine } from './command-line.ts';

process.exitCode = await runCommandLine(process.argv.slice(2));
