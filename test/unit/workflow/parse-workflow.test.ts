/** Reading a workflow: every problem at once, each with its place and a cure (law 10). */
import { describe, expect, it } from 'vitest';
import { applySets } from '../../../engine/workflow/apply-sets.ts';
import { step, typedStep, workflow } from '../../../engine/workflow/builder.ts';
import { checkDocument, parseWorkflow } from '../../../engine/workflow/parse-workflow.ts';
import { durationMs } from '../../../engine/workflow/units.ts';

const MINIMAL = 'mizu: 1\nname: w\ngenerate:\n  - count: {}\n';

describe('a workflow', () => {
  it('gets documented defaults', () => {
    const { spec, problems } = parseWorkflow(MINIMAL, 'w.yaml');
    expect(problems).toEqual([]);
    expect(spec).toMatchObject({
      seed: 0,
      task: { size: 64, deadlineMs: 60_000 },
      block: 1_024,
      partitions: 8,
      nodes: 1,
      verify: [],
      publish: { storage: 'global' },
    });
    expect(spec?.generate).toEqual([{ operator: 'count', params: {}, path: 'generate[0].count' }]);
  });

  it('may name an operator without parameters in three ways', () => {
    for (const text of ['- count', '- count:', '- count: {}']) {
      expect(parseWorkflow(`mizu: 1\nname: w\ngenerate:\n  ${text}\n`, 'w').spec?.generate[0]).toMatchObject({
        operator: 'count',
        params: {},
      });
    }
  });

  it('reports the problems of all sections at once, in order of position', () => {
    const text =
      'mizu: 2\nnmae: w\nseed: 1.5\naccept: 0\ntask: { size: 1, deadlien: 5s }\nmodels: { m: { url: ftp://x } }\ngenerate: []\npublish: { storage: globl }\n';
    const found = parseWorkflow(text, 'w.yaml').problems.map((p) => [p.line, p.path, p.hint]);
    expect(found).toEqual([
      [1, 'mizu', undefined],
      [2, 'nmae', "did you mean 'name'?"],
      [3, 'seed', undefined],
      [4, 'accept', undefined],
      [5, 'task.deadlien', "did you mean 'deadline'?"],
      [6, 'models.m.url', undefined],
      [7, 'generate', undefined],
      [8, 'publish.storage', "did you mean 'global'?"],
    ]);
  });

  it.each([
    ['generate: 5', "'generate' is a number"],
    ['generate: [5]', 'The step is a number'],
    ['generate: [{}]', 'The step is empty'],
    ['generate: [{a: {}, b: {}}]', 'The step has 2 keys: a, b'],
    ['{}', "'generate' is missing"],
  ])('with %s is told what a step looks like', (text, message) => {
    const base = text === '{}' ? 'mizu: 1\nname: w' : `mizu: 1\nname: w\n${text}`;
    expect(parseWorkflow(base, 'w').problems).toEqual([expect.objectContaining({ message })]);
  });

  it.each([
    ['500ms', 500],
    ['60s', 60_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['5', undefined],
    ['1.5s', undefined],
    ['5 m', undefined],
  ])('reads the time %s as %s ms', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  it.each(['0s', '25h', 'soon', 5])('refuses the deadline %s', (deadline) => {
    expect(parseWorkflow(`${MINIMAL}task: { deadline: ${deadline} }\n`, 'w').problems[0]).toMatchObject({ path: 'task.deadline', line: 5 });
  });

  it.each(['0MB', '17TiB', 'much', 5])('refuses the memory %s of a task', (memory) => {
    expect(parseWorkflow(`${MINIMAL}task: { memory: ${memory} }\n`, 'w').problems[0]).toMatchObject({ path: 'task.memory', line: 5 });
  });

  it('never accepts a secret where the name of an environment variable belongs', () => {
    const { problems } = parseWorkflow(`${MINIMAL}models: { m: { url: "http://user:pass@host/", keyEnv: sk-12 } }\n`, 'w');
    expect(problems.map((p) => p.path)).toEqual(['models.m.url', 'models.m.keyEnv']);
  });
});

describe('--set', () => {
  const sets = (...values: string[]) => parseWorkflow('mizu: 1\nname: w\naccept: 5\ngenerate:\n  - pick: { from: a }\n', 'w.yaml', values);

  it('changes what stands there and adds what may stand there', () => {
    const { spec, problems } = sets(
      'accept=50',
      'task.size=16',
      'generate[0].pick.words=[1, 2]',
      'name=other',
      'publish={fields: [a]}',
      'data["b"].list=[x]',
    );
    expect(problems).toEqual([]);
    expect(spec).toMatchObject({
      accept: 50,
      name: 'other',
      task: { size: 16 },
      publish: { fields: ['a'] },
      data: { b: { kind: 'list', from: ['x'] } },
    });
    expect(spec?.generate[0]?.params).toEqual({ from: 'a', words: [1, 2] });
  });

  it('of a later one wins', () => {
    expect(sets('accept=1', 'accept=2').spec?.accept).toBe(2);
  });

  it.each([
    ['accept=x', 'accept', undefined],
    ['acept=5', 'acept', "did you mean 'accept'?"],
    ['task.siz=5', 'task.siz', "did you mean 'size'?"],
    ['generate[0].pikc.from=b', 'generate[0].pikc.from', "did you mean 'pick'?"],
    ['generate[3].pick.from=b', 'generate[3].pick.from', undefined],
    ['name.x=1', 'name.x', undefined],
    ['generate.x=1', 'generate.x', undefined],
    ['accept', '', undefined],
    ['a b=1', '', undefined],
    ['seed=[1', 'seed', expect.any(String)],
  ])('%s points to itself', (set, path, hint) => {
    const { problems } = sets(set);
    expect(problems.length).toBe(1);
    expect(problems[0]).toMatchObject({ file: `--set ${set}`, path });
    expect(problems[0]?.line).toBeUndefined();
    expect(problems[0]?.hint).toEqual(hint);
  });

  it('leaves the given value as it was', () => {
    const value = { task: { size: 1 } };
    expect(applySets(value, ['task.size=2'], () => ({})).value).toEqual({ task: { size: 2 } });
    expect(value).toEqual({ task: { size: 1 } });
  });
});

describe('the builder', () => {
  it('builds what YAML holds, and each step of building leaves the last one alone', () => {
    const one = workflow({ name: 'w', seed: 7 }).generate(step('pick', { from: 'a', as: 'b', weight: undefined }));
    const two = one.verify(typedStep<{ size: { field: string } }>()('size', { field: 'b' })).publish({ fields: ['b'] });
    expect(one.document.verify).toBeUndefined();
    const fromYaml = parseWorkflow(two.toYaml(), 'w.yaml');
    expect(fromYaml.problems).toEqual([]);
    expect(checkDocument(two.document, 'w').spec).toEqual(fromYaml.spec);
    expect(fromYaml.spec?.generate[0]?.params).toEqual({ from: 'a', as: 'b' });
  });

  it('names what is no JSON, and stops at circles', () => {
    const circle: Record<string, unknown> = {};
    circle['again'] = circle;
    const { problems } = checkDocument(
      {
        ...workflow({ name: 'w', seed: '\uD800' }).document,
        generate: [{ pick: { from: Number.NaN, at: new Date(0) as unknown as string } }, { pick: circle as never }],
      },
      'builder',
    );
    expect(problems.map((p) => p.path)).toEqual([
      'seed',
      'generate[0].pick.from',
      'generate[0].pick.at',
      expect.stringMatching(/^generate\[1\]\.pick\.again/),
    ]);
  });

  it('has no lines, so problems name the path', () => {
    const { problems } = checkDocument(workflow({ name: 'Not A Name' }).generate(step('pick', {})).document, 'builder');
    expect(problems).toEqual([expect.objectContaining({ path: 'name', file: 'builder', value: '"Not A Name"' })]);
  });
});
