/** What a deployment says of a changed program (P12): nothing exactly when the digests are equal, and every change by its step and path. */
import { describe, expect, it } from 'vitest';
import type { ProgramDiff } from '../../../engine/compile/program-diff.ts';
import { changeCount, diffDeployments, diffPrograms } from '../../../engine/compile/program-diff.ts';
import { compileText, SMALL_FILES, SMALL_WORKFLOW } from '../../support/small-workflow.ts';

const edit = (from: string, to: string): string => {
  expect(SMALL_WORKFLOW).toContain(from);
  return SMALL_WORKFLOW.replace(from, to);
};

async function diff(text: string, files: Readonly<Record<string, string>> = SMALL_FILES): Promise<ProgramDiff> {
  const [before, after] = [await compileText(SMALL_WORKFLOW), await compileText(text, [], files)];
  const found = diffPrograms(before.program, after.program);
  expect(changeCount(found) === 0).toBe(before.digest === after.digest);
  return found;
}

describe('the difference of two programs', () => {
  it('is empty for a workflow that is written otherwise, and for changed deployment settings', async () => {
    expect(changeCount(await diff(`# again\n${SMALL_WORKFLOW}`))).toBe(0);
    expect(changeCount(await diff(`${SMALL_WORKFLOW}nodes: 7\n`))).toBe(0);
  });

  it('names seed, count, budget, task size and block with both values', async () => {
    const { settings, steps } = await diff(
      `${edit('seed: 7\naccept: 10\nbudget: { candidates: 40 }', 'seed: "x"\nbudget: { candidates: 41 }')}task: { size: 5 }\nblock: 9\n`,
    );
    const values = Object.fromEntries(settings.map(({ path, before, after }) => [path, [before, after]]));
    expect(values).toMatchObject({
      seed: [7, 'x'],
      accept: [10, undefined],
      'budget.candidates': [40, 41],
      'task.size': [64, 5],
      block: [1024, 9],
    });
    expect(steps).toEqual([]);
  });

  it('names a changed parameter by its path', async () => {
    const { steps, settings, published } = await diff(edit('words: [1, 20]', 'words: [1, 30]'));
    expect(steps).toHaveLength(1);
    expect(steps[0]).toMatchObject({ kind: 'changed', op: 'size', values: [{ path: 'params.words', before: [1, 20], after: [1, 30] }] });
    expect([settings, published]).toEqual([[], []]);
  });

  it('tells a step that came or went, with its place, and nothing of those around it', async () => {
    const added = await diff(edit('  - distinct', '  - size: { id: again, field: thing, words: [1, 2] }\n  - distinct'));
    expect(added.steps.map(({ step, kind }) => [step, kind])).toEqual([['again', 'added']]);
    expect(added.steps[0]?.behind).toMatch(/^size/);
    const removed = await diff(edit('  - size: { field: body, words: [1, 20] }\n', ''));
    expect(removed.steps.map(({ op, kind }) => [op, kind])).toEqual([['size', 'removed']]);
  });

  it('tells a step that moved, once', async () => {
    const text = edit(
      '  - pick: { from: things, as: thing }\n  - pick: { from: people, as: person }\n',
      '  - pick: { from: people, as: person }\n  - pick: { from: things, as: thing }\n',
    );
    const { steps } = await diff(text);
    expect(steps.map(({ kind, op }) => [kind, op])).toEqual([['moved', 'pick']]);
  });

  it('says which published fields consumers lose and gain', async () => {
    const { published } = await diff(edit('fields: [thing, body]', 'fields: [body, person]'));
    expect(published.map(({ path, before, after }) => [path, before === undefined, after === undefined])).toEqual([
      ['published.person', true, false],
      ['published.thing', false, true],
    ]);
    expect((await diff(edit('fields: [thing, body]', 'fields: [body, thing]'))).published).toEqual([
      { path: 'published', before: ['thing', 'body'], after: ['body', 'thing'] },
    ]);
  });

  it('says which data has other content or another size', async () => {
    const { data } = await diff(SMALL_WORKFLOW, { ...SMALL_FILES, 'things.txt': 'kettle\nlamp\n' });
    expect(data.map(({ path }) => path)).toEqual(['data.things.digest', 'data.things.size']);
  });
});

describe('the difference of two deployments', () => {
  it('names each setting with both values', async () => {
    const [before, after] = [
      await compileText(SMALL_WORKFLOW),
      await compileText(`${SMALL_WORKFLOW}nodes: 7\ntask: { deadline: 5s, memory: 2GB }\n`),
    ];
    expect(diffDeployments(before.deployment, after.deployment)).toEqual([
      { path: 'deadlineMs', before: 60_000, after: 5_000 },
      { path: 'memoryBytes', after: 2_000_000_000 },
      { path: 'nodes', before: 1, after: 7 },
    ]);
    expect(diffDeployments(after.deployment, after.deployment)).toEqual([]);
  });
});
