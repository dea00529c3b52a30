/** Weights as exact integers: decimals are scaled by one common power of ten, so 0.1 + 0.2 + 0.7 is 1 + 2 + 7. */
import type { DataSet, PlanContext, Value } from '#kernel';
import { z } from 'zod';
import { isRow } from '../fields.ts';

/** Largest sum of scaled weights: what one uniform draw covers. */
export const WEIGHT_SUM_LIMIT = 2 ** 40;

/** Of one element. */
export const weight = z.number().min(0);

type Weights = Readonly<Record<string, number>>;

/** What is weighted: the elements of one list or map. */
export interface Weighted extends Pick<DataSet, 'keys' | 'values'> {
  /** Where its weights stand in the parameters. */
  readonly at: string;
  /** Which list it is, in words after 'element'; empty where there is one. */
  readonly of: string;
  /** Weights by name, as an author would write them. */
  readonly example: string;
}

/** One integer per element; undefined after a reported problem. */
export function planWeights(elements: Weighted, by: string | Weights, context: PlanContext): readonly number[] | undefined {
  const named = typeof by === 'string' ? weightsOfField(elements, by, context) : weightsOfNames(elements, by, context);
  if (named === undefined) return undefined;
  const scaled = scaleToIntegers(named);
  if (scaled === undefined) {
    context.problem(elements.at, `The weights${elements.of} are too far apart to be exact`, {
      expected: `a sum of at most 2^40 once all are whole numbers`,
      hint: 'use fewer decimal places',
    });
  }
  return scaled;
}

function weightsOfField({ keys, values, at, of, example }: Weighted, field: string, context: PlanContext): readonly number[] | undefined {
  const weights = values.map((value: Value) => (isRow(value) ? value[field] : undefined));
  const wrong = weights.findIndex((value) => typeof value !== 'number' || !Number.isFinite(value) || value < 0);
  if (wrong < 0) return weights.filter((value) => typeof value === 'number');
  const element = values[wrong];
  const hint = isRow(element) ? context.nearest(field, Object.keys(element)) : `give a map of weights: ${example}`;
  context.problem(at, `Element ${keys?.[wrong] ?? wrong}${of} has no weight in a field '${field}'`, {
    expected: 'a number that is 0 or more in every element',
    ...(hint === undefined ? {} : { hint }),
  });
  return undefined;
}

function weightsOfNames({ keys, values, at, of }: Weighted, weights: Weights, context: PlanContext): readonly number[] | undefined {
  const names = keys ?? values.map((value) => (typeof value === 'string' ? value : undefined));
  const known = names.filter((name) => name !== undefined);
  if (known.length !== values.length) {
    context.problem(at, 'Only lists of texts and maps can be weighted by name', { hint: 'name a number field of the elements' });
    return undefined;
  }
  const unknown = Object.keys(weights).filter((name) => !known.includes(name));
  const missing = known.filter((name) => !Object.hasOwn(weights, name));
  for (const name of unknown) {
    const hint = context.nearest(name, known);
    context.problem(`${at}.${name}`, `There is no element '${name}'${of}`, hint === undefined ? {} : { hint });
  }
  if (missing.length > 0) {
    context.problem(
      at,
      `No weight for ${missing
        .slice(0, 3)
        .map((name) => `'${name}'`)
        .join(', ')}${of}`,
      { expected: 'a weight for every element; 0 is never picked' },
    );
  }
  return unknown.length + missing.length > 0 ? undefined : known.map((name) => weights[name] ?? 0);
}

/** Undefined where the sum is beyond the limit. */
export function scaleToIntegers(weights: readonly number[]): readonly number[] | undefined {
  const parts = weights.map(decimalOf);
  const places = parts.reduce((most, part) => Math.max(most, part.places), 0);
  let sum = 0n;
  const scaled: number[] = [];
  for (const part of parts) {
    const value = part.digits * 10n ** BigInt(places - part.places);
    sum += value;
    if (sum > WEIGHT_SUM_LIMIT) return undefined;
    scaled.push(Number(value));
  }
  return scaled;
}

/** The shortest decimal of a double (ECMAScript Number::toString) as digits × 10^−places. */
function decimalOf(value: number): { digits: bigint; places: number } {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  const whole = match?.[1] ?? '0';
  const fraction = match?.[2] ?? '';
  const exponent = Number(match?.[3] ?? 0);
  const digits = BigInt(whole + fraction);
  const places = fraction.length - exponent;
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 };
}

export function prefixSums(weights: readonly number[]): readonly number[] {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}

/** First index whose prefix sum is above the drawn number. */
export function searchSums(sums: readonly number[], drawn: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > drawn) high = middle;
    else low = middle + 1;
  }
  return low;
}
