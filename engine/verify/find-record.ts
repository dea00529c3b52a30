/** Finds where a record stands: published, or dropped and why. Reads the published topics of its run. */
import { MizuError } from '../contract/errors.ts';
import type { RecordId } from '../contract/ids.ts';
import { formatRecordId } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { RunTopics } from '../runtime/topics.ts';
import type { PublishedTask } from './topic-merge.ts';
import { PublishedReader } from './topic-merge.ts';

export interface FoundRecord {
  /** Partition of the publishing stage. */
  readonly partition: number;
  /** All that this partition published of the record's task. */
  readonly task: PublishedTask;
  /** Place among the entries of the publish leaf: records first, then drops. */
  readonly index: number;
}

/** @throws NOT_FOUND, saying whether the run or only the candidate is unknown. */
export async function findRecord(log: Log, run: DeployedRun, id: RecordId): Promise<FoundRecord> {
  const topics = new RunTopics(run.run);
  const partitions = run.program.stages.at(-1)?.partitions ?? 1;
  for (let partition = 0; partition < partitions; partition++) {
    const reader = new PublishedReader(log, topics, partition, `${run.run.name}/${run.run.generation}`);
    await reader.skipTo(id.k);
    const task = await reader.task(id.k);
    const published = task.records.findIndex((record) => record.i === id.i);
    if (published !== -1) return { partition, task, index: published };
    const dropped = task.drops.findIndex((drop) => drop.i === id.i);
    if (dropped !== -1) return { partition, task, index: task.records.length + dropped };
  }
  throw new MizuError('NOT_FOUND', `Record ${formatRecordId(id)} is neither published nor dropped`, {
    hint: `Candidates of task k are numbered from 0 to ${run.program.task.size - 1}; the task may be beyond the one that reached the exact count.`,
  });
}
