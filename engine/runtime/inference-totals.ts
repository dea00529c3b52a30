/** What a run's questions took, for people and programs: tokens and cost by step, how much of the budget that is, and an estimate of what is still to come. */
import type { Usage } from '../contract/inference.ts';
import type { Deployment, Program, TokenPrice } from '../contract/program.ts';
import { costOf, modelSteps, toMicros, totalUsage } from '../compile/token-budget.ts';
import type { Totals } from '../dispatch/control-entry.ts';
import { candidateLimit } from './run-context.ts';

/** Questions and tokens, and millionths of the currency, rounded up; null without a price. An alias, so that it is JSON. */
type Taken = { readonly questions: number; readonly input: number; readonly output: number; readonly micros: number | null };

export type InferenceTotals = Taken & {
  /** Null where a model that was asked has no price, or prices are in several currencies. */
  readonly currency: string | null;
  /** Every step that asks a model, by id, in the order of the program. `model`: the author's name. */
  readonly steps: { readonly [step: string]: Taken & { readonly model: string } };
};

/** What is still to come if it goes on as it went so far: candidates left × mean. */
export interface InferenceEstimate {
  readonly candidates: number;
  readonly tokens: number;
  readonly micros: number | null;
}

type Priced = Pick<Deployment, 'models'>;

/** Null for a program that asks no model. */
export function inferenceTotals(program: Program, deployment: Priced, usage: Usage = {}): InferenceTotals | null {
  const asking = modelSteps(program);
  if (asking.length === 0) return null;
  const currencies = new Set<string | undefined>();
  const steps: Record<string, InferenceTotals['steps'][string]> = {};
  let cost = 0n;
  for (const { id, model } of asking) {
    const taken = usage[id] ?? { questions: 0, input: 0, output: 0 };
    const priced = priceOf(program, deployment, model);
    const own = priced === undefined ? undefined : costOf(taken, priced.price);
    if (taken.questions > 0 || own !== undefined) currencies.add(priced?.currency);
    cost += own ?? 0n;
    steps[id] = { model, ...taken, micros: own === undefined ? null : toMicros(own) };
  }
  const [currency] = currencies;
  const one = currencies.size === 1 && currency !== undefined;
  return { ...totalUsage(usage), currency: one ? currency : null, micros: one ? toMicros(cost) : null, steps };
}

/** Undefined before anything was counted, for a run that has no end, and for one that asks no model. */
export function inferenceEstimate(
  program: Program,
  deployment: Priced,
  { candidates, accepted, usage }: Pick<Totals, 'candidates' | 'accepted' | 'usage'>,
): InferenceEstimate | undefined {
  const totals = inferenceTotals(program, deployment, usage);
  if (totals === null || candidates === 0) return undefined;
  const limit = candidateLimit(program) - candidates;
  const missing = program.accept === undefined ? Number.POSITIVE_INFINITY : Math.max(0, program.accept - accepted);
  const needed = missing === 0 ? 0 : accepted === 0 ? Number.POSITIVE_INFINITY : Math.ceil((missing * candidates) / accepted);
  const left = Math.max(0, Math.min(limit, needed));
  if (!Number.isFinite(left)) return undefined;
  const scaled = (taken: number): number => Math.ceil((taken * left) / candidates);
  return {
    candidates: left,
    tokens: scaled(totals.input + totals.output),
    micros: totals.micros === null ? null : scaled(totals.micros),
  };
}

function priceOf(
  program: Program,
  { models }: Priced,
  model: string,
): { readonly price: TokenPrice; readonly currency: string } | undefined {
  const { money } = program.budget;
  const counted = money?.prices[model];
  if (money !== undefined && counted !== undefined) return { price: counted, currency: money.currency };
  const price = models[model]?.price;
  return price === undefined ? undefined : { price, currency: price.currency };
}
