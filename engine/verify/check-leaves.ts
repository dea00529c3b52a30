/** Checks of the leaves of one task: form, order, chained commitments, counts (law 5), and what they say of frames and publications (P11). */
import type { Program } from '../contract/program.ts';
import { KERNEL_STEPS } from '../compile/kernel-fields.ts';
import { opDigest } from '../compile/op-digest.ts';
import type { Frame } from '../proof/frame.ts';
import { dropEntry, frameRoot, publishedEntry, rootOfFrames } from '../proof/frame.ts';
import type { Leaf } from '../proof/leaf.ts';
import { compareLeaves, decodeLeaf } from '../proof/leaf.ts';
import { leafHash, rootOf } from '../proof/merkle.ts';
import { equalBytes, fromHex, sha256 } from '../proof/sha256.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import { partitionOf, partitionOfDrop } from '../datavm/frame-builder.ts';
import type { PublishedTask } from './topic-merge.ts';

export type Report = (where: string, message: string) => void;

export interface CheckedGroup {
  readonly stage: number;
  readonly partition: number;
  readonly leaves: readonly Leaf[];
}

export function placeOf(leaf: Leaf): string {
  const task = leaf.partition === -1 ? `${leaf.stage}/${leaf.k}` : `${leaf.stage}/${leaf.partition}/${leaf.k}`;
  return `task ${task}, block ${leaf.block}, op ${leaf.op} (${leaf.step})`;
}

export function checkGroups(program: Program, digest: string, k: number, groups: readonly LeafGroup[], report: Report): CheckedGroup[] {
  const expected = fromHex(digest);
  return groups.map((group) => {
    const leaves = group.leaves.map(decodeLeaf);
    leaves.forEach((leaf, n) => {
      const where = placeOf(leaf);
      if (!equalBytes(leaf.program, expected)) report(where, 'the leaf belongs to another program');
      checkOp(program, leaf, where, report);
      if (leaf.k !== k || leaf.stage !== group.stage || leaf.partition !== group.partition) report(where, `the leaf stands in the place of task ${k}, stage ${group.stage}, partition ${group.partition}`);
      const before = leaves[n - 1];
      if (before !== undefined && compareLeaves(before, leaf) >= 0) report(where, 'leaves are not in canonical order');
      checkCounts(leaf, where, report);
      if (before !== undefined && before.block === leaf.block) checkLink(before, leaf, where, report);
    });
    checkBlocks(program, group, leaves, report);
    return { stage: group.stage, partition: group.partition, leaves };
  });
}

/** A leaf of an author's op carries the digest of an op of its stage under that step id; kernel ops are covered by their chain. */
function checkOp(program: Program, leaf: Leaf, where: string, report: Report): void {
  if (KERNEL_STEPS.includes(leaf.step)) return;
  const op = program.stages[leaf.stage]?.ops.find((spec) => spec.id === leaf.step);
  if (op === undefined || !equalBytes(leaf.opDigest, opDigest(op))) report(where, 'its op is not the one of the program');
}

function checkCounts(leaf: Leaf, where: string, report: Report): void {
  const { counts } = leaf;
  if (counts.in !== counts.kept + counts.rejected + counts.failed + counts.duplicates) {
    report(where, `in ${counts.in} is not kept ${counts.kept} + rejected ${counts.rejected} + failed ${counts.failed} + duplicates ${counts.duplicates}`);
  }
}

function checkLink(before: Leaf, leaf: Leaf, where: string, report: Report): void {
  if (leaf.op !== before.op + 1) report(where, `op ${before.op + 1} is missing before it`);
  if (!equalBytes(leaf.input, before.output)) report(where, `its input is not the output of op ${before.op} (${before.step})`);
  if (leaf.counts.in !== before.counts.kept) report(where, `${leaf.counts.in} records came in, ${before.counts.kept} were kept before`);
}

/** A task's shuffle takes the ends of all its blocks; every block starts with the stage's first op. */
function checkBlocks(program: Program, group: LeafGroup, leaves: readonly Leaf[], report: Report): void {
  const last = leaves.at(-1);
  if (last === undefined) {
    report(`stage ${group.stage}, partition ${group.partition}`, 'there are no leaves');
    return;
  }
  const ops = program.stages[group.stage]?.ops.length ?? 0;
  if (group.stage !== 0) {
    const accept = program.stages[group.stage]?.kind === 'last' && program.accept !== undefined ? 1 : 0;
    if (leaves.length !== ops + 2 + accept) report(placeOf(last), `${leaves.length} leaves, ${ops + 2 + accept} were expected`);
    return;
  }
  const ends: Uint8Array[] = [];
  let kept = 0;
  for (let block = 0; block < last.block; block++) {
    const own = leaves.filter((leaf) => leaf.block === block);
    const end = own.at(-1);
    if (end === undefined || own.length !== ops + 1 || own[0]?.op !== 0) report(placeOf(last), `block ${block} has ${own.length} leaves, ${ops + 1} were expected`);
    if (end === undefined) continue;
    ends.push(end.output);
    kept += end.counts.kept;
  }
  if (!equalBytes(last.input, sha256(...ends))) report(placeOf(last), 'its input is not the ends of the blocks of its task');
  if (last.counts.in !== kept) report(placeOf(last), `${last.counts.in} records came in, the blocks kept ${kept}`);
}

/** The frames that a stage took are those that the stage before committed to, and those that its own leaves say it took. */
export function checkFrames(sent: readonly CheckedGroup[], taken: readonly { readonly group: CheckedGroup; readonly frames: readonly Frame[] }[], report: Report): void {
  const roots = taken.map(({ frames }) => frames.map(frameRoot));
  sent.forEach((group, from) => {
    const leaf = group.leaves.at(-1);
    const root = rootOfFrames(roots.map((row) => row[from] ?? new Uint8Array(0)));
    if (leaf !== undefined && (leaf.root === undefined || !equalBytes(leaf.root, root))) report(placeOf(leaf), 'the frames on the log are not those that the leaf commits to');
  });
  taken.forEach(({ group, frames }, to) => {
    const first = group.leaves[0];
    if (first !== undefined && !equalBytes(first.input, sha256(...(roots[to] ?? [])))) report(placeOf(first), 'its input is not the frames on the log');
    for (const frame of frames) checkFrameContent(frame, taken.length, report);
  });
}

function checkFrameContent(frame: Frame, partitions: number, report: Report): void {
  let at = 0;
  for (let n = 0; n < frame.candidates.length; n++) {
    const length = frame.lengths[n] ?? 0;
    const where = `task ${frame.k}, frame to partition ${frame.to}, candidate ${frame.candidates[n]}`;
    const digest = frame.digests.subarray(n * 32, n * 32 + 32);
    if (!equalBytes(sha256(frame.records.subarray(at, at + length)), digest)) report(where, 'the record does not have the digest that its frame gives');
    if (partitionOf(frame.keys.subarray(n * 32, n * 32 + 32), partitions) !== frame.to) report(where, `its key belongs to another partition`);
    at += length;
  }
  for (const drop of frame.drops) if (partitionOfDrop(drop.i, partitions) !== frame.to) report(`task ${frame.k}, frame to partition ${frame.to}`, `dropped candidate ${drop.i} belongs to another partition`);
}

/** What stands in the published topics is what the publish leaf commits to. */
export function checkPublished(group: CheckedGroup, task: PublishedTask, report: Report): void {
  const leaf = group.leaves.at(-1);
  if (leaf === undefined) return;
  const entries = [...task.records.map(({ i, record }) => publishedEntry(i, sha256(record))), ...task.drops.map(dropEntry)];
  if (leaf.step !== 'publish' || leaf.root === undefined || !equalBytes(leaf.root, rootOf(entries.map(leafHash)))) {
    report(placeOf(leaf), `the ${task.records.length} published and ${task.drops.length} dropped records on the log are not those that the leaf commits to`);
  }
  if (leaf.counts.kept !== task.records.length) report(placeOf(leaf), `${task.records.length} records are published, the leaf counts ${leaf.counts.kept}`);
}
