/** Every problem of a workflow at once, with line, column, value, expectation and cure, and no echoes (law 10). */
import { describe, expect, it } from 'vitest';
import { compileText, problemsOf, SMALL_WORKFLOW, withSteps } from '../../support/small-workflow.ts';

const THING = 'pick: { from: things, as: thing }';

describe('problems', () => {
  it('of all kinds come together, sorted by position, each with its place', async () => {
    const text = `mizu: 1
name: small
sed: 7
data:
  things: { list: things.txt }
  gone: { list: gone.txt }
generate:
  - pick: { frm: things, as: thing }
  - pick: { from: thigns, as: other }
  - pikc: { from: things, as: third }
verify:
  - size: { field: thing, words: [1.5, x] , onFail: flagg }
  - size: { field: thing, unit: word }
publish: { storage: globl }
`;
    const problems = await problemsOf(text);
    expect(problems.map((p) => [p.line, p.column, p.path, p.hint])).toEqual([
      [3, 1, 'sed', "did you mean 'seed'?"],
      [6, 17, 'data.gone.list', 'paths are relative to the workflow file'],
      [8, 13, 'generate[0].pick.frm', "did you mean 'from'?"],
      [9, 19, 'generate[1].pick.from', "did you mean 'things'?"],
      [10, 5, 'generate[2].pikc', "did you mean 'pick'?"],
      [12, 35, 'verify[0].size.words[0]', undefined],
      [12, 40, 'verify[0].size.words[1]', undefined],
      [12, 53, 'verify[0].size.onFail', "did you mean 'flag'?"],
      [13, 33, 'verify[1].size.unit', "did you mean 'words'?"],
      [14, 21, 'publish.storage', "did you mean 'global'?"],
    ]);
    expect(problems[5]).toMatchObject({
      value: '1.5',
      expected: 'a whole number, at least 0',
      file: 'w.yaml',
      excerpt: '  - size: { field: thing, words: [1.5, x] , onFail: flagg }',
    });
  });

  it('of a mistyped field name the nearest one, or the step that makes it later', async () => {
    const text = withSteps(
      [THING, 'join: { as: a, fields: [thnig, later] }', 'pick: { from: people, as: later }'],
      ['size: { field: later.name.x }', 'size: { field: later.nam, id: s }', 'distinct: { by: [a, b] }'],
    );
    const problems = await problemsOf(text);
    // The join could not be planned, so its own field 'a' may be missing below without a further problem.
    expect(problems.map((p) => [p.path, p.message, p.hint])).toEqual([
      ['generate[1].join.fields[0]', "There is no field 'thnig' at this step", "did you mean 'thing'?"],
      [
        'generate[1].join.fields[1]',
        "There is no field 'later' at this step",
        "step 'later' makes it later: move that step above this one",
      ],
    ]);
    expect(
      (
        await problemsOf(
          withSteps(
            ['pick: { from: people, as: p }'],
            ['size: { field: p.nam }', 'size: { field: p.name.x, id: s }', 'size: { field: p, id: t }'],
          ),
        )
      ).map((p) => [p.message, p.hint ?? p.expected]),
    ).toEqual([
      ["There is no field 'nam' in p", "did you mean 'name'?"],
      ["There is no field 'x' in p.name, which is string", 'there are no fields'],
      ["Field 'p' is no text", 'string'],
    ]);
  });

  it.each<[string, string[], string[], string, string]>([
    [
      'two steps with one id name both lines',
      [THING, THING],
      [],
      "Two steps have the id 'thing'",
      'the first is in line 6; give one of them an `id` of its own',
    ],
    [
      "the kernel's ids are taken",
      ['pick: { from: things, as: accept }'],
      [],
      "The step id 'accept' is Mizu's own",
      'give it an `id` of its own',
    ],
    [
      'a source stands first',
      [THING, 'lines: { path: mail.txt }'],
      [],
      "'lines' reads a source, so it can only be the first step",
      'make it the first step of `generate`',
    ],
    ['a source exists', ['lines: { path: nowhere.txt }'], [], "There is no file 'nowhere.txt'", 'paths are relative to the workflow file'],
    ['data is declared', ['pick: { from: nothing, as: a }'], [], "There is no list or map 'nothing' under `data`", 'data: things, people'],
    ['parameters are a map', ['pick: 7'], [], "The parameters of 'pick' are a number", ''],
    ['ids have a form', [THING], ['size: { field: thing, id: "a b" }'], 'Not a step id', ''],
    ['only rules flag', [THING], ['distinct: { by: [thing], onFail: flag }'], "Unknown key 'onFail'", 'known keys: by, unbounded, id'],
    [
      'a key-wise step comes before a global one',
      [THING],
      ['tally: { field: thing }', 'distinct: {}'],
      "Step 'distinct' comes after a step that needs all records in one place",
      'move it above that step',
    ],
  ])('%s', async (_, generate, verify, message, hint) => {
    const problems = await problemsOf(withSteps(generate, verify));
    expect(problems.map((p) => [p.message, p.hint ?? ''])).toEqual([[message, hint]]);
    expect(problems[0]?.line).toBeGreaterThan(0);
  });

  it('say that outside questions are asked before records are shuffled', async () => {
    const models = 'models: { smol: { url: "http://127.0.0.1:1/v1" } }\nbudget: { candidates: 5 }';
    expect((await problemsOf(withSteps([THING], ['distinct: {}', 'ask: { as: a, model: smol }'], models))).map((p) => p.path)).toEqual([
      'verify[1].ask',
    ]);
    expect((await problemsOf(withSteps(['ask: { as: a, model: smoll }'], [], models)))[0]).toMatchObject({
      message: "There is no model 'smoll'",
      hint: "did you mean 'smol'?",
    });
  });

  it('refuse what this version would silently not keep: local publishing', async () => {
    const problems = await problemsOf(SMALL_WORKFLOW, ['publish.storage=local']);
    expect(problems.map((p) => [p.path, p.hint])).toEqual([['publish.storage', 'leave it out']]);
  });

  it('of published fields', async () => {
    expect(
      (await problemsOf(withSteps([THING], [], 'publish: { fields: [thing, thnig, thing] }\nbudget: { candidates: 5 }'))).map((p) => [
        p.path,
        p.message,
        p.hint,
      ]),
    ).toEqual([
      ['publish.fields[1]', "There is no field 'thnig' to publish", "did you mean 'thing'?"],
      ['publish.fields[2]', "The field 'thing' stands twice", 'remove one'],
    ]);
  });

  it('of a topic to publish into: a name by the rule of Kafka, an address only with it, and what it is stands in the deployment alone', async () => {
    const publishing = (rest: string): string => withSteps(['pick: { from: things, as: thing }'], [], `accept: 5\npublish: { ${rest} }`);
    const problems = async (rest: string) => (await problemsOf(publishing(rest))).map(({ path }) => path);
    expect(await problems('topic: "a b"')).toEqual(['publish.topic']);
    expect(await problems('topic: a, url: "http://h:1"')).toEqual(['publish.url']);
    expect(await problems('url: "kafka://h:1"')).toEqual(['publish.url']);
    const { deployment } = await compileText(publishing('topic: a, url: "kafka://h:1"'));
    expect(deployment.publish).toEqual({ topic: 'a', url: 'kafka://h:1' });
  });

  it('in data, models or values do not echo in the steps that use them', async () => {
    const paths = async (head: string, steps: string) =>
      (await problemsOf(`mizu: 1\nname: w\nbudget: { candidates: 5 }\n${head}generate:\n${steps}`)).map((p) => p.path);
    expect(
      await paths('data: { a: { lst: [x] }, b: { list: [] } }\n', '  - pick: { from: a, as: a }\n  - pick: { from: b, as: b }\n'),
    ).toEqual(['data.a', 'data.b.list']);
    expect(await paths('data: 5\n', '  - pick: { from: a, as: a }\n')).toEqual(['data']);
    expect(await paths('models: { m: { url: x } }\n', '  - ask: { as: a, model: m }\n')).toEqual(['models.m.url']);
    expect(await paths('data: { a: { list: [x] } }\n', '  - pick: { from: a, as: a, weight: 1e20 }\n')).toEqual([
      'generate[0].pick.weight',
    ]);
  });

  it('of a field named flags beside a step that flags', async () => {
    const problems = await problemsOf(withSteps(['pick: { from: things, as: flags }'], ['size: { field: flags, onFail: flag }']));
    expect(problems.map((p) => p.path)).toEqual(['verify[0].size.onFail']);
  });

  it('of a workflow without any field to publish', async () => {
    expect((await problemsOf('mizu: 1\nname: w\nbudget: { candidates: 1 }\ngenerate:\n  - distinct: {}\n')).map((p) => p.message)).toEqual([
      'No step makes a field, so there is nothing to publish',
    ]);
  });
});
