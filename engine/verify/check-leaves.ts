/**
 * The leaves of one task: exactly those that the program prescribes, in canonical order, each with the digest of its op, counts that
 * account for every record (law 5), and an input that is the output of the op before it (law 2).
 */
import type { Program, StageSpec } from '../contract/program.ts';
import { acceptPlace } from '../compile/accept-place.ts';
import { opDigest } from '../compile/op-digest.ts';
import { kernelOpDigest } from '../datavm/program-loader.ts';
import { sourceOpDigest } from '../datavm/source-commitment.ts';
import { publishDigest } from '../datavm/step-machine.ts';
import type { Leaf } from '../proof/leaf.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { equalBytes, sha256 } from '../proof/sha256.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import type { Report } from './report.ts';
import { readAt } from './report.ts';

export interface CheckedGroup {
  readonly stage: number;
  readonly partition: number;
  readonly leaves: readonly Leaf[];
}

export function placeOf(leaf: Leaf): string {
  const task = leaf.partition === -1 ? `${leaf.stage}/${leaf.k}` : `${leaf.stage}/${leaf.partition}/${leaf.k}`;
  return `task ${task}, block ${leaf.block}, op ${leaf.op} (${leaf.step})`;
}

/** One op of a stage as its leaves must show it. */
interface ExpectedOp {
  readonly step: string;
  readonly digest: Uint8Array;
  /** Whether its leaf chains a state. */
  readonly keyed: boolean;
  /** Whether its leaf commits to frames or published entries. */
  readonly rooted: boolean;
}

/** Checks the leaves of task after task against the program. */
export class LeafCheck {
  private readonly program: Program;
  private readonly digest: Uint8Array;
  private readonly stages: readonly (readonly ExpectedOp[])[];

  /** `digest`: of the program, 32 bytes. */
  constructor(program: Program, digest: Uint8Array) {
    this.program = program;
    this.digest = digest;
    this.stages = program.stages.map((stage) => expectedOps(program, stage));
  }

  /** `candidates`: as control cut the task. @throws LOG_CORRUPT for a leaf that can't be read. */
  group(group: LeafGroup, k: number, candidates: number, report: Report): CheckedGroup {
    const { stage, partition } = group;
    const leaves = group.leaves.map((bytes, n) =>
      readAt(`stage ${stage}, partition ${partition}, task ${k}, leaf ${n}`, () => decodeLeaf(bytes)),
    );
    const expected = this.expected(stage, candidates);
    if (leaves.length !== expected.length) {
      report(`stage ${stage}, partition ${partition}, task ${k}`, `it has ${leaves.length} leaves, ${expected.length} were expected`);
    }
    leaves.forEach((leaf, n) => {
      const where = placeOf(leaf);
      const wanted = expected[n];
      if (!equalBytes(leaf.program, this.digest)) report(where, 'the leaf belongs to another program');
      if (leaf.k !== k || leaf.stage !== stage || leaf.partition !== partition) {
        report(where, `the leaf stands in the place of task ${k}, stage ${stage}, partition ${partition}`);
      }
      if (wanted !== undefined) checkOp(leaf, wanted, where, report);
      checkCounts(leaf, where, report);
      const before = leaves[n - 1];
      if (before !== undefined && before.block === leaf.block) checkLink(before, leaf, where, report);
    });
    if (stage === 0) checkEnds(leaves, report);
    return { stage, partition, leaves };
  }

  private expected(stage: number, candidates: number): { readonly block: number; readonly at: number; readonly op: ExpectedOp }[] {
    const ops = (this.stages[stage] ?? []).map((op, at) => ({ at, op }));
    if (stage !== 0) return ops.map((op) => ({ block: 0, ...op }));
    // Every block goes through all ops; the shuffle takes the blocks together, as one more.
    const blocks = Math.max(1, Math.ceil(candidates / this.program.block));
    const inBlocks = Array.from({ length: blocks }, (_, block) => ops.slice(0, -1).map((op) => ({ block, ...op })));
    return [...inBlocks.flat(), ...ops.slice(-1).map((op) => ({ block: blocks, ...op }))];
  }
}

function expectedOps(program: Program, stage: StageSpec): ExpectedOp[] {
  const kernel = (step: string, digest: Uint8Array, marks: Partial<ExpectedOp> = {}): ExpectedOp => ({
    keyed: false,
    rooted: false,
    ...marks,
    step,
    digest,
  });
  const ops = stage.ops.map((op) => kernel(op.id, opDigest(op), { keyed: op.kind === 'keyed' }));
  if (stage.kind === 'last' && program.accept !== undefined) {
    ops.splice(acceptPlace(stage), 0, kernel('accept', kernelOpDigest('accept', { accept: program.accept }), { keyed: true }));
  }
  const first = stage.kind === 'source' ? kernel('source', sourceOpDigest(program)) : kernel('collect', kernelOpDigest('collect', null));
  const { shuffle } = stage;
  const last =
    shuffle === undefined
      ? kernel('publish', publishDigest(stage.output), { rooted: true })
      : kernel('shuffle', kernelOpDigest('shuffle', { by: shuffle.by, partitions: shuffle.partitions }), { rooted: true });
  return [first, ...ops, last];
}

function checkOp(
  leaf: Leaf,
  wanted: { readonly block: number; readonly at: number; readonly op: ExpectedOp },
  where: string,
  report: Report,
): void {
  const { block, at, op } = wanted;
  if (leaf.block !== block || leaf.op !== at || leaf.step !== op.step) {
    report(where, `the leaf stands in the place of block ${block}, op ${at} (${op.step})`);
    return;
  }
  if (!equalBytes(leaf.opDigest, op.digest)) report(where, 'its op is not the one of the program');
  if ((leaf.state !== undefined) !== op.keyed)
    report(where, op.keyed ? 'it commits to no state' : 'it commits to a state, and its op has none');
  if ((leaf.root !== undefined) !== op.rooted)
    report(where, op.rooted ? 'it commits to no root' : 'it commits to a root, and its op has none');
}

function checkCounts(leaf: Leaf, where: string, report: Report): void {
  const { counts } = leaf;
  if (counts.in !== counts.kept + counts.rejected + counts.failed + counts.duplicates) {
    report(
      where,
      `in ${counts.in} is not kept ${counts.kept} + rejected ${counts.rejected} + failed ${counts.failed} + duplicates ${counts.duplicates}`,
    );
  }
  const negative = Object.entries(counts).find(([, count]) => count < 0);
  if (negative !== undefined || leaf.gas < 0)
    report(where, negative === undefined ? `its gas is ${leaf.gas}` : `it counts ${negative[1]} ${negative[0]}`);
}

function checkLink(before: Leaf, leaf: Leaf, where: string, report: Report): void {
  if (!equalBytes(leaf.input, before.output)) report(where, `its input is not the output of op ${before.op} (${before.step})`);
  if (leaf.counts.in !== before.counts.kept) report(where, `${leaf.counts.in} records came in, ${before.counts.kept} were kept before`);
}

/** A task's shuffle takes the ends of all its blocks. */
function checkEnds(leaves: readonly Leaf[], report: Report): void {
  const last = leaves.at(-1);
  if (last === undefined) return;
  const ends = leaves.filter((leaf, n) => leaf !== last && leaves[n + 1]?.block !== leaf.block);
  const kept = ends.reduce((sum, leaf) => sum + leaf.counts.kept, 0);
  if (!equalBytes(last.input, sha256(...ends.map((leaf) => leaf.output))))
    report(placeOf(last), 'its input is not the ends of the blocks of its task');
  if (last.counts.in !== kept) report(placeOf(last), `${last.counts.in} records came in, the blocks kept ${kept}`);
}
