/** W1 by `mizu run` on one machine: a JSONL file through the embedded log with everything that is proved and committed, then exported and judged. */
import { execFile } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import { Child } from '../harness/children.ts';
import { TreeMeter } from '../harness/process-tree.ts';
import type { Side } from '../harness/result.ts';
import { machine, summarise } from '../harness/result.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { w1File, w1Reference, WORKFLOW_FILE } from '../w1/data.ts';
import type { W1Reference } from '../w1/reference.ts';
import { W1Check } from '../w1/reference.ts';

const CLI = join(import.meta.dirname, '../../../cli/main.ts');
const DEFAULT_RECORDS = 200_000;
const POLL_MS = 100;
const MEGABYTE = 1e6;

const execute = promisify(execFile);

export const w1Embedded: Bench = async (options) => {
  const records = options.records ?? DEFAULT_RECORDS;
  const file = w1File(records);
  const reference = await w1Reference(file);
  const runs: Side[] = [];
  for (let n = 0; n < options.repeat; n++) runs.push(await runOnce(file, records, reference, options));
  const { name: _, ...own } = summarise(runs);
  return { bench: 'w1-embedded', machine: machine(), repeat: options.repeat, ...own, peers: [], notes: [] };
};

async function runOnce(file: string, records: number, reference: W1Reference, options: BenchOptions): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-bench-'));
  options.cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, 'log');
  const set = ['--set', `generate[0].read.path=${file}`, '--workers', String(options.workers)];
  const run = new Child(
    process.execPath,
    [CLI, 'run', WORKFLOW_FILE, '--log', log, '--json', ...set],
    join(folder, 'run.log'),
    options.cleanup,
  );
  const meter = new TreeMeter([run.pid]);
  let cpu = 0;
  for (; run.alive; await sleep(POLL_MS)) cpu = meter.look();
  const summary = JSON.parse(run.log().trim().split('\n').at(-1) ?? '') as {
    readonly ok: boolean;
    readonly seconds: number;
    readonly failed: number;
  };
  if (!summary.ok) throw new Error(`the run was not whole:\n${run.log()}`);
  const out = join(folder, 'data');
  await execute(process.execPath, [CLI, 'export', 'w1', '--log', log, '--format', 'jsonl', '--out', out]);
  const check = new W1Check(reference);
  for await (const line of createInterface({ input: createReadStream(join(out, 'w1.jsonl')) })) check.output(JSON.parse(line));
  for (let n = 0; n < summary.failed; n++) check.deadLetter();
  rmSync(folder, { recursive: true });
  return {
    name: 'mizu',
    recordsPerSecond: records / summary.seconds,
    cpuSecondsPerMillion: (cpu * 1e6) / records,
    figures: { seconds: summary.seconds, workers: options.workers, 'peak memory, MB': meter.peakBytes / MEGABYTE },
    exact: check.verdict(),
  };
}
