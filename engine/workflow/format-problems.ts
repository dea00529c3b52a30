/** Problems as a good compiler prints them: place, message, the line with a caret, what was found, what was expected, what to try. */
import type { Problem } from '../contract/errors.ts';
import { shorten } from './place.ts';

/** Longest path shown, characters: keys may be of any length. */
const PATH_SHOWN = 200;

/** Most problems shown at once: whoever mends these comes back. */
export const PROBLEMS_SHOWN = 50;

/** One block of lines per problem, blank lines between, then a count. Plain text without colour. */
export function formatProblems(problems: readonly Problem[]): string {
  if (problems.length === 0) return '';
  const blocks = problems.slice(0, PROBLEMS_SHOWN).map((problem) => formatProblem(problem));
  const count = problems.length > PROBLEMS_SHOWN ? `the first ${PROBLEMS_SHOWN} of ${problems.length}` : String(problems.length);
  return `${blocks.join('\n\n')}\n\n${count} ${problems.length === 1 ? 'problem' : 'problems'}`;
}

/** Control pictures (Unicode 2400) begin here: one for each of the first 32 characters. */
const PICTURES = 0x2400;

/** What a file holds must not move the cursor or turn the direction of a terminal; a tab stays, for the caret below it. */
function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufeff]/gu, (mark) => {
    if (mark === '\t') return mark;
    const code = mark.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(PICTURES + code) : '\ufffd';
  });
}

export function formatProblem(problem: Problem): string {
  const lines = [visible(`${placeOf(problem)}${problem.message}`)];
  const labelled = (label: string, text: string | undefined): void => {
    if (text !== undefined) lines.push(`    ${label.padEnd(9)} ${visible(text)}`);
  };
  if (problem.excerpt !== undefined && problem.line !== undefined) lines.push(...excerptOf(problem, problem.excerpt, problem.line));
  labelled('at', problem.path === '' ? undefined : shorten(problem.path, PATH_SHOWN));
  labelled('value', problem.value);
  labelled('expected', problem.expected);
  labelled('try', problem.hint);
  return lines.join('\n');
}

function placeOf(problem: Problem): string {
  const position = problem.line === undefined ? '' : `:${problem.line}${problem.column === undefined ? '' : `:${problem.column}`}`;
  return problem.file === undefined && position === '' ? '' : `${problem.file ?? 'line'}${position}  `;
}

function excerptOf(problem: Problem, excerpt: string, line: number): string[] {
  const number = String(line);
  const lines = [`    ${number} | ${visible(excerpt)}`];
  const column = problem.column;
  if (column !== undefined && column <= excerpt.length + 1) {
    const before = excerpt.slice(0, column - 1).replaceAll(/[^\t]/g, ' ');
    lines.push(`    ${' '.repeat(number.length)} | ${before}^`);
  }
  return lines;
}
