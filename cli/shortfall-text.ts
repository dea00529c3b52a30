/** For a run that fell short of its count: how many candidates gave how many records, what took most, what ended it, what is there, and what would do. */
import type { Budget, Program, RunSummary } from '#engine';
import { grouped, percent } from './format.ts';
import { dearestText, takenText } from './inference-text.ts';
import { NAMES_SHOWN, openText, quotaShortfall, type QuotaShortfall } from './quota-shortfall.ts';
import { rejectedRows } from './run-summary.ts';

/** What is advised is this much more than the shares so far ask for. */
const MARGIN = 1.1;

export function exhaustedText(summary: RunSummary, { budget, stages }: Pick<Program, 'budget' | 'stages'>): string {
  const { candidates, accepted, wanted, inference, reason } = summary;
  const drops: [string, number][] = [
    ...rejectedRows(summary.rejected).map(([step, n]): [string, number] => [`step '${step}' rejected`, n]),
    ['duplicates took', summary.duplicates],
    ['failures took', summary.failed],
  ];
  const [worst] = drops.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const quota = quotaShortfall(summary, stages);
  const lines = [
    `error: not enough: ${grouped(candidates)} candidates gave ${grouped(accepted)} of the ${grouped(wanted ?? 0)} records wanted`,
  ];
  if (reason === 'budget' && inference !== null) {
    lines.push(`  the budget ended it: ${takenText(inference, budget)} were taken, and one task more could have taken more than was left`);
    const dearest = dearestText(inference);
    if (dearest !== undefined) lines.push(`  tokens by step: ${dearest}`);
  }
  if (quota !== undefined) {
    const { step, rejected, full } = quota;
    lines.push(`  full quotas are why: step '${step}' rejected ${grouped(rejected)} records of categories that are full (${full})`);
    lines.push(`  ${openText(quota)}`);
  } else if (worst !== undefined) lines.push(`  most were lost where ${worst[0]} ${grouped(worst[1])} (${percent(worst[1], candidates)})`);
  if (accepted > 0) lines.push(`  the ${grouped(accepted)} records that are there are published, signed, and can be exported`);
  lines.push(`  try: ${quota === undefined ? adviceOf(summary, budget) : quotaAdvice(quota, summary, budget)}`);
  return lines.join('\n');
}

function adviceOf(summary: RunSummary, budget: Budget): string {
  const { accepted, wanted } = summary;
  if (accepted === 0) return 'look at `mizu preview` and `mizu rejected`: a rule rejects everything, so a larger budget would not help.';
  const sets = enlarged(summary, budget, (wanted ?? 0) / accepted);
  if (!endedByTokens(summary))
    return `raise budget.candidates to about ${sets}, lower accept, or loosen that step. A changed workflow needs --new-generation or another --log.`;
  return `raise the budget (about ${sets}) and run with --new-generation: ${PAID_ONCE}. Or lower accept, or loosen that step.`;
}

function quotaAdvice({ open, room, lacking, factor }: QuotaShortfall, summary: RunSummary, budget: Budget): string {
  if (room < lacking)
    return `raise what the quota keeps of a category, let other categories come up, or lower accept to ${grouped(summary.accepted + room)}: with these a larger budget does not give more.`;
  const names = open.slice(0, NAMES_SHOWN).map(({ name }) => `'${name}'`);
  const likelier = `let ${names.join(', ')} come up more often (\`weight\` of the step that makes it), or ask for less of it and lower accept`;
  if (factor === undefined) return `${likelier}: a larger budget is no cure for what does not come up.`;
  const again = summary.inference === null ? '' : `, with --new-generation: ${PAID_ONCE}`;
  return `${likelier}. At the present shares it takes a budget of about ${enlarged(summary, budget, factor)}${again}.`;
}

const PAID_ONCE = 'answers that are recorded are used again and not paid again';

function endedByTokens({ reason, inference }: RunSummary): boolean {
  return reason === 'budget' && inference !== null;
}

/** The budget that ended the run, so many times as large. */
function enlarged(summary: RunSummary, budget: Budget, factor: number): string {
  // A share as a double is off by little, and one candidate more would look like a reason.
  const more = (taken: number): number => Math.ceil(Number((taken * factor * MARGIN).toFixed(6)));
  const { candidates, inference } = summary;
  if (!endedByTokens(summary) || inference === null) return `${grouped(more(candidates))} (--set budget.candidates=${more(candidates)})`;
  const taken = inference.input + inference.output;
  // What one task reserves has to be left at the end, too.
  const tokens = budget.tokens === undefined ? [] : [`budget.tokens=${more(taken) + Math.max(0, budget.tokens - taken)}`];
  const { money } = budget;
  const micros = inference.micros ?? 0;
  const spare = money === undefined ? 0 : Math.max(0, money.micros - micros);
  const amount = money === undefined ? [] : [`budget.money=${((more(micros) + spare) / 1e6).toFixed(6).replace(/\.?0+$/, '')}`];
  return [...tokens, ...amount].map((set) => `--set ${set}`).join(' ');
}
