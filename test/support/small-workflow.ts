/** A small workflow over the test operators, with its files, and short ways to compile it and its variants. */
import type { Compiled } from '../../engine/compile/compile-host.ts';
import { compileWorkflow } from '../../engine/compile/compile-workflow.ts';
import type { Problem } from '../../engine/contract/errors.ts';
import { MizuError } from '../../engine/contract/errors.ts';
import { memoryHost } from './memory-host.ts';
import { TEST_REGISTRY } from './test-operators.ts';

export const SMALL_FILES = {
  'things.txt': 'kettle\nlamp\n\nchair\n',
  'people.yaml': '- { name: Ann, voice: calm }\n- { name: Bob, voice: loud }\n',
  'mail.txt': 'a\nb\nc\n',
  'empty.txt': '',
};

export const SMALL_WORKFLOW = `mizu: 1
name: small
seed: 7
accept: 10
budget: { candidates: 40 }
data:
  things: { list: things.txt }
  people: { list: people.yaml }
generate:
  - pick: { from: things, as: thing }
  - pick: { from: people, as: person }
  - join: { as: body, fields: [person.voice, thing] }
verify:
  - size: { field: body, words: [1, 20] }
  - distinct: { by: [body] }
publish: { fields: [thing, body] }
`;

export function compileText(
  text: string,
  sets: readonly string[] = [],
  files: Readonly<Record<string, string>> = SMALL_FILES,
): Promise<Compiled> {
  return compileWorkflow({ text, file: 'w.yaml', sets }, memoryHost(files), TEST_REGISTRY);
}

/** The problems of a workflow that does not compile; none if it does. */
export async function problemsOf(text: string, sets: readonly string[] = []): Promise<readonly Problem[]> {
  try {
    await compileText(text, sets);
    return [];
  } catch (error) {
    if (error instanceof MizuError && error.code === 'WORKFLOW_INVALID') return error.problems;
    throw error;
  }
}

/** A workflow with these steps, each line one step. */
export function withSteps(generate: readonly string[], verify: readonly string[] = [], rest = 'budget: { candidates: 100 }'): string {
  const lines = (steps: readonly string[]): string => steps.map((step) => `  - ${step}\n`).join('');
  const head = 'mizu: 1\nname: w\ndata: { things: { list: things.txt }, people: { list: people.yaml } }\n';
  return `${head}${rest}\ngenerate:\n${lines(generate)}${verify.length === 0 ? '' : `verify:\n${lines(verify)}`}`;
}
