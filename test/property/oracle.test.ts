/**
 * The engine agrees with a plain computation over the whole list in memory, on random workflows and data, whatever the task size, blocks,
 * partitions and order in which tasks end (laws 1, 5; P4, P16). MIZU_RUNS sets how many, MIZU_SEED replays them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Row, RunSummary } from '#engine';
import { type OracleResult, type PlainWorkflow, runOracle, type StepCounts } from '../support/oracle.ts';
import { plainAnswer } from '../support/plain-model.ts';
import { randomWorkflow, workflowFiles } from '../support/random-workflow.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { compareIds, plainRoot, readOutcome, type RunRead } from '../support/run-support-read.ts';

const RUNS = Number(process.env['MIZU_RUNS'] ?? 300);
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

interface Way {
  readonly order: number;
  readonly workers: number;
  readonly nodes: number;
}

const way: fc.Arbitrary<Way> = fc.record({
  order: fc.nat(1_000_000),
  workers: fc.constantFrom(1, 2, 4),
  nodes: fc.constantFrom(1, 3),
});

async function runEngine(workflow: PlainWorkflow, how: Way): Promise<{ summary: RunSummary; read: RunRead }> {
  return withWorkflow(workflowFiles(workflow), async (compiled) => {
    return withQuickLog(async (log) => {
      const summary = await runCompiled(compiled, { log, answer: plainAnswer, ...how });
      return { summary, read: await readOutcome(log) };
    });
  });
}

/** Ops of one step hand fields to each other. */
const visible = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith('$')));

/** A drop of the engine in the oracle's words. */
function plainDrop({ id, kind, step, measured, limit, code, winner, before }: RunRead['drops'][number]): unknown {
  return {
    id,
    kind,
    step,
    ...(measured === undefined ? {} : { measured }),
    ...(limit === undefined ? {} : { limit }),
    ...(kind === 'failed' ? { code } : {}),
    ...(winner === undefined ? {} : { winner: `${winner.k}.${winner.i}` }),
    before: before['$source'] instanceof Uint8Array ? Buffer.from(before['$source']).toString('utf8') : visible(before),
  };
}

/** The oracle keeps every field of a dropped record; a frame carries only those that later steps need. */
function seenBy(read: RunRead, drops: OracleResult['drops']): unknown[] {
  return drops.map((drop, at) => {
    const names = Object.keys(visible(read.drops[at]?.before ?? {}));
    if (typeof drop.before === 'string') return drop;
    return { ...drop, before: Object.fromEntries(Object.entries(drop.before).filter(([name]) => names.includes(name))) };
  });
}

function countsByStep(read: RunRead): Record<string, StepCounts> {
  const sums: Record<string, StepCounts> = {};
  for (const { leaf } of read.leaves) {
    const sum = sums[leaf.step] ?? { in: 0, kept: 0, changed: 0, rejected: 0, failed: 0, duplicates: 0, flagged: 0 };
    sums[leaf.step] = sum;
    for (const [name, n] of Object.entries(leaf.counts)) if (name in sum) sum[name as keyof StepCounts] += n;
  }
  return sums;
}

function expectAccounted(summary: RunSummary, read: RunRead): void {
  for (const { leaf } of read.leaves) {
    const { in: came, kept, rejected, failed, duplicates } = leaf.counts;
    expect(kept + rejected + failed + duplicates, `leaf of '${leaf.step}', task ${leaf.k}`).toBe(came);
  }
  const rejected = Object.values(summary.rejected).reduce((sum, n) => sum + n, 0);
  expect(summary.accepted + rejected + summary.duplicates + summary.failed).toBe(summary.candidates);
  const sums = countsByStep(read);
  expect(sums['source']?.in).toBe(summary.candidates);
  expect(sums['publish']?.kept).toBe(summary.accepted);
  expect(read.leaves.length).toBe(summary.treeSize);
  expect(plainRoot(read.leaves.map(({ bytes }) => bytes)).toString('hex')).toBe(summary.root);
}

function expectAgreement(oracle: OracleResult, summary: RunSummary, read: RunRead): void {
  expect(read.published).toEqual(oracle.published);
  expect(read.published.map(({ row }) => Object.keys(row))).toEqual(oracle.published.map(({ row }) => Object.keys(row)));
  expect(read.drops.map(plainDrop)).toEqual(seenBy(read, oracle.drops));
  const { reason, candidates, accepted, corrected, rejected, duplicates, failed, reports } = oracle;
  expect(summary).toMatchObject({ reason, candidates, accepted, corrected, duplicates, failed });
  expect(summary.rejected).toEqual(rejected);
  expect(summary.reports).toEqual(reports);
  expect(countsByStep(read)).toMatchObject(oracle.steps);
}

describe(`the engine and the oracle (seed ${SEED})`, () => {
  it(`agree on records, drops, counts, reports and leaves of ${RUNS} random workflows`, async () => {
    const seen = { accepted: 0, exhausted: 0, published: 0, rejected: 0, duplicates: 0, failed: 0 };
    const ops = new Set<string>();
    await fc.assert(
      fc.asyncProperty(randomWorkflow, way, async (workflow, how) => {
        const oracle = runOracle(workflow);
        const { summary, read } = await runEngine(workflow, how);
        expectAgreement(oracle, summary, read);
        expectAccounted(summary, read);
        for (const ids of Object.values(read.order)) expect(ids).toEqual([...new Set(ids)].sort(compareIds));
        // Nobody asked for a draining, so nothing may end by one.
        expect(summary.reason).not.toBe('drained');
        seen[summary.reason === 'accepted' ? 'accepted' : 'exhausted']++;
        for (const { op } of workflow.verify) ops.add(op);
        seen.published += summary.accepted;
        seen.rejected += read.drops.filter((drop) => drop.kind === 'rejected').length;
        seen.duplicates += summary.duplicates;
        seen.failed += summary.failed;
      }),
      { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 240_000, markInterruptAsFailure: true },
    );
    // Agreement on nothing would be no agreement.
    if (RUNS >= 300) for (const op of ['judge', 'classify', 'repair', 'quota', 'coverage', 'distinct']) expect(ops).toContain(op);
    if (RUNS >= 300) for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
  }, 300_000);
});
