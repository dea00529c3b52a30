/** What a run came to, as people read it. */
import type { Json, RunSummary } from '#engine';
import { bytesText, columns, grouped, percent, secondsText, shortened } from './format.ts';
import { inferenceRows } from './inference-text.ts';

/** Groups of a report that a summary shows. */
const GROUPS_SHOWN = 8;
const REPORT_LIMIT = 200;

/** The budget or the source ended before the count that was asked for was reached. */
export function fellShort(summary: RunSummary): boolean {
  return summary.wanted !== null && summary.accepted < summary.wanted;
}

/** @param timed work of this process; undefined where there was none. @param paid what of the inference this process paid for. */
export function summaryText(
  summary: RunSummary,
  timed: { readonly seconds: number; readonly before: number } | undefined,
  strong: (text: string) => string,
  paid?: string,
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
    ...inferenceRows(summary.inference),
    ...(paid === undefined ? [] : [['  paid now', paid]]),
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

/** Steps that rejected records, those that rejected most first. */
export function rejectedRows(rejected: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(rejected).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/** Counts by group as `a 3, b 2`; anything else as JSON. */
function reportText(report: Json): string {
  const known = coverageText(report) ?? distinctText(report);
  if (known !== undefined) return known;
  if (typeof report === 'object' && report !== null && 'groups' in report) {
    const { groups } = report as { readonly groups: Json };
    if (typeof groups === 'object' && groups !== null && !Array.isArray(groups)) {
      const entries = Object.entries(groups).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
      if (entries.length > 0) return groupsText(entries);
    }
  }
  return shortened(JSON.stringify(report), REPORT_LIMIT);
}

/** Of the operator `coverage`; undefined for other reports. */
function coverageText(report: Json): string | undefined {
  const { elements, used, least, most, other } = numbersOf(report);
  if (elements === undefined || used === undefined || least === undefined || most === undefined) return undefined;
  const beside = other === undefined || other === 0 ? '' : `; ${grouped(other)} of other values`;
  return `${grouped(used)} of ${grouped(elements)} used, each ${grouped(least)} to ${grouped(most)} times${beside}`;
}

/** Of the operator `distinct`; undefined for other reports. */
function distinctText(report: Json): string | undefined {
  if (typeof report !== 'object' || report === null || !('distinct1' in report)) return undefined;
  const shares = Object.entries(report).flatMap(([name, figures]) => {
    const { share } = numbersOf(figures as Json);
    return share === undefined ? [] : [`${name.replace('distinct', 'distinct-')} ${share.toFixed(2)}`];
  });
  return shares.length === 0 ? 'no words' : shares.join(', ');
}

function numbersOf(report: Json): { readonly [name: string]: number | undefined } {
  if (typeof report !== 'object' || report === null) return {};
  return Object.fromEntries(Object.entries(report).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
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
