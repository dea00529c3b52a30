/** Tokens and cost as people read them. */
import type { Budget, InferenceEstimate, InferenceTotals } from '#engine';
import { grouped, percent } from './format.ts';

/** 0.001234 USD: at least two decimals, at most six. */
export function moneyText(micros: number, currency: string): string {
  const whole = Math.floor(micros / 1_000_000);
  const fraction = String(micros % 1_000_000)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${grouped(whole)}.${fraction} ${currency}`;
}

export function tokensText({ input, output }: Pick<InferenceTotals, 'input' | 'output'>): string {
  return `${grouped(input + output)} tokens (${grouped(input)} in, ${grouped(output)} out)`;
}

function costText(micros: number | null, currency: string | null): string {
  return micros === null || currency === null ? '' : `, ${moneyText(micros, currency)}`;
}

/** `12,345 tokens of 600,000, 0.01 USD`, for one line of progress. */
export function takenText(totals: InferenceTotals, budget: Budget): string {
  const tokens = totals.input + totals.output;
  const of = budget.tokens === undefined ? '' : ` of ${grouped(budget.tokens)}`;
  const cost = costText(totals.micros, totals.currency);
  const ofMoney = budget.money === undefined || cost === '' ? '' : ` of ${moneyText(budget.money.micros, budget.money.currency)}`;
  return `${grouped(tokens)}${of} tokens${cost}${ofMoney}`;
}

/** `about 3,000 tokens, 0.02 USD to come`; empty where nothing can be said. */
export function estimateText(estimate: InferenceEstimate | null | undefined, currency: string | null): string {
  if (estimate === undefined || estimate === null || estimate.candidates === 0) return '';
  return `about ${grouped(estimate.tokens)} tokens${costText(estimate.micros, currency)} to come (estimate: ${grouped(estimate.candidates)} candidates × mean so far)`;
}

/** Rows of a table: all together, then each step. */
export function inferenceRows(totals: InferenceTotals | null): string[][] {
  if (totals === null) return [];
  const of = (what: Pick<InferenceTotals, 'questions' | 'input' | 'output' | 'micros'>): string =>
    `${grouped(what.questions)} questions, ${tokensText(what)}${costText(what.micros, totals.currency)}`;
  const steps = Object.entries(totals.steps);
  return [['inference', of(totals)], ...steps.map(([step, one]) => [`  ${step}`, `${of(one)}, by ${one.model}`])];
}

/** Which step took most tokens, for a run that fell short; undefined if none took any. */
export function dearestText(totals: InferenceTotals): string | undefined {
  const all = totals.input + totals.output;
  const ranked = Object.entries(totals.steps).sort(([, a], [, b]) => b.input + b.output - a.input - a.output);
  const shown = ranked
    .filter(([, { input, output }]) => input + output > 0)
    .map(([step, { input, output }]) => `'${step}' ${grouped(input + output)} (${percent(input + output, all)})`);
  return shown.length === 0 ? undefined : shown.join(', ');
}
