/** `mizu list`: the runs on a log, and in which state each is. */
import type { Json, ListedRun } from '#engine';
import { listStates } from '#engine';
import { openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { columns, grouped } from '../format.ts';
import { stateWord } from '../status-text.ts';

export async function list(context: Context): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const found = await listStates(log, context.signal);
    const rows = found.map((run) => [
      `${run.name}/${run.generation}`,
      stateWord(run),
      `${countText(run, run.accepted)}${run.wanted === null ? '' : ` of ${grouped(run.wanted)}`}`,
      countText(run, run.candidates),
      run.program.slice(0, 12),
    ]);
    await context.out.text(
      rows.length === 0
        ? `No runs on ${context.log}. Start one: mizu run FILE`
        : columns([['run', 'state', 'kept', 'candidates', 'program'], ...rows], [2, 3]),
    );
    return { result: { log: context.log, runs: found.map((run): Json => ({ ...run })) } };
  } finally {
    await log.close();
  }
}

/** A run that goes on has at least what its newest mark says; one without a mark has begun lately. */
function countText({ state }: ListedRun, count: number | null): string {
  if (count === null) return state === 'deployed' ? '0' : '–';
  return state === 'finished' ? grouped(count) : `≥ ${grouped(count)}`;
}
