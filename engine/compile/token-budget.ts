/**
 * Budgets of tokens and money (P15) as pure functions of a program. A task reserves the most that it could take before it is assigned: for each candidate
 * and each step that asks a model all its draws, with a request of `budget.requestBytes` and an answer of the step's `maxTokens`. Sums are whole
 * numbers of tokens; money is compared in BigInt, so no rounding ever decides.
 */
import type { StepUsage, Tokens, Usage } from '../contract/inference.ts';
import type { OpSpec, Program, TokenPrice } from '../contract/program.ts';
import { fileSource } from '../contract/program.ts';
import { inputBound } from '../proof/counted-tokens.ts';

/** A step that asks a model. */
export interface ModelStep {
  readonly id: string;
  /** The author's name. */
  readonly model: string;
  /** Most tokens of an answer; undefined where the server decides. */
  readonly maxTokens: number | undefined;
  /** Most questions for one record: its draws. */
  readonly draws: number;
}

/** Undefined for an op that asks no model. */
export function modelStep({ id, kind, params }: OpSpec): ModelStep | undefined {
  if (kind !== 'external' || typeof params !== 'object' || params === null) return undefined;
  const { model, maxTokens, draws } = params as { readonly [name: string]: unknown };
  if (typeof model !== 'string') return undefined;
  return { id, model, maxTokens: typeof maxTokens === 'number' ? maxTokens : undefined, draws: typeof draws === 'number' ? draws : 1 };
}

export function modelSteps({ stages }: Pick<Program, 'stages'>): ModelStep[] {
  return stages.flatMap(({ ops }) => ops.flatMap((op) => modelStep(op) ?? []));
}

/** What one candidate could take at most, by step. */
export function worstOfCandidate(steps: readonly ModelStep[], requestBytes: number): Usage {
  const worst = ({ maxTokens = 0, draws }: ModelStep): StepUsage => ({
    questions: draws,
    input: draws * inputBound(requestBytes),
    output: draws * maxTokens,
  });
  return Object.fromEntries(steps.map((step) => [step.id, worst(step)]));
}

export function scaledUsage(usage: Usage, by: number): Usage {
  const scale = ({ questions, input, output }: StepUsage): StepUsage => ({
    questions: questions * by,
    input: input * by,
    output: output * by,
  });
  return Object.fromEntries(Object.entries(usage).map(([step, one]) => [step, scale(one)]));
}

export function sumUsage(...all: readonly (Usage | undefined)[]): Usage {
  const sum: Record<string, StepUsage> = {};
  for (const usage of all) {
    for (const [step, { questions, input, output }] of Object.entries(usage ?? {})) {
      const before = sum[step] ?? NO_USAGE;
      sum[step] = { questions: before.questions + questions, input: before.input + input, output: before.output + output };
    }
  }
  return sum;
}

export function totalUsage(usage: Usage): StepUsage {
  let [questions, input, output] = [0, 0, 0];
  for (const one of Object.values(usage)) {
    questions += one.questions;
    input += one.input;
    output += one.output;
  }
  return { questions, input, output };
}

/** Millionths of a millionth of the currency: tokens × millionths for a million tokens. */
export function costOf({ input, output }: Tokens, price: TokenPrice): bigint {
  return BigInt(input) * BigInt(price.input) + BigInt(output) * BigInt(price.output);
}

/** Millionths of the currency, rounded up; for people. */
export function toMicros(cost: bigint): number {
  return Number((cost + MICRO - 1n) / MICRO);
}

export class TokenBudget {
  /** What every task reserves. */
  readonly perTask: Usage;
  private readonly tokens: number | undefined;
  private readonly money: bigint | undefined;
  private readonly prices: ReadonlyMap<string, TokenPrice>;

  private constructor(program: Program) {
    const { tokens, money, requestBytes = 0 } = program.budget;
    const steps = modelSteps(program);
    this.perTask = scaledUsage(worstOfCandidate(steps, requestBytes), candidatesPerTask(program));
    this.tokens = tokens;
    this.money = money === undefined ? undefined : BigInt(money.micros) * MICRO;
    const free: TokenPrice = { input: 0, output: 0 };
    this.prices = new Map(steps.map(({ id, model }) => [id, money?.prices[model] ?? free]));
  }

  /** Undefined for a program without a budget of tokens or money. */
  static of(program: Program): TokenBudget | undefined {
    return program.budget.tokens === undefined && program.budget.money === undefined ? undefined : new TokenBudget(program);
  }

  /** Whether one task more may be assigned, while `open` ones have reserved and `counted` is what all others took. */
  fits(counted: Usage, open: number): boolean {
    return this.holds(sumUsage(counted, scaledUsage(this.perTask, open + 1)));
  }

  /** Whether so much is within the budget. */
  holds(usage: Usage): boolean {
    const { input, output } = totalUsage(usage);
    if (this.tokens !== undefined && input + output > this.tokens) return false;
    return this.money === undefined || this.cost(usage) <= this.money;
  }

  /** How many tasks more may be assigned, up to `most`. */
  affordable(counted: Usage, open: number, most: number): number {
    let low = 0;
    let high = Math.max(0, most);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.fits(counted, open + middle - 1)) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private cost(usage: Usage): bigint {
    let sum = 0n;
    for (const [step, one] of Object.entries(usage)) sum += costOf(one, this.prices.get(step) ?? { input: 0, output: 0 });
    return sum;
  }
}

/** Candidates that a task has at most. Every task reserves for so many, the last one too: what is refused does not depend on its size. */
export function candidatesPerTask(program: Pick<Program, 'task' | 'budget' | 'source'>): number {
  const records = fileSource(program)?.records ?? Number.POSITIVE_INFINITY;
  return Math.min(program.task.size, program.budget.candidates ?? Number.POSITIVE_INFINITY, records);
}

const NO_USAGE: StepUsage = { questions: 0, input: 0, output: 0 };
const MICRO = 1_000_000n;
