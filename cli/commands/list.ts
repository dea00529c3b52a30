/** `mizu list`: the runs on a log. */
import type { Json, RunStatus } from '#engine';
import { listRuns, readRun, readStatus } from '#engine';
import { openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { columns, grouped } from '../format.ts';

export async function list(context: Context): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const found: RunStatus[] = [];
    for (const { name, generation } of await listRuns(log)) found.push(await readStatus(log, await readRun(log, name, generation)));
    const rows = found.map((status) => [
      `${status.name}/${status.generation}`,
      status.state,
      `${grouped(status.totals.accepted)}${status.wanted === null ? '' : ` of ${grouped(status.wanted)}`}`,
      grouped(status.totals.candidates),
      status.program.slice(0, 12),
    ]);
    await context.out.text(
      rows.length === 0
        ? `No runs on ${context.log}. Start one: mizu run FILE`
        : columns([['run', 'state', 'kept', 'candidates', 'program'], ...rows], [2, 3]),
    );
    return { result: { log: context.log, runs: found.map((status): Json => statusLine(status)) } };
  } finally {
    await log.close();
  }
}

function statusLine({ name, generation, state, program, wanted, totals }: RunStatus): Json {
  return { name, generation, state, program, wanted, accepted: totals.accepted, candidates: totals.candidates };
}
