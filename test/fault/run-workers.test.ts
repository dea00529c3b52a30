/** A worker thread that dies fails its attempts, never a record (P9): the run ends as one in which none died. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileWorkflow, type Log, readRun, readStatus, type RunSummary } from '#engine';
import type { CompiledFile } from '#topologies';
import { memoryHost } from '../support/memory-host.ts';
import { rejection } from '../support/log-tools.ts';
import { workflowFiles } from '../support/random-workflow.ts';
import { quickFolder, runCompiled, withQuickLog } from '../support/run-support.ts';
import { FRAGILE_REGISTRY, FRAGILE_WORKER_URL } from '../support/run-support-fragile.ts';
import { readOutcome, type RunRead } from '../support/run-support-read.ts';
import { COUNTED } from '../support/run-support-workflows.ts';

type How = 'exit' | 'uncaught' | 'defect';

async function withFragile<T>(how: How, use: (compiled: CompiledFile, mark: string) => Promise<T>): Promise<T> {
  const folder = quickFolder();
  const mark = join(folder, 'happened');
  const step = { op: 'fragile', id: 'fragile', params: { mark, candidate: 21, how }, flag: false };
  const files = workflowFiles({ ...COUNTED, verify: [step, ...COUNTED.verify] });
  try {
    const compiled = await compileWorkflow(
      { text: files['workflow.yaml'], file: 'workflow.yaml', sets: [] },
      memoryHost(),
      FRAGILE_REGISTRY,
    );
    return await use({ ...compiled, file: 'workflow.yaml', source: async () => undefined }, mark);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(compiled: CompiledFile, log: Log, how: { order?: number } = {}): Promise<{ summary: RunSummary; read: RunRead }> {
  const summary = await runCompiled(compiled, { log, ...how, registry: FRAGILE_REGISTRY, workerUrl: FRAGILE_WORKER_URL });
  return { summary, read: await readOutcome(log) };
}

/** In this process, where nothing may die: the mark is there. */
const spare = (compiled: CompiledFile) => withQuickLog((log) => run(compiled, log, { order: 1 }));

/** Every thread loads the whole program when it starts, and others may want the machine meanwhile. */
const THREADS_MS = 300_000;

describe('a worker thread', () => {
  it(
    'is replaced when it dies, and the run ends as if it had not',
    async () => {
      for (const how of ['exit', 'uncaught'] as const) {
        await withFragile(how, async (compiled, mark) => {
          const struck = await withQuickLog((log) => run(compiled, log));
          const dead = struck.read.control.filter((body) => body.type === 'dead');
          expect(
            dead.map((body) => body.reason),
            how,
          ).toContain('WORKER_DIED');
          expect(struck.read.drops.filter((drop) => drop.code === 'POISON')).toEqual([]);
          writeFileSync(mark, 'beforehand');
          const spared = await spare(compiled);
          expect(spared.read.control.filter((body) => body.type === 'dead')).toEqual([]);
          expect({ root: struck.summary.root, bytes: struck.read.bytes }).toEqual({ root: spared.summary.root, bytes: spared.read.bytes });
        });
      }
    },
    THREADS_MS,
  );

  it(
    'that meets a defect of an operator ends the run with the step named, and the run goes on once it is mended',
    async () => {
      await withFragile('defect', async (compiled) => {
        await withQuickLog(async (log) => {
          const error = await rejection(run(compiled, log));
          expect(error.code).toBe('ATTEMPTS_EXHAUSTED');
          expect(error.message).toContain("Step 'fragile' (fragile) failed as a whole: a defect of this operator");
          const { failures } = await readStatus(log, await readRun(log, 'w'));
          expect(failures.at(-1)).toMatchObject({
            code: 'INTERNAL',
            step: 'fragile',
            message: expect.stringContaining('a defect of this operator'),
          });
          const mended = await run(compiled, log, { order: 2 });
          const spared = await spare(compiled);
          expect({ root: mended.summary.root, bytes: mended.read.bytes }).toEqual({ root: spared.summary.root, bytes: spared.read.bytes });
        });
      });
    },
    THREADS_MS,
  );
});
