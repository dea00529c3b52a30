/**
 * How long a command takes that hardly works: `--help`, and `check` of the small workflow that `init` writes; wall-clock from start to exit, processes in turn.
 * The peer is Node alone, which no command can be faster than. The compiled package, where `npm pack` has left one, is measured in the same turns.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from '../harness/bench.ts';
import { type Figures, machine, ratioOf, type Side, summarise } from '../harness/result.ts';

const ROOT = join(import.meta.dirname, '../../..');
const WORKFLOW = join(ROOT, 'topologies/starter/workflow.yaml');
/** Each start is short, so one round says little. */
const ROUNDS = 10;

const execute = promisify(execFile);

async function milliseconds(args: readonly string[]): Promise<number> {
  const started = performance.now();
  await execute(process.execPath, [...args], { cwd: ROOT });
  return performance.now() - started;
}

/** What is started, by figure. */
function startsOf(main: string): Readonly<Record<string, readonly string[]>> {
  return { '--help, ms': [main, '--help'], 'check, ms': [main, 'check', WORKFLOW] };
}

const BARE = ['-e', '0'];

export const startup: Bench = async (options) => {
  const rounds = options.repeat * ROUNDS;
  const compiled = join(ROOT, 'dist/cli/main.js');
  const programs = [{ name: 'mizu', starts: startsOf(join(ROOT, 'cli/main.ts')) }];
  if (existsSync(compiled)) programs.push({ name: 'package', starts: startsOf(compiled) });
  const bare = { name: 'node alone', starts: { '--help, ms': BARE, 'check, ms': BARE } };
  const all = [...programs, bare];
  const runs = new Map<string, Side[]>(all.map(({ name }) => [name, []]));
  // The first start of each fills its compile cache.
  for (const { starts } of all) for (const args of Object.values(starts)) await milliseconds(args);
  for (let n = 0; n < rounds; n++) {
    options.note(`round ${n + 1} of ${rounds}`);
    for (const { name, starts } of all) {
      const figures: Record<string, number> = {};
      for (const [figure, args] of Object.entries(starts)) figures[figure] = await milliseconds(args);
      runs.get(name)?.push({ name, figures: figures satisfies Figures });
    }
  }
  const [own, ...others] = all.map(({ name }) => summarise(runs.get(name) ?? []));
  return {
    bench: 'startup',
    machine: machine(),
    repeat: rounds,
    figures: own?.figures ?? {},
    peers: others.map((peer) => ({ ...peer, ratio: own === undefined ? {} : ratioOf(own, peer) })),
    notes: [
      'goals: --help under 300 ms, check under 500 ms',
      ...(existsSync(compiled) ? [] : ['the compiled package was not measured: npm pack makes it']),
    ],
  };
};
