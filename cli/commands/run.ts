/** `mizu run FILE`: deploys a workflow and runs it to its end, with progress and a summary. */
import type { Json, Progress, RunName, RunSummary } from '#engine';
import { fileSource, inferenceEstimate, inferenceTotals, MizuError } from '#engine';
import type { CompiledFile } from '#topologies';
import { compileFile, defaultWorkers, openLog, runWorkflow } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { grouped, secondsText } from '../format.ts';
import { estimateText, takenText } from '../inference-text.ts';
import { ownCommand, sameCommand } from '../own-command.ts';
import type { RunCommandOptions } from '../program.ts';
import { fellShort, summaryText } from '../run-summary.ts';
import { exhaustedText } from '../shortfall-text.ts';

export async function run(context: Context, file: string, options: RunCommandOptions): Promise<Outcome> {
  const workflow = await compileFile(file, options.set, process.env);
  const timed = await runWithProgress(context, workflow, options);
  const { summary, seconds } = timed;
  if (!timed.worked) context.progress.note(`${summary.name}/${summary.generation} was finished before; there was nothing left to do`);
  const short = fellShort(summary);
  if (short) context.progress.note(exhaustedText(summary, workflow.program));
  await context.out.text(summaryText(summary, timed.worked ? timed : undefined, (text) => context.out.style('bold', text), timed.paid));
  await context.out.text(nextCommands(context, summary));
  return { exitCode: short ? EXIT.failed : EXIT.done, result: summaryJson(summary, seconds) };
}

export function summaryJson(summary: RunSummary, seconds: number): { readonly [key: string]: Json } {
  return { ok: !fellShort(summary), ...summary, seconds: Number(seconds.toFixed(3)) };
}

export interface TimedRun {
  readonly summary: RunSummary;
  /** Of this process: a resumed run counts from here. */
  readonly seconds: number;
  /** Candidates that earlier processes had done. */
  readonly before: number;
  /** False when the run was finished before. */
  readonly worked: boolean;
  /** What this process paid models for; undefined where it asked nobody. */
  readonly paid?: string | undefined;
}

export async function runWithProgress(
  context: Pick<Context, 'log' | 'progress' | 'signal' | 'debug' | 'interrupted'>,
  workflow: CompiledFile,
  options: Omit<RunCommandOptions, 'set'>,
): Promise<TimedRun> {
  const log = await openLog(context.log, { readOnly: false });
  const { progress, signal } = context;
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let deployed: RunName | undefined;
  let before: number | undefined;
  let paid: string | undefined;
  try {
    const summary = await runWorkflow(workflow, {
      log,
      workers: options.workers ?? defaultWorkers(),
      nodes: options.nodes,
      keyFile: options.key,
      newGeneration: options.newGeneration,
      env: (name) => process.env[name],
      signal,
      onDeployed: (name) => {
        // Once, though a run that was begun beside another one may begin again.
        if (deployed === undefined)
          progress.note(`${name.name}/${name.generation} on ${context.log}: program ${workflow.digest.slice(0, 12)}`);
        deployed = name;
        context.debug('deployed', { ...name, program: workflow.digest });
      },
      onAsked: ({ tokens, calls, recorded }) => {
        paid = `${grouped(tokens)} tokens in ${grouped(calls)} calls; ${grouped(recorded)} answers were recorded before`;
      },
      onProgress: (state) => {
        context.debug('progress', { ...state });
        const start = before ?? state.totals.candidates;
        before = start;
        progress.update(() => progressText(workflow, state, start, elapsed()));
      },
    });
    return { summary, seconds: elapsed(), before: before ?? 0, worked: before !== undefined, paid };
  } catch (error) {
    const stopped = deployed !== undefined || (error instanceof MizuError && error.code === 'INTERRUPTED');
    if (!context.interrupted || !stopped) throw error;
    const title = deployed === undefined ? workflow.deployment.name : `${deployed.name}/${deployed.generation}`;
    throw new MizuError('INTERRUPTED', `${title} was stopped after ${secondsText(elapsed())}`, {
      cause: error,
      hint: `Nothing committed is lost: the same command with the same --log goes on where it stopped: ${sameCommand()}`,
    });
  } finally {
    progress.clear();
    await log.close();
  }
}

function progressText(
  { program, deployment }: CompiledFile,
  { totals, published, cut, missing }: Progress,
  before: number,
  seconds: number,
): string {
  const target = program.accept === undefined ? '' : ` of ${grouped(program.accept)}`;
  const files = fileSource(program);
  const total = files === undefined ? '' : ` of ${grouped(files.records)}`;
  const rate = seconds > 0 ? Math.round((totals.candidates - before) / seconds) : 0;
  const inference = inferenceTotals(program, deployment, totals.usage);
  const estimate = estimateText(inferenceEstimate(program, deployment, totals), inference?.currency ?? null);
  const asked = inference === null ? '' : `${takenText(inference, program.budget)}${estimate === '' ? '' : `, ${estimate}`} · `;
  const copied = missing === 0 ? '' : `waits for ${grouped(missing)} records of the source to be copied · `;
  return (
    `${copied}${grouped(totals.accepted)}${target} kept · ${grouped(totals.candidates)}${total} candidates · ${asked}` +
    `tasks ${grouped(published)} done, ${grouped(cut - published)} in work · ${grouped(rate)} candidates/s · ${secondsText(seconds)}`
  );
}

function nextCommands(context: Context, summary: RunSummary): string {
  const { name } = summary;
  const lines = [
    ownCommand(context, 'verify', name),
    ownCommand(context, 'replay', name),
    ownCommand(context, 'export', name, '--format', 'jsonl,parquet', '--out', `${name}-data`),
  ];
  if (Object.keys(summary.rejected).length > 0 || summary.duplicates > 0) lines.push(ownCommand(context, 'rejected', name));
  if (summary.failed > 0) lines.push(ownCommand(context, 'failed', name));
  return ['', 'Next:', ...lines.map((line) => `  ${line}`)].join('\n');
}
