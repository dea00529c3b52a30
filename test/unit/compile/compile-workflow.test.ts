/** Programs: stages, what travels between them, digests (laws 1 and 10, P3 to P6). */
import { describe, expect, it } from 'vitest';
import type { Compiled } from '../../../engine/compile/compile-host.ts';
import { compileWorkflow } from '../../../engine/compile/compile-workflow.ts';
import { opDigest } from '../../../engine/compile/op-digest.ts';
import { programDigest } from '../../../engine/compile/program-digest.ts';
import type { Problem } from '../../../engine/contract/errors.ts';
import { MizuError } from '../../../engine/contract/errors.ts';
import { step, workflow } from '../../../engine/workflow/builder.ts';
import { memoryHost } from '../../support/memory-host.ts';
import { TEST_REGISTRY } from '../../support/test-operators.ts';

const FILES = { 'things.txt': 'kettle\nlamp\n\nchair\n', 'people.yaml': '- { name: Ann, voice: calm }\n- { name: Bob, voice: loud }\n', 'mail.txt': 'a\nb\nc\n' };

const GOOD = `mizu: 1
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

const compile = (text: string, sets: readonly string[] = []): Promise<Compiled> => compileWorkflow({ text, file: 'w.yaml', sets }, memoryHost(FILES), TEST_REGISTRY);

async function problemsOf(text: string, sets: readonly string[] = []): Promise<readonly Problem[]> {
  try {
    await compile(text, sets);
  } catch (error) {
    if (error instanceof MizuError && error.code === 'WORKFLOW_INVALID') return error.problems;
    throw error;
  }
  return [];
}

const withSteps = (generate: string, verify = '', rest = 'budget: { candidates: 100 }'): string =>
  `mizu: 1\nname: w\ndata: { things: { list: things.txt }, people: { list: people.yaml } }\n${rest}\ngenerate:\n${generate}\n${verify === '' ? '' : `verify:\n${verify}\n`}`;

describe('stages', () => {
  it('are cut at a keyed op and before the exact count', async () => {
    const { program } = await compile(GOOD);
    expect(program.stages.map((s) => [s.kind, s.partitions, s.ops.map((op) => op.id), s.shuffle])).toEqual([
      ['source', 8, ['thing', 'person', 'body', 'size-body'], { by: ['body'], partitions: 8 }],
      ['keyed', 8, ['distinct-body'], { by: [], partitions: 1 }],
      ['last', 1, [], undefined],
    ]);
    expect(program.published).toEqual([{ name: 'thing', type: 'string' }, { name: 'body', type: 'string' }]);
  });
});
