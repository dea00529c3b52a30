/** `mizu replay NAME`: executes the run again from its log alone and compares every leaf and record. */
import type { Json, Mismatch, ReplayReport, TaskRange } from '#engine';
import { replayRun } from '#engine';
import { defaultWorkers, findRun, openExternal, openLog, recordedAnswers, registry, temporaryStorage, WORKER_URL } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { grouped, secondsText } from '../format.ts';
import { extentText } from '../range-text.ts';

export async function replay(
  context: Context,
  name: string,
  options: { readonly tasks?: TaskRange; readonly workers?: number },
): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  const local = temporaryStorage();
  const started = performance.now();
  try {
    const run = await findRun(log, name);
    const { progress, signal, out } = context;
    const gateway = await recordedAnswers({ log, run, local });
    const report = await replayRun({
      log,
      run,
      registry,
      local,
      workerUrl: WORKER_URL,
      workers: options.workers ?? defaultWorkers(),
      ...(options.tasks === undefined ? {} : { tasks: options.tasks }),
      gateway,
      external: openExternal(log, (name) => process.env[name]),
      signal,
      onProgress: (done, total) => progress.update(() => `${grouped(done)} of ${grouped(total)} tasks replayed`),
    });
    await gateway?.close();
    const seconds = (performance.now() - started) / 1000;
    progress.clear();
    await out.text(reportText(context, `${run.run.name}/${run.run.generation}`, report, seconds));
    const { mismatch, range, forgotten, ...rest } = report;
    return {
      exitCode: report.ok ? EXIT.done : EXIT.failed,
      result: {
        name: run.run.name,
        generation: run.run.generation,
        ...rest,
        range: range === undefined ? null : { ...range },
        forgotten: [...forgotten],
        seconds: Number(seconds.toFixed(3)),
        ...(mismatch === undefined ? {} : { mismatch: { ...mismatch } as Json }),
      },
    };
  } finally {
    await local.close();
    await log.close();
  }
}

function reportText({ out }: Context, title: string, report: ReplayReport, seconds: number): string {
  const { mismatch, range, forgotten, unpublished } = report;
  const what = `${title}${extentText(report, report.last)}`;
  const figures = `${grouped(report.tasks)} tasks, ${grouped(report.leaves)} leaves, ${grouped(report.candidates)} candidates, ${grouped(report.records)} published records in ${secondsText(seconds)}`;
  const lines = [
    mismatch === undefined
      ? `${out.style('green', `${what} replays exactly`)}: ${figures}`
      : `${out.style('red', `${what} does not replay`)}: first wrong operation: ${mismatchText(mismatch)}\n  ${figures} before it`,
  ];
  if (forgotten.length > 0)
    lines.push(
      `  Tasks before ${grouped(range?.from ?? 0)} can be replayed no more: the log has forgotten what they are executed from (${forgotten.join(', ')}).`,
    );
  if (unpublished > 0)
    lines.push(
      `  Of ${grouped(unpublished)} tasks the log has forgotten published records: their leaves were compared, which commit to them.`,
    );
  if (!report.closed) lines.push('  The run goes on: what came after its newest signed head was not looked at.');
  return lines.join('\n');
}

function mismatchText(mismatch: Mismatch): string {
  const place = [
    `task ${mismatch.task}`,
    ...(mismatch.block === undefined ? [] : [`block ${mismatch.block}`]),
    `step ${mismatch.step}`,
    ...(mismatch.record === undefined ? [] : [`record ${mismatch.record}`]),
  ];
  return `${place.join(', ')}: ${mismatch.message}`;
}
