/** What a run came to, as people read it; and what to do about one that fell short of its count. */
import type { Json, RunSummary } from '#engine';
import { bytesText, columns, grouped, percent, secondsText, shortened } from './format.ts';

/** Groups of a report that a summary shows. */
const GROUPS_SHOWN = 8;
const REPORT_LIMIT = 200;

/** The budget or the source ended before the count that was asked for was reached. */
export function fellShort(summary: RunSummary): boolean {
  return summary.wanted !== null && summary.accepted < summary.wanted;
}

/** @param timed work of this process; undefined where there was none. */
export function summaryText(
  summary: RunSummary,
  timed: { readonly seconds: number; readonly before: number } | undefined,
  strong: (text: string) => string,
): string {
  const { candidates, wanted } = summary;
  const share = (n: number): string => percent(n, candidates);
  const counts = [
    ['candidates', grouped(candidates), ''],
    ['kept', grouped(summary.accepted), wanted === null ? share(summary.accepted) : `of ${grouped(wanted)} wanted`],
    ['  corrected', grouped(summary.corrected), 'candidates that a step changed'],
    ...rejectedRows(summary.rejected).map(([step, n]) => [`rejected by ${step}`, grouped(n), share(n)]),
    ['duplicates', grouped(summary.duplicates), share(summary.duplicates)],
    ['failed', grouped(summary.failed), share(summary.failed)],
  ];
  const facts = [
    ...(timed === undefined ? [] : [['time', timeText(candidates, timed)]]),
    ['gas', grouped(summary.gas)],
    ['bytes', `${bytesText(summary.bytes.local)} local, ${bytesText(summary.bytes.global)} global`],
    ['tree', `${grouped(summary.treeSize)} leaves, root ${summary.root}`],
    ['program', summary.program],
    ['verifier key', summary.verifierKey],
  ];
  const reports = Object.entries(summary.reports).map(([step, report]) => [step, reportText(report)]);
  return [
    strong(`${summary.name}/${summary.generation}: ${grouped(summary.accepted)} records`),
    columns(counts, [1], '  '),
    '',
    columns([...facts, ...reports], [], '  '),
  ].join('\n');
}

function timeText(candidates: number, { seconds, before }: { readonly seconds: number; readonly before: number }): string {
  const rate = `${grouped(Math.round((candidates - before) / Math.max(seconds, 0.001)))} candidates/s`;
  return `${secondsText(seconds)}, ${rate}${before === 0 ? '' : `; ${grouped(before)} candidates were done before`}`;
}

function rejectedRows(rejected: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(rejected).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/** Counts by group as `a 3, b 2`; anything else as JSON. */
function reportText(report: Json): string {
  if (typeof report === 'object' && report !== null && 'groups' in report) {
    const { groups } = report as { readonly groups: Json };
    if (typeof groups === 'object' && groups !== null && !Array.isArray(groups)) {
      const entries = Object.entries(groups).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
      if (entries.length > 0) return groupsText(entries);
    }
  }
  return shortened(JSON.stringify(report), REPORT_LIMIT);
}

function groupsText(entries: [string, number][]): string {
  const sorted = entries.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const more = sorted.length - GROUPS_SHOWN;
  return (
    sorted
      .slice(0, GROUPS_SHOWN)
      .map(([group, n]) => `${group} ${grouped(n)}`)
      .join(', ') + (more > 0 ? `, and ${more} more` : '')
  );
}

/** For a run that fell short: how many candidates gave how many records, what took most, what to raise. */
export function exhaustedText(summary: RunSummary): string {
  const { candidates, accepted, wanted } = summary;
  const drops: [string, number][] = [
    ...rejectedRows(summary.rejected).map(([step, n]): [string, number] => [`step '${step}' rejected`, n]),
    ['duplicates took', summary.duplicates],
    ['failures took', summary.failed],
  ];
  const [worst] = drops.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const lines = [
    `error: not enough: ${grouped(candidates)} candidates gave ${grouped(accepted)} of the ${grouped(wanted ?? 0)} records wanted`,
  ];
  if (worst !== undefined) lines.push(`  most were lost where ${worst[0]} ${grouped(worst[1])} (${percent(worst[1], candidates)})`);
  lines.push(`  try: ${adviceOf(summary)}`);
  return lines.join('\n');
}

function adviceOf({ candidates, accepted, wanted }: RunSummary): string {
  if (accepted === 0) return 'look at `mizu preview` and `mizu rejected`: a rule rejects everything, so a larger budget would not help.';
  const needed = Math.ceil(((wanted ?? 0) * candidates * 1.1) / accepted);
  return `raise budget.candidates to about ${grouped(needed)} (--set budget.candidates=${needed}), lower accept, or loosen that step. A changed workflow needs --new-generation or another --log.`;
}
