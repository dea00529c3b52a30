/** One way to show an error, whoever threw it: what happened, with which values, and what to try (law 10). */
import type { ErrorCode, Json, Problem } from '#kernel';
import { formatProblems, MizuError, messageOf } from '#kernel';
import type { ExitCode } from './exit-codes.ts';
import { EXIT } from './exit-codes.ts';

/** Codes that say that the input or the command line was wrong. Every other code is a failed check or run. */
const WRONG_INPUT: readonly ErrorCode[] = [
  'WORKFLOW_INVALID',
  'INPUT_INVALID',
  'USAGE',
  'NOT_FOUND',
  'KEY_INVALID',
  'PROGRAM_CHANGED',
  'SCHEMA_INCOMPATIBLE',
  'FILE_UNREADABLE',
];

export interface RenderedError {
  readonly exitCode: ExitCode;
  /** For people, without a final newline. */
  readonly text: string;
  /** For `--json`. */
  readonly result: { readonly [key: string]: Json };
}

export function renderError(error: unknown, verbose: boolean): RenderedError {
  const known = error instanceof MizuError ? error : new MizuError('INTERNAL', messageOf(error), { cause: error });
  const lines = [headOf(known)];
  const hint =
    known.code === 'INTERNAL' ? 'This is a defect of Mizu: please report it, with the workflow and the output of --verbose.' : known.hint;
  if (hint !== undefined) lines.push(`  try: ${hint}`);
  if (verbose) lines.push(...chainOf(known));
  return { exitCode: exitCodeOf(known.code), text: lines.join('\n'), result: { ok: false, error: jsonOf(known) } };
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  if (code === 'INTERRUPTED') return EXIT.interrupted;
  return WRONG_INPUT.includes(code) ? EXIT.wrongInput : EXIT.failed;
}

function headOf(error: MizuError): string {
  if (error.problems.length > 0) return formatProblems(error.problems);
  if (error.code === 'INTERRUPTED') return error.message;
  return `error: ${error.message}`;
}

function chainOf(error: MizuError): string[] {
  const lines = [
    `  code: ${error.code} (${error.domain}, retry: ${error.retry})${error.component === undefined ? '' : `, at ${error.component}`}`,
  ];
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    lines.push(`  ${at === error ? '' : 'cause: '}${at.stack ?? at.message}`);
  return lines;
}

function jsonOf(error: MizuError): Json {
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.component === undefined ? {} : { component: error.component }),
    ...(error.problems.length === 0 ? {} : { problems: error.problems.map(problemJson) }),
  };
}

function problemJson(problem: Problem): Json {
  return { ...problem };
}
