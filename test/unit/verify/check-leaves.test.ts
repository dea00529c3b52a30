/** Leaves of a task, made by the real machines and then changed one field at a time: each change is named. */
import { beforeAll, describe, expect, test } from 'vitest';
import { fromHex, type Program, sha256 } from '#engine';
import type { Leaf } from '../../../engine/proof/leaf.ts';
import { decodeLeaf, encodeLeaf } from '../../../engine/proof/leaf.ts';
import { LeafCheck } from '../../../engine/verify/check-leaves.ts';
import { PROBLEM_LIMIT, ProblemList } from '../../../engine/verify/report.ts';
import { RunReader } from '../../../engine/verify/run-reader.ts';
import { makeRun, RUNS, withRun } from '../../support/verify-support.ts';

interface Group {
  readonly stage: number;
  readonly partition: number;
  readonly leaves: readonly Uint8Array[];
}

let program: Program;
let digest: Uint8Array;
let count: number;
let groups: readonly Group[];

beforeAll(async () => {
  await withRun(await makeRun(RUNS.counted), async (log, run) => {
    const reader = await RunReader.open(log, run);
    program = run.program;
    digest = fromHex(run.digest);
    count = reader.task(0).cut.count;
    groups = await reader.leaves(0);
  });
});

function problemsOf(stage: number, change: (leaves: Leaf[]) => readonly Leaf[], k = 0): string[] {
  const group = groups.find((one) => one.stage === stage) as Group;
  const list = new ProblemList();
  const leaves = change(group.leaves.map(decodeLeaf)).map(encodeLeaf);
  new LeafCheck(program, digest).group({ ...group, leaves }, k, count, list.report);
  return list.problems.map(({ where, message }) => `${where}: ${message}`);
}

const at =
  (n: number, change: (leaf: Leaf) => Partial<Leaf>) =>
  (leaves: Leaf[]): Leaf[] =>
    leaves.map((leaf, index) => (index === n ? { ...leaf, ...change(leaf) } : leaf));
const other = sha256(Uint8Array.of(1));

describe('leaves of a task', () => {
  test('as they were made have no problem', () => {
    for (const { stage } of groups) expect(problemsOf(stage, (leaves) => leaves)).toEqual([]);
  });

  test.each<[string, number, (leaves: Leaf[]) => readonly Leaf[], string]>([
    ['another program', 0, at(1, () => ({ program: other })), 'op 1 (word): the leaf belongs to another program'],
    ['another op digest', 0, at(1, () => ({ opDigest: other })), 'op 1 (word): its op is not the one of the program'],
    ['another digest of a kernel op', 0, at(0, () => ({ opDigest: other })), 'op 0 (source): its op is not the one of the program'],
    ['another step', 0, at(1, () => ({ step: 'n' })), 'the leaf stands in the place of block 0, op 1 (word)'],
    ['another task', 0, at(0, () => ({ k: 1 })), 'the leaf stands in the place of task 0, stage 0, partition -1'],
    ['another partition', 1, at(0, () => ({ partition: 1 })), 'the leaf stands in the place of task 0, stage 1, partition 0'],
    ['another block', 0, at(0, () => ({ block: 1 })), 'the leaf stands in the place of block 0, op 0 (source)'],
    ['another input', 0, at(2, () => ({ input: other })), 'op 2 (n): its input is not the output of op 1 (word)'],
    ['another output', 0, at(2, () => ({ output: other })), 'op 3 (body): its input is not the output of op 2 (n)'],
    [
      'records that vanish',
      0,
      at(2, ({ counts }) => ({ counts: { ...counts, kept: counts.kept - 1 } })),
      'op 2 (n): in 3 is not kept 2 + rejected 0',
    ],
    [
      'records that vanish between ops',
      0,
      at(2, ({ counts }) => ({ counts: { ...counts, in: 2, kept: 2 } })),
      'op 2 (n): 2 records came in, 3 were kept before',
    ],
    ['less than nothing', 0, at(2, ({ counts }) => ({ counts: { ...counts, kept: 4, rejected: -1 } })), 'op 2 (n): it counts -1 rejected'],
    ['gas below zero', 0, at(2, () => ({ gas: -1 })), 'op 2 (n): its gas is -1'],
    ['a state of an op that has none', 0, at(2, () => ({ state: other })), 'it commits to a state, and its op has none'],
    ['no state of a keyed op', 1, at(1, () => ({ state: undefined })), 'op 1 (once): it commits to no state'],
    ['a root of an op that has none', 0, at(2, () => ({ root: other })), 'it commits to a root, and its op has none'],
    ['no root of a shuffle', 1, (leaves) => at(leaves.length - 1, () => ({ root: undefined }))(leaves), '(shuffle): it commits to no root'],
    ['a leaf too few', 0, (leaves) => leaves.slice(1), 'stage 0, partition -1, task 0: it has 21 leaves, 22 were expected'],
    ['a leaf twice', 0, ([first, ...rest]) => [first as Leaf, first as Leaf, ...rest], 'it has 23 leaves, 22 were expected'],
    [
      'two leaves exchanged',
      0,
      ([a, b, ...rest]) => [b as Leaf, a as Leaf, ...rest],
      'the leaf stands in the place of block 0, op 0 (source)',
    ],
    [
      'the end of a block exchanged',
      0,
      (leaves) => at(leaves.length - 1, () => ({ input: other }))(leaves),
      '(shuffle): its input is not the ends of the blocks of its task',
    ],
  ])('%s', (_what, stage, change, says) => {
    expect(problemsOf(stage, change).join('\n')).toContain(says);
  });

  test('in the place of another task are named', () => {
    expect(problemsOf(0, (leaves) => leaves, 3)[0]).toContain('the leaf stands in the place of task 3');
  });

  test('that can not be read are named by their place', () => {
    const group = groups[0] as Group;
    const check = (): unknown => new LeafCheck(program, digest).group({ ...group, leaves: [Uint8Array.of(9)] }, 0, count, () => {});
    expect(check).toThrow('stage 0, partition -1, task 0, leaf 0: Leaf has version -5');
  });
});

test('a report lists no more problems than a person reads', () => {
  const list = new ProblemList();
  for (let n = 0; n < 2 * PROBLEM_LIMIT; n++) list.report(`place ${n}`, 'wrong');
  expect(list.problems).toHaveLength(PROBLEM_LIMIT);
  expect(list.problems[0]).toEqual({ where: 'place 0', message: 'wrong' });
});
