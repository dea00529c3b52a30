/** The two ways to write a repair make the same program, and what is wrong in either is named where it stands (law 10). */
import { describe, expect, it } from 'vitest';
import { compileWorkflow, type Json, MizuError, type Program } from '#engine';
import { registry } from '#topologies';
import { memoryHost } from '../../support/memory-host.ts';

const workflowOf = (...verify: readonly Json[]): string =>
  JSON.stringify({
    mizu: 1,
    name: 'letters',
    data: { products: { list: ['kettle'] } },
    models: { small: { url: 'http://127.0.0.1:9/v1' } },
    budget: { candidates: 4 },
    generate: [{ select: { from: 'products', as: 'body' } }],
    verify,
    publish: { fields: ['body'] },
  });

async function programOf(...verify: readonly Json[]): Promise<Program> {
  return (await compileWorkflow({ text: workflowOf(...verify), file: 'w.yaml' }, memoryHost(), registry)).program;
}

async function problemsOf(...verify: readonly Json[]): Promise<string> {
  try {
    await programOf(...verify);
  } catch (error) {
    if (error instanceof MizuError) return error.problems.map((one) => `${one.path}: ${one.message}; ${one.hint}`).join('\n');
    throw error;
  }
  return 'none';
}

const LENGTH = { field: 'body', words: [2, 4] };

describe('a repair', () => {
  it('of a rule is the step `repair` with this rule', async () => {
    const repair = { model: 'small', tries: 2 };
    const short = await programOf({ length: { ...LENGTH, onFail: { repair } } });
    expect(short).toEqual(await programOf({ repair: { field: 'body', ...repair, checks: [{ length: LENGTH }] } }));
    expect(short.stages[0]?.ops.map(({ id, op, onFail }) => `${id} ${op} ${onFail}`)).toEqual([
      'body select drop',
      'repair-body.check0-1 length note',
      'repair-body.try1 inference drop',
      'repair-body.take1 repair drop',
      'repair-body.check1-1 length note',
      'repair-body.try2 inference drop',
      'repair-body.take2 repair drop',
      'repair-body length drop',
    ]);
  });

  it('of a rule without a field names it', async () => {
    const repair = { model: 'small', field: 'body' };
    const program = await programOf({ expression: { id: 'clean', keep: '!body.contains("[")', onFail: { repair } } });
    expect(program.stages[0]?.ops.at(-1)).toMatchObject({ id: 'clean', op: 'expression', onFail: 'drop' });
  });

  it.each<[Json, RegExp]>([
    [
      { length: { ...LENGTH, onFail: { repair: { model: 'smal' } } } },
      /verify\[0\].length.onFail.repair.model: There is no model 'smal'.*did you mean 'small'/,
    ],
    [{ length: { field: 'body', wods: [2, 4], onFail: { repair: { model: 'small' } } } }, /verify\[0\].length.wods: Unknown key 'wods'/],
    [{ length: { ...LENGTH, onFail: { repair: { model: 'small', tries: 9 } } } }, /length.onFail.repair.tries/],
    [{ length: { ...LENGTH, onFail: { repar: {} } } }, /length.onFail: 'onFail' is not one of the known words/],
    [
      { repair: { field: 'body', model: 'small', checks: [{ lenght: LENGTH }] } },
      /repair.checks\[0\].lenght: There is no rule 'lenght'; did you mean 'length'/,
    ],
    [
      { repair: { field: 'body', model: 'small', checks: [{ length: { field: 'bdy', words: [1, 2] } }] } },
      /checks\[0\].length.field: There is no field 'bdy'/,
    ],
    [{ repair: { field: 'body', model: 'small', checks: [{ length: LENGTH, range: {} }] } }, /checks\[0\]: A check is one rule/],
    [{ repair: { field: 'body', model: 'small', checks: [{ dedup: {} }] } }, /There is no rule 'dedup'/],
  ])('%j is refused where it is wrong', async (step, problem) => {
    expect(await problemsOf(step)).toMatch(problem);
  });
});

describe('a judge', () => {
  const judge = (more: object): Json => ({
    judge: { field: 'body', model: 'small', min: 2, rubric: { scores: { tone: { 1: 'a', 2: 'b' } } }, ...more },
  });
  it.each<[object, RegExp]>([
    [{ rubric: 'rubric.md' }, /rubric: There is no file 'rubric.md'/],
    [{ rubric: '# no scores\n' }, /the rubric has 0 scores/],
    [{ rubric: '## tone\n- 1: a\n' }, /'tone' has 1 options/],
    [{ rubric: '## tone\n- 1: a\n- 1: b\n' }, /an option of 'tone' stands twice/],
    [{ rubric: '## the tone\n- 1: a\n- 2: b\n' }, /'the tone' can't be the name of a score/],
    [{ rubric: { scores: { tone: { x: 'a', y: 'b' } } } }, /'x' of 'tone' is no score/],
    [{ rubric: { scors: {} } }, /rubric: /],
    [{ least: { tne: 1 } }, /least.tne: The rubric has no score 'tne'; did you mean 'tone'/],
    [{ models: ['small'] }, /named more than once/],
    [{ model: undefined }, /'model' is missing/],
    [{ model: undefined, judges: [{ model: 'smal' }] }, /judges\[0\].model: There is no model/],
    [{ tries: 2 }, /'tries' is for records that are repaired/],
    [{ min: undefined }, /Nothing is done with the scores/],
    [{ min: undefined, as: 'q', onFail: 'flag' }, /no record falls short/],
    [{ min: 1.00000001 }, /min/],
    [{ field: 'bdy' }, /field: There is no field 'bdy'/],
    [{ with: ['bdy'] }, /with\[0\]: There is no field 'bdy'/],
    [{ as: 'body' }, /field 'body' already/],
    [{ onFail: 'repair', repair: { model: 'smal' } }, /repair.model: There is no model 'smal'/],
  ])('with %j is refused where it is wrong', async (more, problem) => {
    const step = JSON.parse(JSON.stringify(judge(more))) as Json;
    expect(await problemsOf(step)).toMatch(problem);
  });
});
