/** A run begins before all of its source is on the log, and ends as one whose source was there from the begin (laws 1, 2, 4; P13). */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { FILES, type Log, offset, type Progress, readRun, readStatus, RunTopics, type ServeEvent, verifyRun } from '#engine';
import type { CompiledFile } from '#topologies';
import { isCopied } from '../../engine/runtime/copied-records.ts';
import { codeOf, readAll, rejection } from '../support/log-tools.ts';
import { inSteps } from '../support/marked-source.ts';
import type { PlainWorkflow } from '../support/oracle.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { COPIED, COUNTED } from '../support/run-support-workflows.ts';
import { deployed, endProcesses, startProcess } from '../support/served-run.ts';

const ORDER = 7;
/** One and a half tasks. */
const STEP = 1_050;

async function withCopied<T>(use: (workflow: CompiledFile, log: Log) => Promise<T>, changes: Partial<PlainWorkflow> = {}): Promise<T> {
  const files = workflowFiles({ ...COPIED, ...changes }, 'w');
  return withWorkflow(files, (workflow) => withQuickLog((log) => use(workflow, log)));
}

/** Root and published bytes of a run whose source was copied at once. */
const undisturbed = (workflow: CompiledFile): Promise<readonly [string, unknown]> =>
  withQuickLog(async (log) => [(await runCompiled(workflow, { log, order: ORDER })).root, (await readOutcome(log)).bytes]);

async function publishedEntry(log: Log): Promise<void> {
  const verified = new RunTopics({ name: 'w', generation: 1 }).verified;
  const { partitions } = (await log.topics(verified))[0] ?? { partitions: 0 };
  const found = new AbortController();
  await Promise.race(Array.from({ length: partitions }, (_, p) => log.waitBeyond(verified, p, offset(0), found.signal)));
  found.abort();
}

afterEach(endProcesses);

describe('a run whose source is being copied', () => {
  it('publishes what is there before the rest comes', async () => {
    await withCopied(async (workflow, log) => {
      const [root, bytes] = await undisturbed(workflow);
      // Without that the copy, and the test, would wait for ever.
      const awaited = await inSteps(workflow, { size: STEP, before: async (from) => (from === 0 ? undefined : publishedEntry(log)) });
      expect(await runCompiled(awaited, { log, order: ORDER })).toMatchObject({ root });
      expect((await readOutcome(log)).bytes).toEqual(bytes);
      expect(await verifyRun(log, await readRun(log, 'w'))).toMatchObject({ ok: true, problems: [], root });
    });
  });

  it('stopped in the middle of it verifies as far as it came, and goes on to the same end', async () => {
    await withCopied(
      async (workflow, log) => {
        const [root, bytes] = await undisturbed(workflow);
        const stop = new AbortController();
        const stopped = await inSteps(workflow, {
          size: STEP,
          before: async (from) => {
            if (from === 0) return;
            await log.waitBeyond(new RunTopics({ name: 'w', generation: 1 }).checkpoints, 0, offset(0), stop.signal);
            stop.abort();
          },
        });
        expect(codeOf(await rejection(runCompiled(stopped, { log, order: ORDER, signal: stop.signal })))).toBe('INTERRUPTED');
        const run = await readRun(log, 'w');
        expect(await isCopied(log, new RunTopics(run.run), run.program)).toBe(false);
        expect(await verifyRun(log, run)).toMatchObject({ ok: true, problems: [] });
        expect((await readStatus(log, run)).source).toMatchObject({ name: FILES, behind: 2_300 - STEP });
        expect(await runCompiled(await inSteps(workflow, { size: STEP }), { log, order: ORDER })).toMatchObject({ root });
        expect((await readOutcome(log)).bytes).toEqual(bytes);
        expect(await verifyRun(log, await readRun(log, 'w'))).toMatchObject({ ok: true, problems: [], root });
        // While a run goes on, a head is signed after 64 tasks.
      },
      { taskSize: 10 },
    );
  });

  it('whose source changes meanwhile takes nothing of the change, says so, and goes on once it is as it was', async () => {
    await withCopied(async (workflow, log) => {
      const [root] = await undisturbed(workflow);
      const change = (record: Uint8Array, number: number): Uint8Array => (number === STEP ? Buffer.from('{"body":"other"}') : record);
      const error = await rejection(runCompiled(await inSteps(workflow, { size: STEP, change }), { log, order: ORDER }));
      expect(codeOf(error)).toBe('SOURCE_UNAVAILABLE');
      expect(error.message).toContain('its first 2100 records are others than were compiled');
      const there = await readAll(log, new RunTopics({ name: 'w', generation: 1 }).source, 0);
      expect(there.reduce((sum, { headers }) => sum + Number(headers['count']), 0)).toBe(STEP);
      expect(await runCompiled(workflow, { log, order: ORDER })).toMatchObject({ root });
      expect(await verifyRun(log, await readRun(log, 'w'))).toMatchObject({ ok: true, problems: [], root });
    });
  });

  it('with its exact count before the source ends is closed only once all of the source is there', async () => {
    await withCopied(
      async (workflow, log) => {
        // The copy waits for the run to have nothing else to wait for.
        const told = new EventTarget();
        const waits = once(told, 'waits');
        const awaited = await inSteps(workflow, { size: STEP, before: async (from) => void (from === STEP && (await waits)) });
        const onProgress = ({ missing }: Progress): void => void (missing === 2_300 - STEP && told.dispatchEvent(new Event('waits')));
        expect(await runCompiled(awaited, { log, order: ORDER, onProgress })).toMatchObject({ accepted: 5 });
        const run = await readRun(log, 'w');
        expect(await isCopied(log, new RunTopics(run.run), run.program)).toBe(true);
        expect(await verifyRun(log, run)).toMatchObject({ ok: true, problems: [] });
      },
      { accept: 5 },
    );
  });

  it('is left alone by processes of a network, which could not copy the rest', async () => {
    await withCopied(async (workflow, log) => {
      const stop = new AbortController();
      const stopped = await inSteps(workflow, { size: STEP, before: async (from) => (from === 0 ? undefined : stop.abort()) });
      await rejection(runCompiled(stopped, { log, order: ORDER, signal: stop.signal }));
      await withWorkflow(workflowFiles(COUNTED, 'z'), async (other) => {
        await deployed(log, other);
        const events = new EventTarget();
        const runs: string[] = [];
        const onEvent = (event: ServeEvent): void => {
          if (event.type !== 'run') return;
          runs.push(`${event.run} ${event.state}`);
          if (event.run === 'z/1' && event.state === 'closed') events.dispatchEvent(new Event('closed'));
        };
        const closed = once(events, 'closed');
        const end = startProcess(log, 'one', ['orchestrator', 'node', 'checkpointer'], { onEvent });
        await closed;
        await end();
        expect(runs).toEqual(['z/1 served', 'z/1 closed']);
      });
    });
  });
});
