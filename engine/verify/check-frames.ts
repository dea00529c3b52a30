/** Records between stages, and those published, against the roots that leaves commit to (P11), byte by byte. */
import { partitionOf, partitionOfDrop } from '../datavm/frame-builder.ts';
import type { Frame } from '../proof/frame.ts';
import { dropEntry, frameRoot, publishedEntry, rootOfFrames } from '../proof/frame.ts';
import type { Leaf } from '../proof/leaf.ts';
import { outputCommitment } from '../proof/leaf.ts';
import { leafHash, rootOf } from '../proof/merkle.ts';
import { equalBytes, sha256 } from '../proof/sha256.ts';
import type { CheckedGroup } from './check-leaves.ts';
import { placeOf } from './check-leaves.ts';
import type { OutKind } from './kept-tasks.ts';
import type { Report } from './report.ts';
import type { PublishedTask } from './topic-merge.ts';

export interface TakenFrames {
  readonly group: CheckedGroup;
  /** In order of upstream partition. */
  readonly frames: readonly Frame[];
}

/** The frames that a stage took are those that the stage before committed to, and those that its own leaves say it took. */
export function checkFrames(sent: readonly CheckedGroup[], taken: readonly TakenFrames[], report: Report): void {
  const roots = taken.map(({ frames }) => frames.map(frameRoot));
  sent.forEach((group, from) => {
    const leaf = group.leaves.at(-1);
    if (leaf === undefined) return;
    const own = roots.map((row) => row[from] ?? new Uint8Array(0));
    const count = taken.reduce((sum, { frames }) => sum + (frames[from]?.candidates.length ?? 0), 0);
    if (leaf.root === undefined || !equalBytes(leaf.root, rootOfFrames(own)))
      report(placeOf(leaf), 'the frames on the log are not those that the leaf commits to');
    else checkKernelLeaf(leaf, sha256(...own), count, report);
  });
  taken.forEach(({ group, frames }, to) => {
    const first = group.leaves[0];
    const count = frames.reduce((sum, frame) => sum + frame.candidates.length, 0);
    if (first !== undefined && !equalBytes(first.input, sha256(...(roots[to] ?? []))))
      report(placeOf(first), 'its input is not the frames on the log');
    else if (first !== undefined) checkKernelLeaf(first, sha256(new Uint8Array(0)), count, report);
    for (const frame of frames) checkFrameContent(frame, taken.length, report);
  });
}

/** Kernel ops drop nothing, and their effect is known without executing anything. */
function checkKernelLeaf(leaf: Leaf, effectHash: Uint8Array, count: number, report: Report): void {
  if (!equalBytes(leaf.output, outputCommitment(leaf.input, leaf.opDigest, effectHash)))
    report(placeOf(leaf), 'its output is not that of its input and effect');
  if (leaf.counts.in !== count || leaf.counts.kept !== count)
    report(placeOf(leaf), `it counts ${leaf.counts.kept} of ${leaf.counts.in} records, ${count} are on the log`);
}

function checkFrameContent(frame: Frame, partitions: number, report: Report): void {
  const where = `task ${frame.k}, frame from ${frame.from} to partition ${frame.to}`;
  let at = 0;
  for (let n = 0; n < frame.candidates.length; n++) {
    const length = frame.lengths[n] ?? 0;
    const digest = frame.digests.subarray(n * 32, n * 32 + 32);
    if (!equalBytes(sha256(frame.records.subarray(at, at + length)), digest)) {
      report(`${where}, candidate ${frame.candidates[n]}`, 'the record does not have the digest that its frame gives');
    }
    if (partitionOf(frame.keys.subarray(n * 32, n * 32 + 32), partitions) !== frame.to) {
      report(`${where}, candidate ${frame.candidates[n]}`, 'its key belongs to another partition');
    }
    at += length;
  }
  for (const drop of frame.drops) {
    if (partitionOfDrop(drop.i, partitions) !== frame.to) report(where, `dropped candidate ${drop.i} belongs to another partition`);
  }
}

/** What stands in the published topics is what the publish leaf commits to. */
export function checkPublished(group: CheckedGroup, task: PublishedTask, schemaId: number, report: Report): void {
  const leaf = group.leaves.at(-1);
  if (leaf === undefined) return;
  const entries = [...task.records.map(({ i, record }) => publishedEntry(i, sha256(record))), ...task.drops.map(dropEntry)];
  const root = rootOf(entries.map(leafHash));
  if (leaf.step !== 'publish' || leaf.root === undefined || !equalBytes(leaf.root, root)) {
    report(
      placeOf(leaf),
      `the ${task.records.length} published and ${task.drops.length} dropped records on the log are not those that the leaf commits to`,
    );
  } else checkKernelLeaf(leaf, sha256(root), task.records.length, report);
  const place = `${group.stage}/${group.partition}/${leaf.k}`;
  for (const entry of task.entries) {
    if (entry.task !== place) report(`task ${place}, candidate ${entry.i}`, `the header of its entry says task ${entry.task ?? '(none)'}`);
    if (entry.schemaId !== undefined && entry.schemaId !== schemaId) {
      report(`task ${place}, candidate ${entry.i}`, `its schema id is ${entry.schemaId}, ${schemaId} was expected`);
    }
  }
}

/** Every candidate of a task is published or dropped, once (law 5). */
export function checkEachOnce(k: number, candidates: number, parts: readonly PublishedTask[], report: Report): void {
  const seen = new Uint8Array(candidates);
  for (const part of parts) {
    for (const { i } of [...part.records, ...part.drops]) {
      if (i >= candidates) report(`task 0/${k}`, `candidate ${i} was never cut: the task has ${candidates}`);
      else if (seen[i] === 1) report(`task 0/${k}`, `candidate ${i} stands in the published topics twice`);
      else seen[i] = 1;
    }
  }
  const missing = seen.indexOf(0);
  if (missing !== -1) report(`task 0/${k}`, `candidate ${missing} is neither published nor dropped`);
}

/** How many entries of each kind a task has in the published topics, as its leaves count them. */
export function outCounts(groups: readonly CheckedGroup[]): Record<OutKind, number> {
  const out = { verified: 0, rejected: 0, failed: 0, duplicate: 0 };
  for (const { leaves } of groups) {
    for (const { step, counts } of leaves) {
      if (step === 'publish') out.verified += counts.kept;
      out.rejected += counts.rejected;
      out.failed += counts.failed;
      out.duplicate += counts.duplicates;
    }
  }
  return out;
}

/** How many entries of a kind stand on the log. */
export function entriesOf(parts: readonly PublishedTask[], kind: OutKind): number {
  return parts.reduce(
    (sum, { records, drops }) => sum + (kind === 'verified' ? records.length : drops.filter((drop) => drop.kind === kind).length),
    0,
  );
}

/** What the leaves of a task count as dropped is what was dropped, step by step. */
export function checkDropCounts(k: number, groups: readonly CheckedGroup[], parts: readonly PublishedTask[], report: Report): void {
  const said = new Map<string, number>();
  const seen = new Map<string, number>();
  const add = (counts: Map<string, number>, name: string, count: number): void =>
    void (count > 0 && counts.set(name, (counts.get(name) ?? 0) + count));
  for (const { leaves } of groups) {
    for (const { step, counts } of leaves) {
      add(said, `rejected by '${step}'`, counts.rejected);
      add(said, `failed in '${step}'`, counts.failed);
      add(said, `duplicates in '${step}'`, counts.duplicates);
    }
  }
  const words = { rejected: 'rejected by', failed: 'failed in', duplicate: 'duplicates in' };
  for (const part of parts) for (const drop of part.drops) add(seen, `${words[drop.kind]} '${drop.step}'`, 1);
  for (const name of new Set([...said.keys(), ...seen.keys()])) {
    if (said.get(name) !== seen.get(name))
      report(`task 0/${k}`, `${name}: the leaves count ${said.get(name) ?? 0}, the log shows ${seen.get(name) ?? 0}`);
  }
}
