/** `mizu rejected NAME`: every rejected record with step, rule, measured value and limit, and every duplicate with its winner (law 5). */
import type { DropView, Json, Log } from '#engine';
import { listDrops } from '#engine';
import { findRun, openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { grouped, shortened } from '../format.ts';
import { plain, showValue } from '../show-value.ts';
import { whyText } from '../why-text.ts';

const RECORD_LIMIT = 160;
type DropKind = DropView['kind'];

export function rejected(context: Context, name: string): Promise<Outcome> {
  return listDropped(context, name, ['rejected', 'duplicate']);
}

/** With `--json` one object a line for each record, then the counts. */
export async function listDropped(context: Context, name: string, kinds: readonly DropKind[]): Promise<Outcome> {
  const log: Log = await openLog(context.log, { readOnly: true });
  try {
    const run = await findRun(log, name);
    const counts: Record<string, number> = {};
    let total = 0;
    for (const kind of kinds) {
      for await (const drop of listDrops(log, run, kind)) {
        const key = kind === 'duplicate' ? 'duplicates' : stepOf(drop);
        counts[key] = (counts[key] ?? 0) + 1;
        total++;
        await context.out.text(dropText(drop));
        await context.out.object(dropJson(drop));
      }
    }
    const parts = Object.entries(counts).map(([step, n]) => `${step} ${grouped(n)}`);
    await context.out.text(total === 0 ? `${run.run.name}/${run.run.generation}: none` : `${grouped(total)} records: ${parts.join(', ')}`);
    return { result: { name: run.run.name, generation: run.run.generation, count: total, steps: counts } };
  } finally {
    await log.close();
  }
}

/** As in the run's summary: the step, or for the exact count its rule. */
function stepOf({ step, rule }: DropView): string {
  return step === 'accept' ? rule : step;
}

function dropText(drop: DropView): string {
  const { measured, limit, code, message, winner } = drop;
  const why = whyText({
    ...(measured === undefined ? {} : { measured }),
    ...(limit === undefined ? {} : { limit }),
    ...(code === '' ? {} : { code, message }),
    ...(winner === undefined ? {} : { winner }),
  });
  return `${drop.id}  ${stepOf(drop)}${why}\n    ${drop.row === undefined ? shortened(`bytes ${Buffer.from(drop.record).toString('hex')}`, RECORD_LIMIT) : showValue(drop.row, RECORD_LIMIT)}`;
}

function dropJson(drop: DropView): Json {
  const { id, kind, step, rule, measured, limit, code, message, winner, row, record } = drop;
  return {
    id,
    kind,
    step,
    ...(rule === '' ? {} : { rule }),
    ...(measured === undefined ? {} : { measured }),
    ...(limit === undefined ? {} : { limit }),
    ...(code === '' ? {} : { code, message }),
    ...(winner === undefined ? {} : { winner }),
    record: row === undefined ? null : plain(row),
    bytes: Buffer.from(record).toString('base64'),
  };
}
