/** What may become of a damaged file: it compiles, or it is refused with problems that each have a place and a cure (law 10). Anything else is a failure. */
import type { CompileHost, Problem } from '#engine';
import { compileWorkflow, describeProgram, formatProblems, MizuError, parseGatewayConfig, workflowText } from '#engine';
import { registry } from '#topologies';

const FILE = 'w.yaml';
/** Longest message and longest cure, characters. */
const MESSAGE_LIMIT = 400;
const CURE_LIMIT = 2_000;

export type Verdict = 'compiles' | 'refused' | { readonly failure: string };

export async function judgeWorkflow(bytes: Uint8Array, host: CompileHost): Promise<Verdict> {
  try {
    const compiled = await compileWorkflow({ text: workflowText(bytes, FILE), file: FILE }, host, registry);
    for (const format of ['text', 'json', 'mermaid'] as const) describeProgram(compiled, format);
    return judgeProblems(compiled.warnings, 'compiles');
  } catch (error) {
    return judgeError(error);
  }
}

export function judgeGateway(bytes: Uint8Array): Verdict {
  try {
    parseGatewayConfig(workflowText(bytes, FILE), FILE);
    return 'compiles';
  } catch (error) {
    return judgeError(error);
  }
}

function judgeError(error: unknown): Verdict {
  if (!(error instanceof MizuError)) return { failure: `not refused but broken: ${error instanceof Error ? error.stack : String(error)}` };
  if (error.code !== 'WORKFLOW_INVALID') return { failure: `${error.code}: ${error.message}\n${error.stack}` };
  if (error.problems.length === 0) return { failure: 'refused without a problem' };
  return judgeProblems(error.problems, 'refused');
}

function judgeProblems(problems: readonly Problem[], verdict: 'compiles' | 'refused'): Verdict {
  for (const problem of problems) {
    const wrong = wrongIn(problem, verdict === 'refused');
    if (wrong !== undefined) return { failure: `${wrong}: ${JSON.stringify(problem)}` };
  }
  // What a terminal would obey: it shows what the file holds, and does nothing.
  return /(?![\t\n])[\p{Cc}\p{Bidi_Control}]/u.test(formatProblems(problems)) ? { failure: 'a control character' } : verdict;
}

/** @param cured a refusal needs a cure; a warning says what is done anyway. */
function wrongIn(problem: Problem, cured: boolean): string | undefined {
  const { file, line, column, message, hint, expected, value, excerpt } = problem;
  if (file === undefined) return 'no file';
  // What is wrong in a list or rubric stands in that file, which need not have lines.
  if (file === FILE && (line === undefined || column === undefined)) return 'no line and column';
  if (line !== undefined && (line < 1 || (column ?? 1) < 1)) return 'a place outside the file';
  if (cured && hint === undefined && expected === undefined) return 'no cure';
  if (message.length === 0 || message.length > MESSAGE_LIMIT) return `a message of ${message.length} characters`;
  for (const text of [message, hint, expected, value, excerpt]) {
    if (text === undefined) continue;
    if (text.length > CURE_LIMIT || (text === '' && text !== excerpt)) return `a text of ${text.length} characters`;
    if (!text.isWellFormed()) return 'half a surrogate pair';
    if (/\[object |undefined/.test(text) && text !== excerpt && text !== value) return 'a text that no one wrote';
  }
  return undefined;
}
