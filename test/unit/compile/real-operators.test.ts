/** The real operators plan well with the compiler: shipped workflows compile, and mistakes in them are named. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Compiled, CompileHost, Problem, Registry } from '#engine';
import { compileWorkflow, describeProgram, digestHex, fileSource, MizuError, workflowJsonSchema } from '#engine';
import { engines } from '#connectors/simulator';
import { engines as plainEngines, operators } from '#operators';

const REGISTRY: Registry = { operators, engines: [...engines, ...plainEngines] };
const TOPOLOGIES = join(import.meta.dirname, '../../../topologies');
const MAIL = new TextEncoder().encode('From: a@example.org\n\nHello there, this is a mail.\n');

function hostOf(folder: string): CompileHost {
  return {
    readFile: async (path) => readFileSync(join(folder, path)),
    openSource: async () => ({ format: 'text', records: 6_046, digest: digestHex('ab'.repeat(32)), sample: [MAIL] }),
  };
}

function compile(topology: string, sets: readonly string[] = [], change = (text: string): string => text): Promise<Compiled> {
  const folder = join(TOPOLOGIES, topology);
  return compileWorkflow(
    { text: change(readFileSync(join(folder, 'workflow.yaml'), 'utf8')), file: 'workflow.yaml', sets },
    hostOf(folder),
    REGISTRY,
  );
}

async function problemsOf(...args: Parameters<typeof compile>): Promise<readonly Problem[]> {
  try {
    await compile(...args);
    return [];
  } catch (error) {
    if (error instanceof MizuError) return error.problems;
    throw error;
  }
}

describe('shipped workflows', () => {
  it('falling-stacks: source, dedup, count with the exact number', async () => {
    const { program, warnings } = await compile('falling-stacks', ['accept=50']);
    expect(program.accept).toBe(50);
    expect(program.stages.map((s) => [s.kind, s.ops.at(-1)?.op])).toEqual([
      ['source', 'set'],
      ['keyed', 'dedup'],
      ['last', 'count'],
    ]);
    expect(program.stages[0]?.shuffle?.by).toEqual(program.stages[1]?.ops[0]?.reads);
    expect(program.published).toEqual(program.stages.at(-1)?.output);
    expect(warnings).toEqual([]);
  });

  it('mail-curation: reads a source, flags, and carries the flags to the end', async () => {
    const { program } = await compile('mail-curation');
    expect(fileSource(program)?.records).toBe(6_046);
    expect(program.published.find((f) => f.name === 'flags')).toEqual({ name: 'flags', type: { array: 'string' } });
    expect(program.stages[0]?.output.map((f) => f.name)).not.toContain('text');
  });

  it.each(['falling-stacks', 'mail-curation'])('%s is described within 100 columns', async (topology) => {
    const text = describeProgram(await compile(topology), 'text');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe('mistakes with real operators', () => {
  it('in one step do not echo in the steps below', async () => {
    const problems = await problemsOf('falling-stacks', [], (text) =>
      text.replace('engine: stacks', 'engine: stcks').replace('max: 0.025', 'max: low'),
    );
    expect(problems.map((p) => p.path)).toEqual(['generate[6].simulate.engine', 'verify[2].range.max']);
  });

  it('in expressions point to the expression', async () => {
    const problems = await problemsOf('falling-stacks', [], (text) => text.replace('keep: "settled"', 'keep: "setled"'));
    expect(problems).toEqual([expect.objectContaining({ path: 'verify[0].expression.keep', hint: "did you mean 'settled'?" })]);
  });

  it('in parameters name the known ones', async () => {
    const problems = await problemsOf('mail-curation', ['verify[3].length.word=[1,2]', 'verify[6].dedup.by=[bdy]']);
    expect(problems.map((p) => [p.path, p.hint, p.file])).toEqual([
      ['verify[3].length.word', "did you mean 'words'?", '--set verify[3].length.word=[1,2]'],
      ['verify[6].dedup.by[0]', "did you mean 'body'?", '--set verify[6].dedup.by=[bdy]'],
    ]);
  });
});

describe('the JSON Schema over all operators', () => {
  it('defines every reference and describes every operator', () => {
    const schema = JSON.parse(JSON.stringify(workflowJsonSchema(REGISTRY)));
    for (const operator of operators) expect(schema.$defs[`operator-${operator.name}`]).toMatchObject({ description: operator.summary });
    for (const [, ref] of JSON.stringify(schema).matchAll(/"\$ref":"#\/\$defs\/([^"]*)"/g))
      expect(Object.keys(schema.$defs)).toContain(ref);
  });
});
