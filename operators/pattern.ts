/**
 * Patterns: RE2 syntax and semantics (linear time in the text, no back-references, no look-around), by re2js over UTF-8 bytes.
 * Its Unicode classes are tables of its own; only case folding of non-ASCII letters asks the runtime, so case is folded
 * in ASCII patterns alone (law 1).
 */
import type { PlanContext } from '#kernel';
import { messageOf } from '#kernel';
import { RE2JS } from 're2js';
import { z } from 'zod';

/** Longest pattern, UTF-16 units. */
export const PATTERN_LIMIT = 1000;
/** Largest compiled pattern, re2js instructions: bounds the work per byte of text. */
export const PATTERN_SIZE_LIMIT = 5000;

export const patternParam = (what: string) => z.string().min(1).max(PATTERN_LIMIT).describe(what);

const FOLDS_CASE = /\(\?[a-zA-Z]*i/;
const BEYOND_ASCII = /[\u0080-\uffff]|\\[pP]|\\x\{/;

/** The compiled pattern; undefined after a reported problem. */
export function planPattern(context: PlanContext, pattern: string, at: string): RE2JS | undefined {
  if (FOLDS_CASE.test(pattern) && BEYOND_ASCII.test(pattern)) {
    context.problem(at, 'Case can be ignored in ASCII patterns only', {
      expected: 'a pattern with (?i) holds ASCII characters and no \\p or \\x{…}',
      hint: 'list both cases: [Éé]',
    });
    return undefined;
  }
  try {
    const compiled = compilePattern(pattern);
    if (compiled.programSize() <= PATTERN_SIZE_LIMIT) return compiled;
    context.problem(at, `The pattern compiles to ${compiled.programSize()} instructions`, {
      expected: `at most ${PATTERN_SIZE_LIMIT}`,
      hint: 'large counted repetitions such as {1,500} are what costs most',
    });
  } catch (error) {
    context.problem(at, `Not a pattern: ${messageOf(error)}`, {
      expected: 'RE2 syntax (no back-references and no look-around)',
      hint: String.raw`in YAML, quote patterns with single quotes: '\d+'`,
    });
  }
  return undefined;
}

/** @throws what re2js says of a malformed pattern. */
export function compilePattern(pattern: string): RE2JS {
  return RE2JS.compile(pattern);
}

/** Does the pattern match anywhere in the UTF-8 text? */
export function matchesAnywhere(pattern: RE2JS, text: Uint8Array): boolean {
  return pattern.test(text);
}

/** Text of the first match. */
export function firstMatch(pattern: RE2JS, text: string): string | undefined {
  const matcher = pattern.matcher(text);
  return matcher.find() ? (matcher.group() ?? undefined) : undefined;
}

/** A group of the first match: null where it took no part in it; undefined where nothing matches. */
export function groupOfFirstMatch(pattern: RE2JS, text: string, group: number): string | null | undefined {
  const matcher = pattern.matcher(text);
  return matcher.find() ? (matcher.group(group) ?? null) : undefined;
}
