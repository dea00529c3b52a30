/**
 * Which of n elements a candidate is given, as places in their list (law 1): one, uniform or by weight; each in turn; or k different ones, by lowest hash or by weight.
 */
import type { Draws, EffectSink, Value } from '#kernel';
import { prefixSums, searchSums } from './weights.ts';

/** Weights as one draw and as several need them. */
export interface Weights {
  readonly each: readonly number[];
  /** Of the weights up to each element. */
  readonly sums: readonly number[];
}

export function weightsOf(each: readonly number[] | undefined): Weights | undefined {
  return each === undefined ? undefined : { each, sums: prefixSums(each) };
}

/** What is picked from: all elements are equally likely without weights. */
export interface Elements {
  readonly elements: readonly Value[];
  readonly weights: Weights | undefined;
}

/** What one record is given: an element, or `pick` different ones. */
export interface Given {
  readonly as: string;
  readonly pick?: number | undefined;
  readonly row: number;
  readonly candidate: number;
}

export function give({ elements, weights }: Elements, { as, pick, row, candidate }: Given, draws: Draws, out: EffectSink): void {
  const n = elements.length;
  if (pick === undefined) {
    out.setValue(as, row, elements[single(draws, candidate, as, n, weights)] ?? null);
    return;
  }
  const chosen =
    weights === undefined ? lowestHashes(draws, candidate, as, n, pick) : weightedWithout(draws, candidate, as, weights.each, pick);
  out.setValue(
    as,
    row,
    chosen.map((index) => elements[index] ?? null),
  );
  out.charge(weights === undefined ? n : pick);
}

function single(draws: Draws, candidate: number, field: string, n: number, weights: Weights | undefined): number {
  if (weights === undefined) return draws.below(n, candidate, field);
  const { sums } = weights;
  return searchSums(sums, draws.below(sums[sums.length - 1] ?? 0, candidate, field));
}

/** Round r = ⌊candidate / n⌋ is a Fisher–Yates shuffle drawn at r; one round is kept, which blocks in order rarely leave. */
export function turns(draws: Draws, field: string, n: number): (candidate: number) => number {
  let round = -1;
  const order = new Uint32Array(n);
  return (candidate) => {
    const wanted = Math.floor(candidate / n);
    if (wanted !== round) {
      round = wanted;
      for (let i = 0; i < n; i++) order[i] = i;
      for (let i = n - 1; i > 0; i--) {
        const j = draws.below(i + 1, round, `${field}/each`, i);
        const kept = order[i] ?? 0;
        order[i] = order[j] ?? 0;
        order[j] = kept;
      }
    }
    return order[candidate % n] ?? 0;
  };
}

/** k of n: the elements whose draw is lowest, in that order; equal draws (2^-256) by index. */
function lowestHashes(draws: Draws, candidate: number, field: string, n: number, k: number): readonly number[] {
  const ranked = Array.from({ length: n }, (_, index) => ({ index, draw: draws.bytes(candidate, field, index) }));
  ranked.sort((a, b) => Buffer.compare(a.draw, b.draw) || a.index - b.index);
  return ranked.slice(0, k).map((entry) => entry.index);
}

function weightedWithout(draws: Draws, candidate: number, field: string, weights: readonly number[], k: number): readonly number[] {
  const left = [...weights];
  return Array.from({ length: k }, (_, draw) => {
    const sums = prefixSums(left);
    const index = searchSums(sums, draws.below(sums[sums.length - 1] ?? 1, candidate, field, draw));
    left[index] = 0;
    return index;
  });
}
