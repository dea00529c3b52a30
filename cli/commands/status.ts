/** `mizu status NAME`: where a run stands; for a finished one, its summary. */
import type { Json, RunStatus } from '#engine';
import { readStatus } from '#engine';
import { openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { bytesText, columns, grouped } from '../format.ts';
import { findRun } from '../run-name.ts';
import { summaryText } from '../run-summary.ts';

const STATES: Readonly<Record<RunStatus['state'], string>> = {
  deployed: 'deployed, no task yet',
  unfinished: 'unfinished: the same `mizu run` goes on where it stopped',
  running: 'running',
  finished: 'finished',
};

export async function status(context: Context, name: string): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const found = await readStatus(log, await findRun(log, name));
    const { bytes, limit } = await log.size();
    if (found.summary === undefined) await context.out.text(standing(found));
    else await context.out.text(summaryText(found.summary, undefined, (text) => context.out.style('bold', text)));
    await context.out.text(`  log ${context.log} holds ${bytesText(bytes)}${limit === undefined ? '' : ` of at most ${bytesText(limit)}`}`);
    return { result: resultOf(found, bytes) };
  } finally {
    await log.close();
  }
}

function standing(found: RunStatus): string {
  const { totals } = found;
  const rows = [
    ['state', STATES[found.state]],
    ['owner', found.owner === '' ? '–' : found.owner],
    ['tasks', `${grouped(found.tasks.published)} done, ${grouped(found.tasks.cut - found.tasks.published)} in work`],
    ['candidates', grouped(totals.candidates)],
    ['kept', `${grouped(totals.accepted)}${found.wanted === null ? '' : ` of ${grouped(found.wanted)}`}`],
    ['rejected', grouped(Object.values(totals.rejected).reduce((sum, n) => sum + n, 0))],
    ['duplicates', grouped(totals.duplicates)],
    ['failed', grouped(totals.failed)],
    ['program', found.program],
  ];
  return `${found.name}/${found.generation}\n${columns(rows, [], '  ')}`;
}

function resultOf(found: RunStatus, logBytes: number): { readonly [key: string]: Json } {
  const { summary, totals, tasks, ...rest } = found;
  return {
    ...rest,
    tasks: { ...tasks },
    logBytes,
    candidates: totals.candidates,
    accepted: totals.accepted,
    corrected: totals.corrected,
    rejected: totals.rejected,
    duplicates: totals.duplicates,
    failed: totals.failed,
    gas: totals.gas,
    bytes: { local: totals.localBytes, global: totals.globalBytes },
    ...(summary === undefined
      ? {}
      : {
          treeSize: summary.treeSize,
          root: summary.root,
          verifierKey: summary.verifierKey,
          reason: summary.reason,
          reports: summary.reports,
        }),
  };
}
