/** What `mizu compile` shows, and what editors are told, come from the same objects that compile and validate. */
import { describe, expect, it } from 'vitest';
import { describeProgram } from '../../../engine/compile/describe-program.ts';
import { workflowJsonSchema } from '../../../engine/compile/workflow-json-schema.ts';
import { compileText, SMALL_WORKFLOW, withSteps } from '../../support/small-workflow.ts';
import { TEST_OPERATORS, TEST_REGISTRY } from '../../support/test-operators.ts';

const LONG = withSteps(
  [
    'pick: { from: people, as: a_rather_long_name_for_a_field }',
    'join: { as: body, fields: [a_rather_long_name_for_a_field.voice, a_rather_long_name_for_a_field.name], id: a-step-with-an-id-longer-than-its-column }',
  ],
  ['size: { field: body, onFail: flag }', 'distinct: {}', 'tally: { field: body }'],
);

describe('a described program', () => {
  it('fits a terminal of 100 columns and names every step, shuffle and published field', async () => {
    for (const source of [SMALL_WORKFLOW, LONG]) {
      const compiled = await compileText(source);
      const text = describeProgram(compiled, 'text');
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
      expect(text).toContain(compiled.digest);
      for (const stage of compiled.program.stages) expect(text).toContain(`stage ${stage.index} · ${stage.kind}`);
      for (const op of compiled.program.stages.flatMap((s) => s.ops)) expect(text).toContain(op.id.slice(0, 27));
    }
  });

  it('shows ops, what they read and write, storage and gas', async () => {
    const text = describeProgram(await compileText(SMALL_WORKFLOW), 'text').replaceAll(/ +/g, ' ');
    expect(text).toContain(' body join person.voice: string, thing: string → body: string local 10');
    expect(text).toContain(' distinct-body distinct body: string → – global 6');
    expect(text).toContain(' accept kernel cuts at exactly 10 records, in order of candidates global');
    expect(text).toContain('exactly 10 records of at most 40 candidates · seed 7 · tasks of 64');
  });

  it('is JSON that holds the program itself', async () => {
    const compiled = await compileText(SMALL_WORKFLOW);
    const json = JSON.parse(describeProgram(compiled, 'json'));
    expect(json).toMatchObject({ name: 'small', digest: compiled.digest, program: JSON.parse(JSON.stringify(compiled.program)) });
    expect(json.stages.map((s: { ops: { id: string }[] }) => s.ops.map((op) => op.id))).toEqual([
      ['source', 'thing', 'person', 'body', 'size-body', 'shuffle'],
      ['distinct-body', 'shuffle'],
      ['accept', 'publish'],
    ]);
  });

  it('is a Mermaid chart whose boxes are all connected', async () => {
    const chart = describeProgram(await compileText(SMALL_WORKFLOW), 'mermaid');
    expect(chart.startsWith('flowchart TD\n')).toBe(true);
    const boxes = [...chart.matchAll(/^ +(s\d+o\d+|d\d+)[[(]/gm)].map((m) => m[1]);
    expect(boxes.length).toBe(6 + 2 + 2 + 2);
    for (const box of boxes) expect(chart).toMatch(new RegExp(`(--> |\\| |^  )${box}( |$)`, 'm'));
    expect(chart.split('\n').every((line) => (line.match(/"/g)?.length ?? 0) % 2 === 0)).toBe(true);
  });
});

describe('the JSON Schema of workflows', () => {
  const schema = JSON.parse(JSON.stringify(workflowJsonSchema(TEST_REGISTRY)));

  it('knows every operator, its parameters with their docs, and the general keys', () => {
    expect(schema.$defs.step.anyOf.map((s: { required: string[] }) => s.required[0])).toEqual(TEST_OPERATORS.map((o) => o.name));
    expect(schema.$defs['operator-size'].properties).toMatchObject({
      field: { description: 'Field to look at.' },
      onFail: { anyOf: [{ enum: ['drop', 'flag'] }, { properties: { repair: { type: 'object' } } }] },
      id: { type: 'string' },
    });
    expect(schema.$defs['operator-distinct'].properties.onFail).toBeUndefined();
    expect(schema.required).toEqual(expect.arrayContaining(['mizu', 'name', 'generate']));
  });

  it('refers to nothing that it does not define', () => {
    const refs = [...JSON.stringify(schema).matchAll(/"\$ref":"([^"]*)"/g)].map((m) => m[1] ?? '');
    expect(refs.length).toBeGreaterThan(TEST_OPERATORS.length);
    for (const ref of refs) expect(Object.keys(schema.$defs).map((name) => `#/$defs/${name}`)).toContain(ref);
  });
});
