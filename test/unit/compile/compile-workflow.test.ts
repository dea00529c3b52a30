/** Programs: where stages are cut, what travels between them, what is published (P3 to P6, P14). */
import { describe, expect, it } from 'vitest';
import { compileText, problemsOf, SMALL_WORKFLOW, withSteps } from '../../support/small-workflow.ts';

const THING = 'pick: { from: things, as: thing }';
const PERSON = 'pick: { from: people, as: person }';
const BODY = 'join: { as: body, fields: [person.voice, thing] }';

const shape = async (text: string) => {
  const { program } = await compileText(text);
  return program.stages.map((s) => ({
    kind: s.kind,
    partitions: s.partitions,
    ops: s.ops.map((op) => op.id),
    output: s.output.map((f) => f.name),
    ...(s.shuffle === undefined ? {} : { by: s.shuffle.by, to: s.shuffle.partitions }),
  }));
};

describe('stages', () => {
  it('are cut at a keyed op and before the exact count; a key travels as a hash only', async () => {
    expect(await shape(SMALL_WORKFLOW)).toEqual([
      { kind: 'source', partitions: 8, ops: ['thing', 'person', 'body', 'size-body'], output: ['thing', 'body'], by: ['body'], to: 8 },
      { kind: 'keyed', partitions: 8, ops: ['distinct-body'], output: ['thing', 'body'], by: [], to: 1 },
      { kind: 'last', partitions: 1, ops: [], output: ['thing', 'body'] },
    ]);
  });

  it('end in a publishing stage even without dedup and count (P3)', async () => {
    expect(await shape(withSteps([THING], [], 'partitions: 3\nbudget: { candidates: 9 }'))).toEqual([
      { kind: 'source', partitions: 3, ops: ['thing'], output: ['thing'], by: [], to: 3 },
      { kind: 'keyed', partitions: 3, ops: [], output: ['thing'] },
    ]);
  });

  it('hand over only what is published or read later', async () => {
    const text = withSteps(
      [THING, PERSON, BODY],
      ['distinct: { by: [body] }', 'distinct: { by: [person.name] }', 'tally: { field: thing }'],
      'publish: { fields: [body] }\naccept: 5\nbudget: { candidates: 9 }',
    );
    expect((await shape(text)).map((s) => [s.kind, s.output, s.by])).toEqual([
      ['source', ['thing', 'person', 'body'], ['body']],
      ['keyed', ['thing', 'body'], ['person.name']],
      ['keyed', ['thing', 'body'], []],
      ['last', ['body'], undefined],
    ]);
  });

  it('hand over what a later op writes over, though nobody reads it: whether it changes it is counted', async () => {
    const text = withSteps(
      [THING, PERSON],
      ['distinct: { by: [thing] }', 'pick: { from: things, as: thing, id: again }'],
      'publish: { fields: [person] }\nbudget: { candidates: 9 }',
    );
    expect((await shape(text)).map((s) => s.output)).toEqual([['thing', 'person'], ['person']]);
  });

  it('leave out fields that only earlier ops read', async () => {
    const stages = await shape(
      withSteps([THING, PERSON, BODY], ['distinct: { by: [person.voice] }'], 'publish: { fields: [body] }\nbudget: { candidates: 9 }'),
    );
    expect(stages.map((s) => s.output)).toEqual([['body'], ['body']]);
  });

  it('hash every visible field for a key without fields, also those that do not travel', async () => {
    const whole = await shape(withSteps([THING, PERSON], ['distinct: {}'], 'publish: { fields: [thing] }\nbudget: { candidates: 9 }'));
    expect(whole[0]).toMatchObject({ by: ['thing', 'person'], output: ['thing'] });
    const same = await shape(withSteps([THING, PERSON], ['distinct: {}']));
    expect(same[0]).toMatchObject({ by: [], output: ['thing', 'person'] });
  });

  it('keep a record whole on its way to a later key without fields', async () => {
    const stages = await shape(
      withSteps(
        [THING, PERSON, BODY],
        ['distinct: { by: [body] }', 'distinct: { id: all }'],
        'publish: { fields: [thing] }\nbudget: { candidates: 9 }',
      ),
    );
    expect(stages.map((s) => [s.by, s.output])).toEqual([
      [['body'], ['thing', 'person', 'body']],
      [['thing', 'person', 'body'], ['thing']],
      [undefined, ['thing']],
    ]);
  });

  it('put row ops after a keyed op into its stage, and everything after a global op into the last one', async () => {
    const stages = await shape(
      withSteps(
        [THING],
        ['distinct: { by: [thing] }', 'size: { field: thing }', 'tally: { field: thing }', 'size: { field: thing, id: again }'],
      ),
    );
    expect(stages.map((s) => [s.kind, s.ops])).toEqual([
      ['source', ['thing']],
      ['keyed', ['distinct-thing', 'size-thing']],
      ['last', ['tally-thing', 'again']],
    ]);
  });

  it('begin with the raw record of a source, which is gone once it is read', async () => {
    const { program, sourceRequest } = await compileText(withSteps(['lines: { path: mail.txt }'], [], 'task: { size: 2 }'));
    expect(program.source).toMatchObject({ format: 'text', records: 3 });
    expect(sourceRequest).toEqual({ path: 'mail.txt', format: 'text' });
    expect(program.stages[0]?.input).toEqual([{ name: '$source', type: 'bytes' }]);
    expect(program.published).toEqual([{ name: 'line', type: 'string' }]);
  });
});

describe('ops', () => {
  it('are named by the id of their step and the suffix of the plan (P6)', async () => {
    const { program } = await compileText(withSteps([THING, 'double: { field: thing, as: twice, id: mine }']));
    expect(program.stages[0]?.ops.map((op) => [op.id, op.op, op.kind])).toEqual([
      ['thing', 'pick', 'row'],
      ['mine.make', 'double', 'row'],
      ['mine.check', 'size', 'row'],
    ]);
  });

  it('that flag write the list of flags, which is then published', async () => {
    const { program } = await compileText(
      withSteps(
        [THING],
        ['size: { field: thing, onFail: flag }', 'size: { field: thing, onFail: flag, id: two }', 'size: { field: thing, id: three }'],
      ),
    );
    const [, one, two, three] = program.stages[0]?.ops ?? [];
    expect(one).toMatchObject({ onFail: 'flag', reads: ['thing'], writes: [{ name: 'flags', type: { array: 'string' } }] });
    expect(two).toMatchObject({ onFail: 'flag', reads: ['thing', 'flags'] });
    expect(three).toMatchObject({ onFail: 'drop', writes: [] });
    expect(program.published.map((f) => f.name)).toEqual(['thing', 'flags']);
  });

  it('name data by digest, and unused data is left out with a warning', async () => {
    const { program, data, warnings } = await compileText(withSteps([THING]));
    expect(Object.keys(program.data)).toEqual(['things']);
    expect(program.stages[0]?.ops[0]?.data).toEqual([program.data['things']?.digest]);
    expect([...data.keys()]).toEqual([program.data['things']?.digest]);
    expect(warnings.map((w) => w.message)).toEqual(["No step uses the data 'people'"]);
  });

  it('keep outside and keyed results in global storage, the rest local', async () => {
    const { program } = await compileText(
      withSteps(
        ['ask: { as: a, model: m }', THING],
        ['distinct: { by: [a] }'],
        'models: { m: { url: "http://127.0.0.1:1/v1" } }\nbudget: { candidates: 5 }',
      ),
    );
    expect(program.stages.flatMap((s) => s.ops).map((op) => [op.id, op.storage])).toEqual([
      ['a', 'global'],
      ['thing', 'local'],
      ['distinct-a', 'global'],
    ]);
  });
});

describe('a run that can not end well', () => {
  it.each<[string, string, string]>([
    ['more accepted than candidates', withSteps([THING], [], 'accept: 10\nbudget: { candidates: 9 }'), 'accept'],
    ['more accepted than the source has', withSteps(['lines: { path: mail.txt }'], [], 'accept: 4'), 'accept'],
    ['a source without records', withSteps(['lines: { path: empty.txt }'], [], 'seed: 1'), 'generate[0].lines'],
    ['endless state', withSteps([THING], ['distinct: { by: [thing] }'], 'seed: 1'), 'verify[0].distinct'],
  ])('is a problem: %s', async (_, text, path) => {
    expect((await problemsOf(text)).map((p) => p.path)).toEqual([path]);
  });

  it('is a warning where it may be meant', async () => {
    const messages = async (rest: string) => (await compileText(withSteps([THING, PERSON], [], rest))).warnings.map((w) => w.path);
    expect(await messages('seed: 1')).toEqual(['generate']);
    expect(await messages('accept: 5')).toEqual(['accept']);
    expect(await messages('accept: 5\nbudget: { candidates: 9 }')).toEqual([]);
    await expect(compileText(withSteps([THING, PERSON], ['distinct: { unbounded: true }'], 'seed: 1'))).resolves.toBeDefined();
  });
});
