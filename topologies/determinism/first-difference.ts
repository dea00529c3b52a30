/** Where two JSON values first differ, so that an error shows one number and not a page of them. */
import type { Json } from '#engine';

export interface Difference {
  /** Path below the values, such as `[3].row.x`; empty for the values themselves. */
  readonly at: string;
  readonly expected: Json | undefined;
  readonly got: Json | undefined;
}

/** Undefined for equal values. Keys are compared in the order of the expected value. */
export function firstDifference(expected: Json | undefined, got: Json | undefined, at = ''): Difference | undefined {
  if (isMap(expected) && isMap(got) && Array.isArray(expected) === Array.isArray(got)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
      const below = Array.isArray(expected) ? `${at}[${key}]` : `${at}${at === '' ? '' : '.'}${key}`;
      const found = firstDifference(expected[key], got[key], below);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return expected === got ? undefined : { at, expected, got };
}

function isMap(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null;
}
