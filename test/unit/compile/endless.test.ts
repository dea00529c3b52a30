/** What a stream without end may remember and keep: dedup says its window or that it has none, and the log's retention goes for all that passes through. */
import { describe, expect, it } from 'vitest';
import { type Compiled, compileWorkflow, MizuError, type Problem, type Retention, RunTopics, workflowSchema } from '#engine';
import { registry } from '#topologies';
import { memoryHost } from '../../support/memory-host.ts';

const workflow = (dedup: string, more = ''): string =>
  `mizu: 1\nname: w\n${more}generate: [{ random: { as: n, integer: [0, 9] } }]\nverify: [{ dedup: { by: [n]${dedup} } }]\n`;

const compile = (text: string): Promise<Compiled> => compileWorkflow({ text, file: 'w.yaml' }, memoryHost(), registry);

async function problemsOf(text: string): Promise<readonly Problem[]> {
  const error: unknown = await compile(text).catch((thrown: unknown) => thrown);
  return error instanceof MizuError ? error.problems : [];
}

describe('dedup of a stream without end', () => {
  it('is refused unless it says when it forgets, and the hint names both ways', async () => {
    const [problem, ...others] = await problemsOf(workflow(''));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: 'verify[0].dedup', message: expect.stringContaining('remembers every record'), line: 4 });
    expect(problem?.hint).toMatch(/`window: \d+`.*`unbounded: true`/);
  });

  it.each([', window: 1000', ', unbounded: true'])('is allowed with%s', async (more) => {
    await expect(compile(workflow(more))).resolves.toBeDefined();
  });

  it('is refused with both, and with a window of no task', async () => {
    expect(await problemsOf(workflow(', window: 5, unbounded: true'))).toMatchObject([{ path: 'verify[0].dedup.unbounded' }]);
    expect(await problemsOf(workflow(', window: 0'))).toMatchObject([{ path: 'verify[0].dedup.window' }]);
    expect(await problemsOf(workflow(', unbounded: false'))).toMatchObject([{ path: 'verify[0].dedup.unbounded' }]);
  });

  it('has the op of a run that ends, unless it has a window', async () => {
    const ends = 'budget: { candidates: 10 }\n';
    const opOf = async (text: string) => (await compile(text)).program.stages[1]?.ops[0]?.params;
    expect(await opOf(workflow('', ends))).toEqual({ by: ['n'] });
    expect(await opOf(workflow(', unbounded: true'))).toEqual({ by: ['n'] });
    expect(await opOf(workflow(', window: 7'))).toEqual({ by: ['n'], window: 7 });
  });
});

describe('retention', () => {
  const retentionOf = async (text: string): Promise<Retention | undefined> =>
    (await compile(workflow(', window: 5', `retention: ${text}\n`))).deployment.retention;

  it('is read with units, and is no part of the program', async () => {
    expect(await retentionOf('{ bytes: 1GB, time: 24h }')).toEqual({ bytes: 1_000_000_000, ms: 86_400_000 });
    expect(await retentionOf('{ bytes: 16MiB }')).toEqual({ bytes: 16 * 2 ** 20 });
    expect(await retentionOf('{ time: 1m }')).toEqual({ ms: 60_000 });
    const { digest } = await compile(workflow(', window: 5'));
    expect((await compile(workflow(', window: 5', 'retention: { time: 1h }\n'))).digest).toBe(digest);
    expect((await compile(workflow(', window: 5'))).deployment).not.toHaveProperty('retention');
  });

  it.each(['{ bytes: 1 }', '{ bytes: 15MB }', '{ bytes: 1 GB }', '{ time: 59s }', '{ time: forever }', '{ size: 1GB }'])(
    'is refused as %s, with an example',
    async (text) => {
      const problems = await problemsOf(workflow(', window: 5', `retention: ${text}\n`));
      expect(problems).toHaveLength(1);
      expect(problems[0]?.path).toMatch(/^retention/);
    },
  );

  it('goes for frames, deltas, answers and published records alike, and for nothing else (P13)', async () => {
    const { program } = await compile(workflow(', window: 5'));
    const retention = { bytes: 20_000_000 };
    const topics = new RunTopics({ name: 'w', generation: 1 });
    const kept = topics.specs(program, retention).filter((spec) => spec.retention === undefined);
    const passing = topics.specs(program, retention).filter((spec) => spec.retention !== undefined);
    expect(passing.map(({ name }) => name.slice('w.1.'.length))).toEqual([
      'frames-1',
      'state-1',
      'attestations',
      'verified',
      'rejected',
      'failed',
      'duplicates',
    ]);
    for (const spec of passing) expect(spec).toMatchObject({ cleanup: 'keep', retention });
    expect(kept.map(({ name }) => name)).toEqual(
      expect.arrayContaining([topics.control, topics.proofs, topics.snapshots(1), topics.tiles]),
    );
    expect(topics.specs(program).every((spec) => spec.retention === undefined)).toBe(true);
  });

  it('is described in the schema of the editor', () => {
    expect(JSON.stringify(workflowSchema.shape.retention.meta() ?? {})).toContain('deployment setting');
  });
});
