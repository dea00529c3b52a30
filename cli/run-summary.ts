/** What a run came to, as people read it; and what to do about one that fell short of its count. */
import type { Budget, Json, RunSummary } from '#engine';
import { bytesText, columns, grouped, percent, secondsText, shortened } from './format.ts';
import { dearestText, inferenceRows, takenText } from './inference-text.ts';

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

function rejectedRows(rejected: Readonly<Record<string, number>>): [string, number][] {
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

/** For a run that fell short: how many candidates gave how many records, what took most, what is there, what to raise. */
export function exhaustedText(summary: RunSummary, budget: Budget = {}): string {
  const { candidates, accepted, wanted, inference, reason } = summary;
  const drops: [string, number][] = [
    ...rejectedRows(summary.rejected).map(([step, n]): [string, number] => [`step '${step}' rejected`, n]),
    ['duplicates took', summary.duplicates],
    ['failures took', summary.failed],
  ];
  const [worst] = drops.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const lines = [
    `error: not enough: ${grouped(candidates)} candidates gave ${grouped(accepted)} of the ${grouped(wanted ?? 0)} records wanted`,
  ];
  if (reason === 'budget' && inference !== null) {
    lines.push(`  the budget ended it: ${takenText(inference, budget)} were taken, and one task more could have taken more than was left`);
    const dearest = dearestText(inference);
    if (dearest !== undefined) lines.push(`  tokens by step: ${dearest}`);
  }
  if (worst !== undefined) lines.push(`  most were lost where ${worst[0]} ${grouped(worst[1])} (${percent(worst[1], candidates)})`);
  if (accepted > 0) lines.push(`  the ${grouped(accepted)} records that are there are published, signed, and can be exported`);
  lines.push(`  try: ${adviceOf(summary, budget)}`);
  return lines.join('\n');
}

function adviceOf(summary: RunSummary, budget: Budget): string {
  const { candidates, accepted, wanted } = summary;
  if (accepted === 0) return 'look at `mizu preview` and `mizu rejected`: a rule rejects everything, so a larger budget would not help.';
  const more = (taken: number): number => Math.ceil(((wanted ?? 0) * taken * 1.1) / accepted);
  if (summary.reason !== 'budget' || summary.inference === null) {
    const needed = more(candidates);
    return `raise budget.candidates to about ${grouped(needed)} (--set budget.candidates=${needed}), lower accept, or loosen that step. A changed workflow needs --new-generation or another --log.`;
  }
  const { input, output, micros } = summary.inference;
  const taken = input + output;
  // What one task reserves has to be left at the end, too.
  const tokens = budget.tokens === undefined ? [] : [`budget.tokens=${more(taken) + Math.max(0, budget.tokens - taken)}`];
  const { money } = budget;
  const spare = money === undefined ? 0 : Math.max(0, money.micros - (micros ?? 0));
  const amount = money === undefined ? [] : [`budget.money=${((more(micros ?? 0) + spare) / 1e6).toFixed(6).replace(/\.?0+$/, '')}`];
  const sets = [...tokens, ...amount].map((set) => `--set ${set}`).join(' ');
  return `raise the budget (about ${sets}) and run with --new-generation: answers that are recorded are used again and not paid again. Or lower accept, or loosen that step.`;
}
