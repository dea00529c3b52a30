/** What of a run's published records can be taken, and what the leaves count of it: of a run that goes on up to its newest signed head, of one with a retention what is left. */
import type { Log } from '../contract/log.ts';
import type { Leaf } from '../proof/leaf.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { toHex } from '../proof/sha256.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import type { RunSummary, TreeHead } from '../runtime/summary.ts';
import { readSummary } from '../runtime/summary.ts';
import type { CheckedGroup } from './check-leaves.ts';
import { Tally } from './check-totals.ts';
import { RunReader } from './run-reader.ts';
import type { TaskRange } from './task-range.ts';
import { verifierKeyOf } from './verifier-key.ts';

export interface PublishedExtent {
  /** Of a closed run; undefined while it goes on. */
  readonly summary: RunSummary | undefined;
  /** Tasks of which every verified record is on the log; undefined if there are none. */
  readonly range: TaskRange | undefined;
  /** Whether that is the whole of a closed run. */
  readonly whole: boolean;
  readonly tree: TreeHead;
  /** Of the tasks in the range. */
  readonly counts: Pick<Tally, 'candidates' | 'accepted' | 'duplicates' | 'failed' | 'rejected'>;
  /** By step id: records that came to a step in these tasks, and that it kept. */
  readonly steps: ReadonlyMap<string, { readonly in: number; readonly kept: number }>;
}

/** @throws CHECK_FAILED when nothing of the run is signed yet; LOG_CORRUPT. */
export async function publishedExtent(log: Log, run: DeployedRun): Promise<PublishedExtent> {
  const reader = await RunReader.open(log, run);
  const { facts, last, head } = reader;
  let from = 0;
  let sums = new Sums();
  for (let k = 0; k <= last; k++) {
    const groups = (await reader.leaves(k)).map(decoded);
    if (reader.retained.doubtful(k).includes('verified') && (await lacksRecords(reader, k, groups))) {
      from = k + 1;
      sums = new Sums();
    } else sums.add(groups);
  }
  const summary = facts.closed && facts.summary !== undefined ? readSummary(facts.summary) : undefined;
  const verifierKey = await verifierKeyOf(log, run);
  const { candidates, accepted, duplicates, failed, rejected } = sums.tally;
  return {
    summary,
    range: from > last ? undefined : { from, to: last },
    whole: summary !== undefined && from === 0,
    tree:
      summary === undefined
        ? { size: head?.size ?? 0, root: toHex(head?.root ?? new Uint8Array(0)), verifierKey }
        : { size: summary.treeSize, root: summary.root, verifierKey: summary.verifierKey },
    counts: { candidates, accepted, duplicates, failed, rejected },
    steps: sums.steps,
  };
}

function decoded({ stage, partition, leaves }: LeafGroup): CheckedGroup {
  return { stage, partition, leaves: leaves.map(decodeLeaf) };
}

async function lacksRecords(reader: RunReader, k: number, groups: readonly CheckedGroup[]): Promise<boolean> {
  const publishing = groups.filter(({ stage }) => stage === reader.run.program.stages.length - 1);
  for (const { partition, leaves } of publishing) {
    const { records } = await reader.published(partition, k);
    if (records.length < (leaves.at(-1)?.counts.kept ?? 0)) return true;
  }
  return false;
}

class Sums {
  readonly tally = new Tally();
  readonly steps = new Map<string, { in: number; kept: number }>();

  add(groups: readonly CheckedGroup[]): void {
    this.tally.addLeaves(groups);
    for (const { leaves } of groups) for (const leaf of leaves) this.addLeaf(leaf);
  }

  private addLeaf({ step, counts }: Leaf): void {
    const sum = this.steps.get(step) ?? { in: 0, kept: 0 };
    sum.in += counts.in;
    sum.kept += counts.kept;
    this.steps.set(step, sum);
  }
}
