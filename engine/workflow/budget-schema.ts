/** What an author may write about cost: budgets of a run, prices of models. Amounts are decimal numbers with at most six places, which are exact. */
import { z } from 'zod';
import { REQUEST_LIMIT_BYTES } from '../contract/inference.ts';

/** Most candidates and records of a run: keeps k·B + i exact. */
export const RECORDS_LIMIT = 2 ** 40;
/** Largest budget of money, in units of its currency, and largest price of a million tokens. */
export const MONEY_LIMIT = 1e9;
export const PRICE_LIMIT = 1e6;
/** Longest request of a model under a budget of tokens or money, bytes, when the author gives no `budget.requestBytes`. */
export const DEFAULT_BUDGET_REQUEST_BYTES = 4_096;

/** Millionths of an amount; undefined for one with more than six decimal places. Exact: an amount with six is the double nearest to millionths / 10^6. */
export function micros(amount: number): number | undefined {
  const whole = Math.round(amount * 1e6);
  return whole / 1e6 === amount ? whole : undefined;
}

const count = (what: string) => z.int().min(1).max(RECORDS_LIMIT).describe(what);

const price = (what: string) =>
  z
    .number()
    .min(0)
    .max(PRICE_LIMIT)
    .refine((amount) => micros(amount) !== undefined, 'a price with at most six decimal places')
    .describe(`Price of a million ${what} tokens, such as 0.15.`);

const currency = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,15}$/, 'a short label such as USD, EUR or credits')
  .default('USD')
  .describe('Currency of the prices: a label; nothing is converted.');

const money = z
  .number()
  .positive()
  .max(MONEY_LIMIT)
  .refine((amount) => micros(amount) !== undefined, 'an amount above 0 with at most six decimal places')
  .describe("Stop before answers cost more than this, by the models' prices.");

export const BUDGET = z.strictObject({
  candidates: count('Stop after this many candidates.').optional(),
  tokens: count('Stop before answers take more tokens than this, input and output together.').optional(),
  money: money.optional(),
  requestBytes: z
    .int()
    .min(64)
    .max(REQUEST_LIMIT_BYTES)
    .optional()
    .describe(
      `With tokens or money: longest request of a model, bytes of its JSON; a longer one fails its record. Default: ${DEFAULT_BUDGET_REQUEST_BYTES}.`,
    ),
});

export const PRICE = z
  .strictObject({ input: price('input'), output: price('output'), currency })
  .optional()
  .describe('What a million tokens cost. Part of the program only with `budget.money`.');
