/** Totals don't depend on the order in which results arrive, and hold nothing of tasks beyond the one that reached the count (P15, P16). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Program, StageSpec } from '#engine';
import type { StepResult, TaskResult } from '../../../engine/dispatch/member-entry.ts';
import { RunTotals } from '../../../engine/runtime/run-totals.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TASKS = 7;

function stage(index: number, kind: StageSpec['kind'], partitions: number): StageSpec {
  return { index, kind, partitions, input: [], ops: [], output: [] };
}

/** Stage 1 with two partitions, and a publishing one with one. */
const PROGRAM: Program = {
  mizu: 1,
  seed: 0,
  accept: 10,
  budget: {},
  task: { size: 4 },
  block: 4,
  data: {},
  stages: [stage(0, 'source', 1), stage(1, 'keyed', 2), stage(2, 'last', 1)],
  published: [],
};
const { accept: _accept, ...ENDLESS } = PROGRAM;

const task = (k: number): TaskResult => ({
  type: 'task',
  k,
  attempt: 0,
  node: k % 2,
  candidates: 4,
  corrected: k % 3,
  failed: k % 2,
  gas: 10 + k,
  localBytes: 100,
  globalBytes: 7,
  leaves: 'a'.repeat(64),
});

/** Each step counts what left up to its stage: in the last stage one record more fails than in the two before it. */
function step(stageIndex: number, partition: number, k: number, reached = false): StepResult {
  const left = stageIndex === 1 ? { duplicates: 1, failed: partition === 0 ? k % 2 : 0 } : { duplicates: 2, failed: (k % 2) + 1 };
  const counts = { accepted: 2, ...left, rejected: k % 2 === 0 ? { short: 1 } : { long: 1, short: 0 } };
  return { type: 'step', stage: stageIndex, partition, k, epoch: 0, node: 1, ...counts, gas: 1, globalBytes: 3, reached };
}

const resultsOf = (k: number, reached = false): (TaskResult | StepResult)[] => [
  task(k),
  step(1, 0, k),
  step(1, 1, k),
  step(2, 0, k, reached),
];

const nameOf = (node: number): string => `m${node}`;

function totalsOf(program: Program, results: readonly (TaskResult | StepResult)[]): RunTotals {
  const totals = new RunTotals(program, nameOf);
  for (const result of results) {
    if (result.type === 'task') totals.addTask(result);
    else totals.addStep(result);
  }
  return totals;
}

describe('totals of a run', () => {
  it('are the same in whatever order results arrive, and however often', () => {
    const all = Array.from({ length: TASKS }, (_, k) => resultsOf(k)).flat();
    const inOrder = totalsOf(ENDLESS, all);
    expect(inOrder.sum).toEqual({
      candidates: 28,
      accepted: 14,
      corrected: 6,
      duplicates: 14,
      failed: 10,
      rejected: { short: 4, long: 3 },
      gas: 91 + 3 * TASKS,
      localBytes: 700,
      globalBytes: (7 + 9) * TASKS,
    });
    fc.assert(
      fc.property(fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length, maxLength: 2 * all.length }), (shuffled) => {
        const totals = totalsOf(ENDLESS, shuffled);
        expect(totals.save()).toEqual(inOrder.save());
        expect(totals.published).toBe(TASKS);
      }),
      { seed: SEED },
    );
  });

  it('never hold tasks beyond the one that reached the count, whenever those arrive', () => {
    const reachedAt = 3;
    const all = Array.from({ length: TASKS }, (_, k) => resultsOf(k, k >= reachedAt)).flat();
    const upTo = totalsOf(PROGRAM, Array.from({ length: reachedAt + 1 }, (_, k) => resultsOf(k, k === reachedAt)).flat());
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }), (shuffled) => {
        const totals = totalsOf(PROGRAM, shuffled);
        expect(totals.save()).toEqual(upTo.save());
        expect(totals.reachedAt).toBe(reachedAt);
      }),
      { seed: SEED },
    );
  });

  it('count a task only once all its steps are there', () => {
    const results = resultsOf(0);
    for (const missing of results) {
      const totals = totalsOf(
        ENDLESS,
        results.filter((result) => result !== missing),
      );
      expect(totals.published).toBe(0);
      expect(totals.sum.candidates).toBe(0);
    }
  });

  it('go on from a mark as if they had seen everything before it', () => {
    const all = Array.from({ length: TASKS }, (_, k) => resultsOf(k)).flat();
    const whole = totalsOf(ENDLESS, all);
    for (let published = 0; published <= TASKS; published++) {
      const before = totalsOf(ENDLESS, Array.from({ length: published }, (_, k) => resultsOf(k)).flat());
      const totals = new RunTotals(ENDLESS, nameOf);
      totals.goOn({ type: 'mark', published, ...before.save(), results: [] });
      for (const result of all) if (result.type === 'task') totals.addTask(result);
      for (const result of all) if (result.type === 'step') totals.addStep(result);
      expect(totals.save()).toEqual(whole.save());
    }
  });

  it('are told by stage and by member, and no record that left is told in two stages', () => {
    const { stages, members } = totalsOf(ENDLESS, Array.from({ length: TASKS }, (_, k) => resultsOf(k)).flat());
    expect(stages).toEqual([
      { gas: 91, localBytes: 700, globalBytes: 49, duplicates: 0, failed: 3 },
      { gas: 14, localBytes: 0, globalBytes: 42, duplicates: 14, failed: 0 },
      { gas: 7, localBytes: 0, globalBytes: 21, duplicates: 0, failed: 7 },
    ]);
    expect(members).toEqual([
      { member: 'm0', gas: 10 + 12 + 14 + 16, localBytes: 400, globalBytes: 28 },
      { member: 'm1', gas: 11 + 13 + 15 + 3 * TASKS, localBytes: 300, globalBytes: 21 + 9 * TASKS },
    ]);
  });

  it('of a member begin anew when another one has its number', () => {
    let name = 'first';
    const totals = new RunTotals(ENDLESS, () => name);
    for (const k of [0, 1]) {
      for (const result of resultsOf(k)) if (result.type === 'task') totals.addTask(result);
      for (const result of resultsOf(k)) if (result.type === 'step') totals.addStep(result);
      if (k === 0) expect(totals.members[0]).toEqual({ member: 'first', gas: 10, localBytes: 100, globalBytes: 7 });
      name = 'second';
    }
    expect(totals.members[1]).toEqual({ member: 'second', gas: 14, localBytes: 100, globalBytes: 16 });
  });
});
