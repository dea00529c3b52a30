/** The budget of a program (P15): what is counted must be bounded, and at least one task must fit, before anything is paid. */
import type { Problem } from '../contract/errors.ts';
import type { Budget, MoneyBudget, TokenPrice } from '../contract/program.ts';
import { childPath } from '../workflow/document-path.ts';
import type { Locate, ProblemDetails } from '../workflow/place.ts';
import { problemAt } from '../workflow/place.ts';
import type { ModelSpec, WorkflowSpec } from '../workflow/workflow-schema.ts';
import { DEFAULT_BUDGET_REQUEST_BYTES, micros } from '../workflow/budget-schema.ts';
import type { PlannedOp, PlanResult } from './plan-steps.ts';
import type { ModelStep } from './token-budget.ts';
import { candidatesPerTask, costOf, modelStep, scaledUsage, toMicros, totalUsage, worstOfCandidate } from './token-budget.ts';

export interface BudgetPlan {
  readonly budget: Budget;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Asking {
  readonly op: PlannedOp;
  readonly step: ModelStep;
}

export function planBudget(spec: WorkflowSpec, plan: PlanResult, locate: Locate): BudgetPlan {
  const { candidates, tokens, money } = spec.budget;
  const base = candidates === undefined ? {} : { candidates };
  const problems: Problem[] = [];
  const at = (path: string, message: string, details: ProblemDetails, part: 'key' | 'value' = 'value'): Problem =>
    problemAt(path, locate(path, part), message, details);
  const asking = plan.ops.flatMap((op): Asking[] => {
    const step = modelStep(op.spec);
    return step === undefined ? [] : [{ op, step }];
  });
  const given = tokens !== undefined ? 'budget.tokens' : money !== undefined ? 'budget.money' : undefined;
  if (given === undefined) {
    if (spec.budget.requestBytes === undefined) return { budget: base, problems, warnings: [] };
    const hint = 'give budget.tokens or budget.money too, or leave it out';
    return {
      budget: base,
      problems: [at('budget.requestBytes', 'It bounds what a budget of tokens or money reserves, and there is none', { hint })],
      warnings: [],
    };
  }
  const requestBytes = spec.budget.requestBytes ?? DEFAULT_BUDGET_REQUEST_BYTES;
  const budget: Budget = { ...base, requestBytes, ...(tokens === undefined ? {} : { tokens }) };
  if (asking.length === 0) {
    const unused = at(given, 'No step asks a model, so nothing is counted', { value: '', hint: 'leave it out' });
    return { budget, problems, warnings: plan.uncertain ? [] : [unused] };
  }
  for (const { op, step } of asking) {
    if (step.maxTokens !== undefined) continue;
    problems.push(
      problemAt(op.path, locate(op.path, 'key'), `Step '${step.id}' gives no 'maxTokens', so the most that it could take is not known`, {
        value: '',
        hint: 'say how long an answer may be: `maxTokens: 200`',
      }),
    );
  }
  const paid = money === undefined ? undefined : pricesOf(spec.models, asking, money, at, problems);
  const whole: Budget = paid === undefined ? budget : { ...budget, money: paid };
  if (problems.length === 0) problems.push(...tooSmall(spec, plan, whole, asking, at));
  return { budget: whole, problems, warnings: [] };
}

/** Undefined after a reported problem. */
function pricesOf(
  models: WorkflowSpec['models'],
  asking: readonly Asking[],
  money: number,
  at: (path: string, message: string, details: ProblemDetails) => Problem,
  problems: Problem[],
): MoneyBudget | undefined {
  const prices: Record<string, TokenPrice> = {};
  let currency: string | undefined;
  for (const { step } of asking) {
    const price = models[step.model]?.price;
    if (Object.hasOwn(prices, step.model)) continue;
    const path = childPath('models', step.model);
    if (price === undefined) {
      problems.push(
        at(path, `The model '${step.model}' has no price, and budget.money counts what its answers cost`, {
          value: '',
          hint: 'add `price: { input: 0.15, output: 0.60 }`, for a million tokens; 0 where it costs nothing',
        }),
      );
      return undefined;
    }
    currency ??= price.currency;
    if (price.currency !== currency) {
      problems.push(
        at(childPath(childPath(path, 'price'), 'currency'), 'Prices in two currencies have no sum', {
          expected: currency,
          hint: 'give all prices in one currency',
        }),
      );
      return undefined;
    }
    prices[step.model] = priceOf(price);
  }
  return { micros: micros(money) ?? 0, currency: currency ?? '', prices };
}

export function priceOf(price: NonNullable<ModelSpec['price']>): TokenPrice {
  return { input: micros(price.input) ?? 0, output: micros(price.output) ?? 0 };
}

/** A budget below what one task could take would stop the run before its first question. */
function tooSmall(
  spec: WorkflowSpec,
  plan: PlanResult,
  budget: Budget,
  asking: readonly Asking[],
  at: (path: string, message: string, details: ProblemDetails) => Problem,
): Problem[] {
  const { requestBytes = 0, tokens, money } = budget;
  const steps = asking.map(({ step }) => step);
  const count = candidatesPerTask({ task: spec.task, budget, ...(plan.source === undefined ? {} : { source: plan.source.info }) });
  const worst = scaledUsage(worstOfCandidate(steps, requestBytes), count);
  const { input, output } = totalUsage(worst);
  const questions = steps.reduce((sum, { draws }) => sum + draws, 0);
  const why = `${count} candidates × ${questions} ${questions === 1 ? 'question' : 'questions'}, with requests of ${requestBytes} bytes`;
  const hint = `raise it, or lower task.size (${spec.task.size}), budget.requestBytes (${requestBytes}) or the steps' maxTokens`;
  const problems: Problem[] = [];
  if (tokens !== undefined && input + output > tokens)
    problems.push(
      at('budget.tokens', `One task could take ${input + output} tokens (${why}), so none would ever be assigned`, {
        expected: `at least ${input + output}`,
        hint,
      }),
    );
  if (money === undefined) return problems;
  let cost = 0n;
  for (const { id, model } of steps) cost += costOf(worst[id] ?? { input: 0, output: 0 }, money.prices[model] ?? { input: 0, output: 0 });
  const least = toMicros(cost);
  if (cost > BigInt(money.micros) * 1_000_000n)
    problems.push(
      at('budget.money', `One task could cost ${least / 1e6} ${money.currency} (${why}), so none would ever be assigned`, {
        expected: `at least ${least / 1e6}`,
        hint,
      }),
    );
  return problems;
}
