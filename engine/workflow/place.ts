/** Where something stands in what the author wrote, so that every problem can point at it (law 10). */
import type { Problem } from '../contract/errors.ts';

export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** The value as written, shortened. */
  readonly value?: string;
  /** The whole line as written, shortened. */
  readonly excerpt?: string;
}

/** Finds a path, or its nearest ancestor that was written. `key`: the key itself rather than its value. */
export type Locate = (path: string, part?: 'key' | 'value') => Place;

/** Longest value that a problem shows, characters. */
export const VALUE_SHOWN = 80;

/** Longest message of a problem, characters: the names in it may be of any length. */
const MESSAGE_SHOWN = 300;
/** Longest list of what was expected or may be tried, characters: the names in it may be of any length and number. */
const CURE_SHOWN = 1_000;

/** One line. A byte order mark counts as no space here: it is what is wrong with the name that it hides in. */
export function shorten(text: string, limit = VALUE_SHOWN): string {
  const line = text.replaceAll(/[^\S\uFEFF]+/g, ' ').replaceAll(/^ | $/g, '');
  return line.length <= limit ? line : `${line.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

export interface ProblemDetails {
  readonly value?: string | undefined;
  readonly expected?: string | undefined;
  readonly hint?: string | undefined;
}

/** Parsers cut what they object to by UTF-16 units, which may be half a character. */
function atMost(text: string, limit: number): string {
  return (text.length <= limit ? text : shorten(text, limit)).toWellFormed();
}

/** A problem at a place; details win over what the place knows. An empty value shows none. */
export function problemAt(path: string, place: Place, message: string, details: ProblemDetails = {}): Problem {
  const value = details.value ?? place.value;
  return {
    path,
    message: atMost(message, MESSAGE_SHOWN),
    ...(place.file === undefined ? {} : { file: place.file }),
    ...(place.line === undefined ? {} : { line: place.line }),
    ...(place.column === undefined ? {} : { column: place.column }),
    ...(place.excerpt === undefined ? {} : { excerpt: place.excerpt }),
    ...(value === undefined || value === '' ? {} : { value }),
    ...(details.expected === undefined ? {} : { expected: atMost(details.expected, CURE_SHOWN) }),
    ...(details.hint === undefined ? {} : { hint: atMost(details.hint, CURE_SHOWN) }),
  };
}

/** In order of position; problems without a line come last, in the order they were found. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const line = (p: Problem): number => p.line ?? Number.MAX_SAFE_INTEGER;
  return [...problems].sort((a, b) => line(a) - line(b) || (a.column ?? 0) - (b.column ?? 0));
}
