/** Law 1 at compile time: a simulator that computes other bytes here, and a rule whose words nobody defined, are refused or warned of before any work starts. */
import { describe, expect, it } from 'vitest';
import type { DataEngine, Registry } from '#engine';
import { compileWorkflow, engineDrift, globalStorage, MizuError, TaskMachine } from '#engine';
import { registry } from '#topologies';
import { memoryHost } from '../../support/memory-host.ts';

const FALL = `mizu: 1
name: falls
budget: { candidates: 2 }
generate:
  - random: { as: height, number: [1, 2] }
  - simulate: { engine: free-fall }
`;

function withEngine(change: (engine: DataEngine) => DataEngine): Registry {
  return { ...registry, engines: registry.engines.map((engine) => (engine.name === 'free-fall' ? change(engine) : engine)) };
}

/** Computes a gravity that is off by the last bit. */
const drifting = withEngine((engine) => ({
  ...engine,
  open: async (params) => {
    const instance = await engine.open(params);
    return {
      run(input, seed) {
        const { output, gas } = instance.run(input, seed);
        return { output: { ...output, impactSpeed: Number(output['impactSpeed']) * (1 + Number.EPSILON) }, gas };
      },
    };
  },
}));
const broken = withEngine((engine) => ({
  ...engine,
  open: async () => {
    throw new MizuError('FILE_UNREADABLE', 'its module is gone');
  },
}));

const compileFall = (known: Registry) => compileWorkflow({ text: FALL, file: 'falls.yaml' }, memoryHost(), known);

describe('a simulator', () => {
  it.each(registry.engines.map((engine) => [engine.name, engine] as const))(
    '%s computes here what it computes everywhere',
    async (_name, engine) => {
      expect(await engineDrift(engine)).toBeUndefined();
    },
  );

  it('that drifts by one bit is refused with its place, what it gave, and what to do', async () => {
    const error = await compileFall(drifting).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MizuError);
    const { code, problems } = error as MizuError;
    expect(code).toBe('WORKFLOW_INVALID');
    expect(problems).toMatchObject([{ path: 'generate[1].simulate', line: 6, hint: expect.stringContaining('mizu doctor') }]);
    expect(problems[0]?.message).toContain("'free-fall'");
    expect(problems[0]?.value).not.toBe(problems[0]?.expected);
    expect(problems[0]?.expected).toContain('15.53903999999983');
  });

  it('that can not start is refused with its reason', async () => {
    await expect(compileFall(broken)).rejects.toMatchObject({ problems: [{ value: expect.stringContaining('its module is gone') }] });
  });

  it('that drifts executes no task of a program that was compiled elsewhere', async () => {
    const { program, digest, data } = await compileFall(registry);
    const local = { openKeyIndex: () => expect.fail('a task has no keys'), close: async () => undefined };
    const opened = TaskMachine.open(
      { program, registry: drifting, storage: globalStorage(data.values()), local, expectedRecords: 0 },
      digest,
    );
    await expect(opened).rejects.toMatchObject({ code: 'CHECK_FAILED', component: 'simulate-free-fall' });
  });
});

describe('a rule over words', () => {
  const words = (more: string): string => `mizu: 1
name: words
budget: { candidates: 2 }
data: { texts: { list: [one two, three] } }
generate: [{ select: { from: texts, as: text } }]
verify:
  - length: { field: text, words: [1, 2]${more} }
`;
  const compileWords = (more: string) => compileWorkflow({ text: words(more), file: 'words.yaml' }, memoryHost(), registry);

  it('is warned of when it does not say what a word is, with place and cure', async () => {
    const { warnings } = await compileWords('');
    expect(warnings).toMatchObject([{ path: 'verify[0].length.words', line: 7, hint: expect.stringContaining('tokenizer: white-space') }]);
  });

  it('that names its tokenizer is the same program, without a warning', async () => {
    const [unnamed, named] = [await compileWords(''), await compileWords(', tokenizer: white-space')];
    expect(named.warnings).toEqual([]);
    expect(named.digest).toBe(unnamed.digest);
  });

  it('is refused for a tokenizer that nobody pinned', async () => {
    await expect(compileWords(', tokenizer: unicode')).rejects.toMatchObject({
      problems: [{ path: 'verify[0].length.tokenizer', expected: expect.stringContaining('white-space') }],
    });
  });

  it('stands inside a repair like any other', async () => {
    const text = `mizu: 1
name: words
models: { small: { url: "http://127.0.0.1:1/v1" } }
budget: { candidates: 2 }
data: { texts: { list: [one two, three] } }
generate: [{ select: { from: texts, as: text } }]
verify: [{ length: { field: text, words: [1, 2], onFail: { repair: { model: small } } } }]
`;
    const { warnings } = await compileWorkflow({ text, file: 'words.yaml' }, memoryHost(), registry);
    expect(warnings.map(({ message }) => message)).toEqual(['What a word is was not said']);
  });
});
