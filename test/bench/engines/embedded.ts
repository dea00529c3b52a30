/** What plays W1 on one machine, from a file to a file: `mizu run` on the embedded log, and the floor. Both are processes of their own, judged by the reference. */
import { execFile } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BenchOptions } from '../harness/bench.ts';
import { Child } from '../harness/children.ts';
import { TreeMeter } from '../harness/process-tree.ts';
import type { Side } from '../harness/result.ts';
import { WORKFLOW_FILE } from '../w1/data.ts';
import type { W1Reference, W1Verdict } from '../w1/reference.ts';
import { W1Check } from '../w1/reference.ts';

export const CLI = join(import.meta.dirname, '../../../cli/main.ts');
export const FLOOR = join(import.meta.dirname, '../w1/floor.ts');
/** Candidates of a task: each costs a commit, a result, a step in every partition, and nobody waits for the first ones here. */
const TASK_SIZE = 4096;
const POLL_MS = 100;
const MEGABYTE = 1e6;

const execute = promisify(execFile);

export interface W1Input {
  readonly file: string;
  readonly records: number;
  readonly reference: W1Reference;
}

export interface EmbeddedEngine {
  readonly name: string;
  readonly side: 'mizu' | 'peer';
  play(input: W1Input, options: BenchOptions): Promise<Side>;
}

export const mizuRun: EmbeddedEngine = {
  name: 'mizu',
  side: 'mizu',
  play: (input, options) =>
    inFolder(options, async (folder) => {
      const log = join(folder, 'log');
      const played = await runOn(log, input, options);
      return sideOf('mizu', input, played, await judgedExport(log, input, played));
    }),
};

/** The verdict on what `mizu export` gives of the run on a log. */
export async function judgedExport(log: string, input: W1Input, { failed }: Played): Promise<W1Verdict> {
  const out = join(log, '../data');
  await execute(process.execPath, [CLI, 'export', 'w1', '--log', log, '--format', 'jsonl', '--out', out]);
  return judged(input, join(out, 'w1.jsonl'), failed);
}

export const floor: EmbeddedEngine = {
  name: 'floor (one Node thread)',
  side: 'peer',
  play: (input, options) =>
    inFolder(options, async (folder) => {
      const out = join(folder, 'out.jsonl');
      const played = await playProcess([FLOOR, input.file, out], folder, options);
      return sideOf(floor.name, input, played, await judged(input, out, played.failed));
    }),
};

/** What a process that plays W1 says at its end, and what it took. */
export interface Played {
  /** As it says itself: of its work. */
  readonly seconds: number;
  /** Of the whole process. */
  readonly wholeSeconds: number;
  readonly failed: number;
  /** Only `mizu run` says. */
  readonly accepted: number | undefined;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** `mizu run` with W1's workflow, whose log stays. `preload`: options for Node, also of its worker threads. @throws when the run was not whole. */
export function runOn(
  log: string,
  { file }: Pick<W1Input, 'file'>,
  options: BenchOptions,
  preload: readonly string[] = [],
): Promise<Played> {
  const set = ['--set', `generate[0].read.path=${file}`, '--set', `task.size=${TASK_SIZE}`, '--workers', String(options.workers)];
  return playProcess([...preload, CLI, 'run', WORKFLOW_FILE, '--log', log, '--json', ...set], join(log, '..'), options);
}

/** Gives `use` a folder that is gone afterwards, and also after Ctrl-C. */
export async function inFolder<T>({ cleanup }: BenchOptions, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  cleanup.add(remove);
  const result = await use(folder);
  remove();
  return result;
}

async function playProcess(args: readonly string[], folder: string, options: BenchOptions): Promise<Played> {
  const child = new Child(process.execPath, args, join(folder, 'play.log'), options.cleanup);
  const meter = new TreeMeter([child.pid]);
  let cpuSeconds = 0;
  for (; child.alive; await sleep(POLL_MS)) cpuSeconds = meter.look();
  const said = lastObject(child.log());
  if (said.ok === false || said.seconds === undefined || said.failed === undefined)
    throw new Error(`${args.join(' ')} was not whole:\n${child.log()}`);
  const { seconds, failed, accepted } = said;
  return { seconds, wholeSeconds: child.seconds, failed, accepted, cpuSeconds, peakBytes: meter.peakBytes };
}

/** The object in the last line of a command's output. */
function lastObject(output: string): Partial<Pick<Played, 'seconds' | 'failed' | 'accepted'>> & { readonly ok?: boolean } {
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

async function judged({ reference }: W1Input, file: string, failed: number): Promise<W1Verdict> {
  const check = new W1Check(reference);
  for await (const line of createInterface({ input: createReadStream(file) })) check.output(JSON.parse(line));
  for (let n = 0; n < failed; n++) check.deadLetter();
  return check.verdict();
}

export function sideOf(
  name: string,
  { records }: Pick<W1Input, 'records'>,
  { wholeSeconds: seconds, cpuSeconds, peakBytes }: Played,
  exact: W1Verdict | undefined,
): Side {
  return {
    name,
    recordsPerSecond: records / seconds,
    cpuSecondsPerMillion: (cpuSeconds * 1e6) / records,
    figures: { seconds, 'peak memory, MB': peakBytes / MEGABYTE },
    exact,
  };
}
