/** What names a program: everything that P5 lists and nothing else; never how the author wrote it (law 1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { compileWorkflow } from '../../../engine/compile/compile-workflow.ts';
import { opDigest } from '../../../engine/compile/op-digest.ts';
import { encodeProgram, programDigest } from '../../../engine/compile/program-digest.ts';
import type { Json } from '../../../engine/contract/program.ts';
import { sha256, toHex } from '../../../engine/proof/sha256.ts';
import { step, workflow } from '../../../engine/workflow/builder.ts';
import { memoryHost } from '../../support/memory-host.ts';
import { compileText, SMALL_FILES, SMALL_WORKFLOW } from '../../support/small-workflow.ts';
import { TEST_REGISTRY } from '../../support/test-operators.ts';

const SEED = 7;

/** The same map with its keys in another order, all the way down. */
function shuffleKeys(value: Json, next: () => number): Json {
  if (Array.isArray(value)) return value.map((element: Json) => shuffleKeys(element, next));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, entry]) => ({ key, entry: shuffleKeys(entry, next), at: next() }));
  return Object.fromEntries(entries.sort((a, b) => a.at - b.at).map(({ key, entry }) => [key, entry]));
}

describe('the digest of a program', () => {
  it('is the SHA-256 of its canonical bytes', async () => {
    const { program, digest } = await compileText(SMALL_WORKFLOW);
    expect(programDigest(program)).toBe(digest);
    expect(toHex(sha256(encodeProgram(program)))).toBe(digest);
  });

  it('does not change with the order of keys, the style of YAML, or comments', async () => {
    const { digest } = await compileText(SMALL_WORKFLOW);
    const document = parse(SMALL_WORKFLOW) as Json;
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        fc.constantFrom('BLOCK_FOLDED', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'PLAIN'),
        fc.boolean(),
        async (order, style, flow) => {
          const shuffled = shuffleKeys(document, () => order.next().value ?? 0);
          const text = flow
            ? `# a comment\n${JSON.stringify(shuffled)}`
            : `${stringify(shuffled, { defaultStringType: style })}# the end\n`;
          expect((await compileText(text)).digest).toBe(digest);
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('is the same for the builder', async () => {
    const built = workflow({
      name: 'small',
      seed: 7,
      accept: 10,
      budget: { candidates: 40 },
      data: { people: { list: 'people.yaml' }, things: { list: ['kettle', 'lamp', 'chair'] } },
    })
      .generate(step('pick', { as: 'thing', from: 'things' }), step('pick', { from: 'people', as: 'person' }))
      .generate(step('join', { as: 'body', fields: ['person.voice', 'thing'] }))
      .verify(step('size', { field: 'body', words: [1, 20] }), step('distinct', { by: ['body'] }))
      .publish({ fields: ['thing', 'body'] });
    const compiled = await compileWorkflow({ spec: built.document, file: 'builder' }, memoryHost(SMALL_FILES), TEST_REGISTRY);
    expect(compiled.digest).toBe((await compileText(SMALL_WORKFLOW)).digest);
    expect((await compileText(built.toYaml())).digest).toBe(compiled.digest);
  });

  it.each([
    'name=other',
    'nodes=4',
    'task.deadline=5m',
    'task.memory=2GiB',
    'models={m: {url: "http://h/v1"}}',
    'publish.topic=clean',
    'description=hello',
  ])('does not change with the deployment setting %s', async (set) => {
    const { digest, deployment } = await compileText(SMALL_WORKFLOW);
    const other = await compileText(SMALL_WORKFLOW, [set]);
    expect(other.digest).toBe(digest);
    if (!set.startsWith('description')) expect(other.deployment).not.toEqual(deployment);
  });

  it.each([
    'seed=8',
    'seed="7"',
    'accept=11',
    'budget.candidates=41',
    'task.size=16',
    'block=512',
    'partitions=4',
    'data.things.list=[kettle, lamp]',
    'generate[0].pick.as=thin',
    'verify[0].size.words=[1,21]',
    'verify[0].size.id=mine',
    'verify[0].size.onFail=flag',
    'verify[1].distinct.by=[thing]',
    'publish.fields=[body, thing]',
  ])('changes with %s', async (set) => {
    const sets = set.startsWith('generate') ? [set, 'generate[2].join.fields=[person.voice, thin]', 'publish.fields=[thin, body]'] : [set];
    expect((await compileText(SMALL_WORKFLOW, sets)).digest).not.toBe((await compileText(SMALL_WORKFLOW)).digest);
  });

  it('stays the one that was published', async () => {
    expect((await compileText(SMALL_WORKFLOW)).digest).toMatchInlineSnapshot(
      `"eb4b2a91fcaeb59b3496086d942c276e52b0f9f10dd61991a23d0910f09a3cbb"`,
    );
  });
});

describe('the digest of an op', () => {
  it('does not cover where its result is kept, and covers everything else', async () => {
    const op = (await compileText(SMALL_WORKFLOW)).program.stages[0]?.ops[0];
    if (op === undefined) throw new Error('no op');
    const digest = toHex(opDigest(op));
    expect(toHex(opDigest({ ...op, storage: 'global' }))).toBe(digest);
    for (const other of [
      { id: 'x' },
      { op: 'x' },
      { version: 2 },
      { params: {} },
      { reads: ['x'] },
      { writes: [] },
      { data: [] },
      { onFail: 'flag' as const },
      { kind: 'keyed' as const },
    ]) {
      expect(toHex(opDigest({ ...op, ...other }))).not.toBe(digest);
    }
  });
});
