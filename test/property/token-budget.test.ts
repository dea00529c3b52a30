/** Where a budget of tokens or money ends a run depends on nothing but what the tasks before took, in order of k; and nothing is overspent (P15, law 1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Budget, OpSpec, Program, Usage } from '#engine';
import { modelSteps, scaledUsage, sumUsage, TokenBudget, totalUsage, worstOfCandidate } from '../../engine/compile/token-budget.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

function asking(id: string, model: string, maxTokens: number): OpSpec {
  const params = { as: id, model, maxTokens };
  return { id, op: 'inference', version: 1, kind: 'external', params, reads: [], writes: [], data: [], onFail: 'drop', storage: 'global' };
}

function programOf(size: number, budget: Budget): Program {
  const ops = [asking('body', 'small', 20), asking('verdict', 'large', 5)];
  return {
    mizu: 1,
    seed: 0,
    budget,
    task: { size },
    block: 8,
    data: {},
    stages: [{ index: 0, kind: 'source', partitions: 1, input: [], ops, output: [] }],
    published: [],
  };
}

const PRICES = { small: { input: 150_000, output: 600_000 }, large: { input: 2_500_000, output: 10_000_001 } };
const program = fc
  .record({
    size: fc.integer({ min: 1, max: 6 }),
    tokens: fc.option(fc.integer({ min: 2_000, max: 60_000 }), { nil: undefined }),
    micros: fc.integer({ min: 5_000, max: 200_000 }),
  })
  .map(({ size, tokens, micros }) =>
    programOf(size, { requestBytes: 100, ...(tokens === undefined ? { money: { micros, currency: 'EUR', prices: PRICES } } : { tokens }) }),
  );

/** What task k takes: any share of the most that it could. */
function takenBy(budget: TokenBudget, share: number): Usage {
  return Object.fromEntries(
    Object.entries(budget.perTask).map(([step, worst]) => [
      step,
      {
        questions: worst.questions,
        input: Math.floor((worst.input * share) / 100),
        output: Math.floor((worst.output * share) / 100),
      },
    ]),
  );
}

/** Tasks until the first that does not fit behind all before it, read plainly. */
function stopOf(budget: TokenBudget, taken: readonly Usage[]): number {
  let sum: Usage = {};
  for (const [k, usage] of taken.entries()) {
    if (!budget.holds(sumUsage(sum, budget.perTask))) return k;
    sum = sumUsage(sum, usage);
  }
  return taken.length;
}

/** As the orchestrator does: cuts what is affordable, up to a window, and takes results in a drawn order. */
function cutInOrder(budget: TokenBudget, taken: readonly Usage[], window: number, draws: readonly number[]): { cut: number; most: Usage } {
  let cut = 0;
  let turn = 0;
  const open: number[] = [];
  let counted: Usage = {};
  let most: Usage = {};
  for (;;) {
    const more = budget.affordable(counted, open.length, Math.min(window - open.length, taken.length - cut));
    for (let n = 0; n < more; n++) open.push(cut++);
    most = sumUsage(counted, scaledUsage(budget.perTask, open.length));
    if (!budget.holds(most)) return { cut, most };
    if (open.length === 0) return { cut, most };
    const [done = 0] = open.splice((draws[turn++ % draws.length] ?? 0) % open.length, 1);
    counted = sumUsage(counted, taken[done]);
  }
}

describe(`budgets of tokens and money (seed ${SEED})`, () => {
  it('stop at the same task whatever the window and the order of results, and what is taken and reserved never exceeds them', () => {
    fc.assert(
      fc.property(
        program,
        fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.nat(50), { minLength: 1, maxLength: 20 }),
        (made, shares, window, draws) => {
          const budget = TokenBudget.of(made);
          if (budget === undefined) throw new Error('the program has a budget');
          const taken = shares.map((share) => takenBy(budget, share));
          const { cut, most } = cutInOrder(budget, taken, window, draws);
          expect(budget.holds(most)).toBe(true);
          expect(cut).toBe(stopOf(budget, taken));
        },
      ),
      { seed: SEED },
    );
  });

  it('reserve for each candidate and step its longest request and answer', () => {
    const made = programOf(3, { tokens: 10, requestBytes: 100 });
    const worst = scaledUsage(worstOfCandidate(modelSteps(made), 100), 3);
    expect(worst).toEqual({ body: { questions: 3, input: 492, output: 60 }, verdict: { questions: 3, input: 492, output: 15 } });
    expect(TokenBudget.of(made)?.perTask).toEqual(worst);
    expect(totalUsage(worst)).toEqual({ questions: 6, input: 984, output: 75 });
  });

  it('compare money without rounding: one millionth of a millionth more is refused', () => {
    const prices = { small: { input: 1, output: 1 }, large: { input: 0, output: 0 } };
    const budget = TokenBudget.of(programOf(1, { requestBytes: 100, money: { micros: 1, currency: 'EUR', prices } }));
    const worst = totalUsage({ body: budget?.perTask['body'] ?? { questions: 0, input: 0, output: 0 } });
    const left = 1_000_000 - worst.input - worst.output;
    expect(budget?.fits({ body: { questions: 1, input: left, output: 0 } }, 0)).toBe(true);
    expect(budget?.fits({ body: { questions: 1, input: left + 1, output: 0 } }, 0)).toBe(false);
  });
});
