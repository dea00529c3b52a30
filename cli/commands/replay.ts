/** `mizu replay NAME`: executes the run again from its log alone and compares every leaf and record. */
import type { Json, Mismatch } from '#engine';
import { replayRun } from '#engine';
import { openExternal, openLog, recordedAnswers, registry, temporaryStorage, WORKER_URL } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { grouped, secondsText } from '../format.ts';
import type { TaskRange } from '../program.ts';
import { findRun } from '../run-name.ts';
import { defaultWorkers } from './run.ts';

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
    const title = `${run.run.name}/${run.run.generation}`;
    const figures = `${grouped(report.tasks)} tasks, ${grouped(report.leaves)} leaves, ${grouped(report.candidates)} candidates, ${grouped(report.records)} published records in ${secondsText(seconds)}`;
    const { mismatch, ...rest } = report;
    await out.text(
      mismatch === undefined
        ? `${out.style('green', `${title} replays exactly`)}: ${figures}`
        : `${out.style('red', `${title} does not replay`)}: first wrong operation: ${mismatchText(mismatch)}\n  ${figures} before it`,
    );
    return {
      exitCode: report.ok ? EXIT.done : EXIT.failed,
      result: {
        name: run.run.name,
        generation: run.run.generation,
        ...rest,
        seconds: Number(seconds.toFixed(3)),
        ...(mismatch === undefined ? {} : { mismatch: { ...mismatch } as Json }),
      },
    };
  } finally {
    await local.close();
    await log.close();
  }
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
