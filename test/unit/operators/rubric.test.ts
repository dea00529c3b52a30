/** A rubric is the same in each of its forms, and stands in the program with the texts of its options, so that a run needs no file (law 3). */
import { describe, expect, it } from 'vitest';
import { compileWorkflow, type Json, type Program } from '#engine';
import { registry } from '#topologies';
import { memoryHost } from '../../support/memory-host.ts';

const MARKDOWN = `# You read letters.

## tone
How does it sound?
- 1: rude
* 3 - kind,
  and more than that

## facts

- 0: none
- 2: some
`;
const MAP = {
  instructions: 'You read letters.',
  scores: {
    tone: { description: 'How does it sound?', options: { 3: 'kind, and more than that', 1: 'rude' } },
    facts: { 0: 'none', 2: 'some' },
  },
};
const YAML = `instructions: You read letters.
scores:
  tone: { description: How does it sound?, options: { 1: rude, 3: "kind, and more than that" } }
  facts: { 0: none, 2: some }
`;

async function programOf(rubric: Json, files: Readonly<Record<string, string>> = {}): Promise<Program> {
  const document = {
    mizu: 1,
    name: 'letters',
    data: { products: { list: ['kettle'] } },
    models: { small: { url: 'http://127.0.0.1:9/v1' } },
    budget: { candidates: 4 },
    generate: [{ select: { from: 'products', as: 'body' } }],
    verify: [{ judge: { field: 'body', model: 'small', min: 2, rubric } }],
    publish: { fields: ['body'] },
  };
  return (await compileWorkflow({ text: JSON.stringify(document), file: 'w.yaml' }, memoryHost(files), registry)).program;
}

describe('a rubric', () => {
  it.each<[string, Json, Readonly<Record<string, string>>]>([
    ['Markdown in the workflow', MARKDOWN, {}],
    ['a file of Markdown', 'lists/r.md', { 'lists/r.md': MARKDOWN.replaceAll('\n', '\r\n') }],
    ['a file of YAML', 'r.yaml', { 'r.yaml': YAML }],
    ['a file of JSON', 'r.json', { 'r.json': JSON.stringify(MAP) }],
  ])('as %s makes the program that a map makes', async (_form, rubric, files) => {
    expect(await programOf(rubric, files)).toEqual(await programOf(MAP));
  });

  it('stands in the question, each option with its text, and its options are all that can be answered', async () => {
    const [, ask] = (await programOf(MAP)).stages[0]?.ops ?? [];
    const params = ask?.params as { readonly system: string; readonly schema: Json };
    expect(params.system).toContain(
      'You read letters.\n\ntone: How does it sound?\n  1: rude\n  3: kind, and more than that\n\nfacts\n  0: none\n  2: some',
    );
    expect(params.schema).toMatchObject({
      properties: { tone: { properties: { score: { enum: [1, 3] } } }, facts: { properties: { score: { enum: [0, 2] } } } },
    });
  });

  it('with braces in it is no template', async () => {
    const [, ask] = (await programOf({ scores: { tone: { 1: '{{ body }} {% if %}', 2: '{# x #}' } } })).stages[0]?.ops ?? [];
    expect(ask?.params).toMatchObject({ system: expect.stringContaining('\\{{ body }} \\{% if %}') });
  });
});
