/** Problems as a good compiler prints them: place, message, the line with a caret, what was found, what was expected, what to try. */
import type { Problem } from '../contract/errors.ts';

/** One block of lines per problem, blank lines between, then a count. Plain text without colour. */
export function formatProblems(problems: readonly Problem[]): string {
  if (problems.length === 0) return '';
  const blocks = problems.map((problem) => formatProblem(problem));
  return `${blocks.join('\n\n')}\n\n${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`;
}

export function formatProblem(problem: Problem): string {
  const lines = [`${placeOf(problem)}${problem.message}`];
  const labelled = (label: string, text: string | undefined): void => {
    if (text !== undefined) lines.push(`    ${label.padEnd(9)} ${text}`);
  };
  if (problem.excerpt !== undefined && problem.line !== undefined) lines.push(...excerptOf(problem, problem.excerpt, problem.line));
  labelled('at', problem.path === '' ? undefined : problem.path);
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
  const lines = [`    ${number} | ${excerpt}`];
  const column = problem.column;
  if (column !== undefined && column <= excerpt.length + 1) {
    const before = excerpt.slice(0, column - 1).replaceAll(/[^\t]/g, ' ');
    lines.push(`    ${' '.repeat(number.length)} | ${before}^`);
  }
  return lines;
}
