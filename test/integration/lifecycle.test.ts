/**
 * The life of runs that are served (P12): deployed, paused, gone on with, stopped, drained, replaced. The roles are played by `serve`, in this process and
 * in several, over one log; every law is checked on what stands in control and in the published topics.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { ModeAnswer } from '#engine';
import { explainTask, readRun, readStatus, ROLES, RunTopics, verifyRun } from '#engine';
import type { CompiledFile } from '#topologies';
import { readAll } from '../support/log-tools.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { COUNTED, longFiles } from '../support/run-support-workflows.ts';
import { ask, closed, controlOf, deployed, endProcesses, startProcess, STUCK_MS, until } from '../support/served-run.ts';

afterEach(endProcesses);

/** What the same workflow comes to when nobody disturbs it. */
const undisturbed = (workflow: CompiledFile): Promise<{ readonly root: string; readonly accepted: number }> =>
  withQuickLog((log) => runCompiled(workflow, { log, order: 3 }));

const SIZE = 3_000;

describe('a served run', () => {
  it('is paused without losing what was accepted, goes on, and comes to the root of an undisturbed one', {
    timeout: STUCK_MS,
  }, async () => {
    await withWorkflow(longFiles('w', SIZE), (workflow) =>
      withQuickLog(async (log) => {
        startProcess(log, 'one', ROLES);
        const { run, roles } = await deployed(log, workflow);
        expect(roles).toMatchObject({ orchestrator: true, nodes: 1, steps: true, checkpointer: true });
        await until(log, run, ({ tasks }) => tasks.published > 3);
        expect(await ask(log, run, 'paused')).toEqual({ outcome: 'done', mode: 'paused' });
        expect(await ask(log, run, 'paused')).toEqual({ outcome: 'already', mode: 'paused' });
        // Every accepted task is published, and nothing else is given out.
        const still = await until(log, run, ({ stages }) => stages.every(({ done }) => done === stages[0]?.done));
        expect(still).toMatchObject({ mode: 'paused', modeBy: 'ann@desk' });
        expect(still.tasks.published).toBeLessThan(SIZE / 10);
        expect(await ask(log, run, 'running')).toEqual({ outcome: 'done', mode: 'running' });
        const summary = await closed(log, run);
        const entries = await controlOf(log, run);
        const [from, to] = ['paused', 'running'].map((mode) => entries.findLastIndex((body) => body.type === 'mode' && body.mode === mode));
        const between = entries.slice(from, to).map(({ type }) => type);
        expect(between.filter((type) => type === 'assign' || type === 'cut')).toEqual([]);
        const expected = await undisturbed(workflow);
        expect([summary.root, summary.accepted, summary.reason]).toEqual([expected.root, expected.accepted, 'exhausted']);
      }),
    );
  });

  it('is stopped, so that its members let go; resumed, the same processes take it up again', { timeout: STUCK_MS }, async () => {
    await withWorkflow(longFiles('w', SIZE), (workflow) =>
      withQuickLog(async (log) => {
        startProcess(log, 'brain', ['orchestrator', 'checkpointer']);
        startProcess(log, 'hand', ['node']);
        const { run } = await deployed(log, workflow);
        await until(log, run, ({ tasks }) => tasks.published > 3);
        expect(await ask(log, run, 'stopped')).toMatchObject({ outcome: 'done', mode: 'stopped' });
        expect((await readStatus(log, await readRun(log, 'w'))).mode).toBe('stopped');
        await expect(ask(log, run, 'paused')).rejects.toMatchObject({ code: 'USAGE' });
        expect(await ask(log, run, 'running')).toMatchObject({ outcome: 'done', mode: 'running' });
        const summary = await closed(log, run);
        expect(summary.root).toBe((await undisturbed(workflow)).root);
      }),
    );
  });

  it('is drained: what was begun is finished, its tree verifies, and nothing more is cut', { timeout: STUCK_MS }, async () => {
    await withWorkflow(longFiles('w', SIZE), (workflow) =>
      withQuickLog(async (log) => {
        startProcess(log, 'one', ROLES);
        const { run } = await deployed(log, workflow);
        await until(log, run, ({ tasks }) => tasks.published > 3);
        expect(await ask(log, run, 'draining')).toMatchObject({ outcome: 'done' });
        const summary = await closed(log, run);
        expect(summary.reason).toBe('drained');
        expect(summary.candidates).toBeLessThan(SIZE);
        const entries = await controlOf(log, run);
        const asked = entries.findIndex((body) => body.type === 'mode' && body.mode === 'draining');
        expect(entries.slice(asked).filter(({ type }) => type === 'cut')).toEqual([]);
        const cuts = entries.filter(({ type }) => type === 'cut').length;
        expect(entries.find((body) => body.type === 'finish')).toMatchObject({ last: cuts - 1 });
        expect(await verifyRun(log, await readRun(log, 'w'))).toMatchObject({ ok: true, root: summary.root });
        await expect(ask(log, run, 'running')).rejects.toMatchObject({ code: 'USAGE' });
      }),
    );
  });

  it('employs more nodes when that is deployed, live; a second deployment changes nothing', { timeout: STUCK_MS }, async () => {
    await withWorkflow(longFiles('w', 2 * SIZE), (workflow) =>
      withQuickLog(async (log) => {
        startProcess(log, 'one', ROLES);
        startProcess(log, 'two', ['node']);
        const { run } = await deployed(log, workflow);
        await until(log, run, ({ tasks, members }) => tasks.published > 3 && members.length === 1);
        await deployed(log, workflow, { nodes: 2 });
        const both = await until(log, run, ({ members }) => members.length === 2 && members.every(({ accepted }) => accepted > 0));
        expect(both.employed).toBe(2);
        expect(both.members.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
        expect(both.members.flatMap(({ roles }) => roles).sort()).toEqual(['1/0', '1/1', 'checkpointer']);
        const requests = await log.end(new RunTopics(run).requests, 0);
        await deployed(log, workflow, { nodes: 2 });
        const asked = (await readAll(log, new RunTopics(run).requests, 0)).filter(({ offset }) => offset >= requests);
        expect(asked.map(({ value }) => String(Buffer.from(value))).filter((text) => text.includes('"settings"'))).toEqual([]);
        for (const { equal, k } of await explainTask(log, await readRun(log, 'w'), 2)) expect({ k, equal }).toEqual({ k: 2, equal: true });
        expect((await closed(log, run)).root).toBe((await undisturbed(workflow)).root);
      }),
    );
  });

  it('gives way to a new generation: the old one drains, the new one runs to its end', { timeout: STUCK_MS }, async () => {
    await withWorkflow(longFiles('w', 2 * SIZE), (first) =>
      withWorkflow(workflowFiles(COUNTED), (second) =>
        withQuickLog(async (log) => {
          startProcess(log, 'one', ROLES);
          const { run } = await deployed(log, first);
          await until(log, run, ({ tasks }) => tasks.published > 3);
          await expect(deployed(log, second)).rejects.toMatchObject({ code: 'PROGRAM_CHANGED' });
          const next = await deployed(log, second, { newGeneration: true });
          expect(next).toMatchObject({ run: { name: 'w', generation: 2 }, drained: [{ name: 'w', generation: 1 }] });
          expect((await closed(log, run)).reason).toBe('drained');
          expect((await closed(log, next.run)).root).toBe((await undisturbed(second)).root);
          expect((await deployed(log, second)).drained).toEqual([]);
        }),
      ),
    );
  });
});

describe('a run of one process', () => {
  it('heeds its operator too: stopped it ends, says by whom, and the same call goes on to the same root', {
    timeout: STUCK_MS,
  }, async () => {
    await withWorkflow(longFiles('w', SIZE), (workflow) =>
      withQuickLog(async (log) => {
        const run = { name: 'w', generation: 1 };
        let asked: Promise<ModeAnswer> | undefined;
        const stopped = runCompiled(workflow, {
          log,
          order: 3,
          onProgress: ({ published }) => {
            if (published > 3) asked ??= ask(log, run, 'stopped');
          },
        });
        await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED', message: expect.stringContaining('ann@desk') });
        expect(await asked).toEqual({ outcome: 'done', mode: 'stopped' });
        const summary = await runCompiled(workflow, { log, order: 4 });
        expect(summary.root).toBe((await undisturbed(workflow)).root);
      }),
    );
  });
});
