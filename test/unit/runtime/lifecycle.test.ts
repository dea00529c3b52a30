/** Deployments and what operators ask of a run, over a real log and without an orchestrator (P12, laws 4 and 10). */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DeployRequest } from '../../../engine/runtime/deploy.ts';
import type { Log, Offset, ReadOptions, RunName, RunStatus, TopicSpec } from '#engine';
import { askMode, deploy, listStates, planDeploy, readRun, readStatus, RunTopics, settingsRequest, undrained } from '#engine';
import { type CompiledFile, openSigner } from '#topologies';
import { decodeRequest } from '../../../engine/dispatch/signed-entry.ts';
import { Crash, CrashingLog } from '../../support/crashing-log.ts';
import { readAll } from '../../support/log-tools.ts';
import { workflowFiles } from '../../support/random-workflow.ts';
import { quickFolder, runCompiled, withQuickLog, withWorkflow } from '../../support/run-support.ts';
import { COPIED, COUNTED, longFiles, STREAMED } from '../../support/run-support-workflows.ts';

const IDLE = new AbortController().signal;
/** Nobody answers in these tests. */
const PATIENCE_MS = 20;

async function request(workflow: CompiledFile, changes: Partial<DeployRequest> = {}): Promise<DeployRequest> {
  const { program, digest, deployment, data } = workflow;
  return {
    program,
    digest,
    deployment,
    data: data.values(),
    source: await workflow.source(),
    newGeneration: false,
    signal: IDLE,
    ...changes,
  };
}

const deployed = async (log: Log, workflow: CompiledFile, changes: Partial<DeployRequest> = {}): Promise<RunName> =>
  deploy(log, await request(workflow, changes));

/** Counts what changes the log, topics and commits, and ends at the n-th. */
class EndingLog extends CrashingLog {
  topicsMade = 0;
  private readonly lastTopic: number;

  constructor(log: Log, at: { readonly commit?: number; readonly topic?: number }) {
    super(log, at.commit ?? Number.POSITIVE_INFINITY);
    this.lastTopic = at.topic ?? Number.POSITIVE_INFINITY;
  }

  override async createTopic(spec: TopicSpec): Promise<void> {
    if (++this.topicsMade >= this.lastTopic) throw new Crash('the process ended');
    return super.createTopic(spec);
  }
}

/** Remembers from where results were read. */
class WatchedLog extends CrashingLog {
  readonly reads: { readonly topic: string; readonly partition: number; readonly from: number }[] = [];

  constructor(log: Log) {
    super(log, Number.POSITIVE_INFINITY);
  }

  override read(topic: string, partition: number, from: Offset, options?: ReadOptions): ReturnType<Log['read']> {
    this.reads.push({ topic, partition, from });
    return super.read(topic, partition, from, options);
  }
}

describe('a deployment', () => {
  it('that ends at any topic or commit is not to be seen, and is completed when it is repeated', async () => {
    await withWorkflow(workflowFiles(COPIED), async (workflow) => {
      const counted = await withQuickLog(async (log) => {
        const whole = new EndingLog(log, {});
        await deployed(whole, workflow);
        return { topics: whole.topicsMade, commits: whole.commits };
      });
      expect(counted.commits).toBeGreaterThan(1);
      const ends = [
        ...Array.from({ length: counted.topics }, (_, n) => ({ topic: n + 1 })),
        ...Array.from({ length: counted.commits }, (_, n) => ({ commit: n + 1 })),
      ];
      await withQuickLog(async (log) => {
        for (const [n, at] of ends.entries()) {
          const named = { ...workflow, deployment: { ...workflow.deployment, name: `w-${n}` } };
          await expect(deployed(new EndingLog(log, at), named)).rejects.toThrow();
          expect(await planDeploy(log, named)).toMatchObject({ kind: 'new', run: { generation: 1 } });
          expect(await deployed(log, named)).toEqual({ name: `w-${n}`, generation: 1 });
          expect(await readRun(log, `w-${n}`)).toMatchObject({ digest: workflow.digest, deployment: { name: `w-${n}` } });
          expect(await planDeploy(log, named)).toMatchObject({ kind: 'same' });
        }
      });
    });
  });

  it('of another program is not mixed with what an interrupted one left', async () => {
    await withWorkflow(workflowFiles(COUNTED), (counted) =>
      withWorkflow(workflowFiles(STREAMED), (streamed) =>
        withQuickLog(async (log) => {
          const generations = new Set<number>();
          for (const topic of [2, 5, 8, 11, 14]) {
            const name = `w-${topic}`;
            const [first, second] = [counted, streamed].map((one) => ({ ...one, deployment: { ...one.deployment, name } })) as [
              CompiledFile,
              CompiledFile,
            ];
            await expect(deployed(new EndingLog(log, { topic }), first)).rejects.toThrow(Crash);
            const run = await deployed(log, second);
            expect(await readRun(log, name)).toMatchObject({ run, digest: streamed.digest });
            generations.add(run.generation);
          }
          // What both need alike is used; anything else is passed over.
          expect(generations).toEqual(new Set([1, 2]));
        }),
      ),
    );
  });

  it('of a changed program is refused by default, and then a generation beside the old one', async () => {
    await withWorkflow(workflowFiles(COUNTED), (first) =>
      withWorkflow(workflowFiles({ ...COUNTED, seed: 8 }), (second) =>
        withQuickLog(async (log) => {
          await deployed(log, first);
          const plan = await planDeploy(log, second);
          expect(plan).toMatchObject({ kind: 'changed', run: { generation: 2 }, current: { generation: 1, digest: first.digest } });
          expect(plan.program?.settings).toEqual([{ path: 'seed', before: 7, after: 8 }]);
          await expect(deployed(log, second)).rejects.toMatchObject({ code: 'PROGRAM_CHANGED' });
          expect(await log.topics('w.2.')).toEqual([]);
          expect(await deployed(log, second, { newGeneration: true })).toEqual({ name: 'w', generation: 2 });
          expect(await undrained(log, { name: 'w', generation: 2 })).toEqual([{ name: 'w', generation: 1 }]);
        }),
      ),
    );
  });

  it('with other settings keeps the run, and commits them together with the request that tells of them', async () => {
    await withWorkflow(workflowFiles(COUNTED), (workflow) =>
      withQuickLog(async (log) => {
        const run = await deployed(log, workflow);
        const topics = new RunTopics(run);
        const changed = { ...workflow, deployment: { ...workflow.deployment, nodes: 5, deadlineMs: 1_500 } };
        const plan = await planDeploy(log, changed);
        expect(plan).toMatchObject({ kind: 'compatible', run, settings: [{ path: 'deadlineMs' }, { path: 'nodes', before: 1, after: 5 }] });
        const signer = openSigner(log);
        const beside: DeployRequest['beside'] = (found) => [settingsRequest({ signer }, found, plan.deployment)];
        await expect(deployed(new EndingLog(log, { commit: 1 }), changed, { beside })).rejects.toThrow();
        expect([(await readRun(log, 'w')).deployment.nodes, await log.end(topics.requests, 0)]).toEqual([1, 0]);
        await deployed(log, changed, { beside });
        expect((await readRun(log, 'w')).deployment).toMatchObject({ nodes: 5, deadlineMs: 1_500 });
        const asked = (await readAll(log, topics.requests, 0)).map((entry) => decodeRequest(entry.value).body);
        expect(asked).toEqual([{ type: 'settings', nodes: 5, deadlineMs: 1_500 }]);
        expect(await planDeploy(log, changed)).toMatchObject({ kind: 'same' });
      }),
    );
  });

  it('keeps the id of the schema that its generation published under', async () => {
    await withWorkflow(workflowFiles(COUNTED), (workflow) =>
      withQuickLog(async (log) => {
        await deployed(log, workflow, { registerSchema: async (topic) => (topic === 'w.1.verified' ? 41 : 0) });
        expect(await planDeploy(log, workflow)).toMatchObject({ kind: 'same', deployment: { schemaId: 41 } });
        const changed = { ...workflow, deployment: { ...workflow.deployment, nodes: 2 } };
        await deployed(log, changed, { registerSchema: () => Promise.reject(new Crash('asked again')) });
        expect((await readRun(log, 'w')).deployment).toMatchObject({ nodes: 2, schemaId: 41 });
      }),
    );
  });
});

describe('a request', () => {
  const asked = async (log: Log, run: RunName): Promise<unknown[]> =>
    (await readAll(log, new RunTopics(run).requests, 0)).map((entry) => decodeRequest(entry.value).body);

  it('that nobody answers stands in the log', async () => {
    await withWorkflow(workflowFiles(COUNTED), (workflow) =>
      withQuickLog(async (log) => {
        const run = await deployed(log, workflow);
        const place = { log, run, signer: openSigner(log), by: 'ann@desk', signal: IDLE };
        expect(await askMode(place, 'paused', PATIENCE_MS)).toEqual({ outcome: 'standing', mode: 'running' });
        expect(await asked(log, run)).toEqual([{ type: 'mode', mode: 'paused', by: 'ann@desk' }]);
      }),
    );
  });

  it('under another key than the run was begun with is refused before anything is written', async () => {
    await withWorkflow(longFiles('w'), (workflow) =>
      withQuickLog(async (log) => {
        const run = await interrupted(log, workflow, 3);
        const stranger = openSigner(log, join(quickFolder(), 'other.pem'));
        const place = { log, run, signer: stranger, by: 'eve@desk', signal: IDLE };
        const before = await log.end(new RunTopics(run).requests, 0);
        await expect(askMode(place, 'stopped', PATIENCE_MS)).rejects.toMatchObject({ code: 'KEY_INVALID' });
        expect(await log.end(new RunTopics(run).requests, 0)).toBe(before);
      }),
    );
  });

  it('to a finished run is refused, and says so', async () => {
    await withWorkflow(workflowFiles(COUNTED), (workflow) =>
      withQuickLog(async (log) => {
        const { name, generation } = await runCompiled(workflow, { log, order: 1 });
        const place = { log, run: { name, generation }, signer: openSigner(log), by: 'ann@desk', signal: IDLE };
        for (const mode of ['running', 'paused', 'draining', 'stopped'] as const)
          await expect(askMode(place, mode, PATIENCE_MS)).rejects.toMatchObject({
            code: 'USAGE',
            message: expect.stringContaining('is finished'),
          });
      }),
    );
  });
});

describe('the status of a run', () => {
  it('counts on from the newest mark, reads no results below it, and comes to the same totals as all results', async () => {
    await withWorkflow(longFiles('w', 3_000), (workflow) =>
      withQuickLog(async (log) => {
        const run = await interrupted(log, workflow, 150);
        const deployedRun = await readRun(log, run.name);
        const watched = new WatchedLog(log);
        const status = await readStatus(watched, deployedRun);
        const results = watched.reads.filter(({ topic }) => topic === new RunTopics(run).results);
        expect(status.tasks.published).toBeGreaterThanOrEqual(150);
        expect(results.length).toBeGreaterThan(0);
        expect(results.every(({ from }) => from > 0)).toBe(true);
        const { totals, tasks, state } = status;
        expect(state).toBe('unfinished');
        expect(totals.candidates).toBe(tasks.published * 10);
        const dropped = Object.values(totals.rejected).reduce((sum, n) => sum + n, 0);
        expect(totals.accepted + dropped + totals.duplicates + totals.failed).toBe(totals.candidates);
        expect(status.stages.map(({ done }) => done >= tasks.published)).toEqual(status.stages.map(() => true));
        expectSums(status);
        // One node does all of it.
        expect(status.members).toMatchObject([
          { gas: totals.gas, bytes: { local: totals.localBytes, global: totals.globalBytes }, lag: expect.any(Number) },
        ]);
        const [listed] = await listStates(log, IDLE);
        expect(listed).toMatchObject({ name: 'w', generation: 1, state: 'unfinished', mode: 'running', program: workflow.digest });
        expect(listed?.candidates).toBeGreaterThanOrEqual(64 * 10);
        expect(listed?.candidates).toBeLessThanOrEqual(totals.candidates);
      }),
    );
  });

  it('of a finished run is its summary, in the list too', async () => {
    await withWorkflow(workflowFiles(COUNTED), (workflow) =>
      withQuickLog(async (log) => {
        const summary = await runCompiled(workflow, { log, order: 1 });
        const status = await readStatus(log, await readRun(log, 'w'));
        expect(status).toMatchObject({ state: 'finished', signed: summary.treeSize, totals: { accepted: summary.accepted }, members: [] });
        expectSums(status);
        expect(await listStates(log, IDLE)).toMatchObject([{ state: 'finished', accepted: summary.accepted, wanted: 15 }]);
      }),
    );
  });

  it('of a run that nobody took yet asks for nothing', async () => {
    await withWorkflow(workflowFiles(COUNTED), (workflow) =>
      withQuickLog(async (log) => {
        const run = await deployed(log, workflow);
        expect(await readStatus(log, await readRun(log, run.name))).toMatchObject({
          state: 'deployed',
          owner: '',
          opens: 0,
          members: [],
          rate: null,
        });
        expect(await listStates(log, IDLE)).toMatchObject([{ state: 'deployed', accepted: null }]);
      }),
    );
  });
});

/** Stages tell the same work and the same records that left as the run as a whole. */
function expectSums({ stages, totals }: RunStatus): void {
  const sum = (of: (stage: RunStatus['stages'][number]) => number): number => stages.reduce((total, stage) => total + of(stage), 0);
  expect(sum(({ gas }) => gas)).toBe(totals.gas);
  expect(sum(({ bytes }) => bytes.local)).toBe(totals.localBytes);
  expect(sum(({ bytes }) => bytes.global)).toBe(totals.globalBytes);
  expect(sum(({ rejected }) => rejected)).toBe(Object.values(totals.rejected).reduce((all, n) => all + n, 0));
  expect(sum(({ duplicates }) => duplicates)).toBe(totals.duplicates);
  expect(sum(({ failed }) => failed)).toBe(totals.failed);
  expect(totals.gas).toBeGreaterThan(0);
}

/** A run that ends when so many tasks are complete. */
async function interrupted(log: Log, workflow: CompiledFile, tasks: number): Promise<RunName> {
  const stop = new AbortController();
  await expect(
    runCompiled(workflow, {
      log,
      order: 5,
      workers: 4,
      signal: stop.signal,
      onProgress: ({ published }) => published >= tasks && stop.abort(),
    }),
  ).rejects.toMatchObject({ code: 'INTERRUPTED' });
  return { name: workflow.deployment.name, generation: 1 };
}
