/** Retention, played on a log: the topics that forget, and from which offset on each partition holds the tasks from a given one on. */
import type { DeployedRun, Log, LogEntry } from '#engine';
import { RunTopics } from '#engine';
import { decodeStateEntry } from '../../engine/runtime/state-entry.ts';
import { readFacts } from '../../engine/verify/run-facts.ts';
import { readAll } from './log-tools.ts';

export interface Forgetting {
  readonly topic: string;
  readonly partition: number;
  /** The task to which an entry belongs. */
  readonly taskOf: (entry: LogEntry) => number;
}

const taskOfRecord = ({ key }: LogEntry): number =>
  Number(/\/(\d+)\.\d+$/.exec(Buffer.from(key ?? new Uint8Array(0)).toString('utf8'))?.[1]);

/** Partitions that a `retention` lets forget, but for the source and the answers. */
export function forgettingPlaces({ run, program }: DeployedRun): Forgetting[] {
  const topics = new RunTopics(run);
  const places: Forgetting[] = [];
  for (const stage of program.stages) {
    for (let partition = 0; stage.kind !== 'source' && partition < stage.partitions; partition++) {
      places.push({ topic: topics.frames(stage.index), partition, taskOf: ({ headers }) => Number(headers['k']) });
      places.push({ topic: topics.state(stage.index), partition, taskOf: ({ value }) => decodeStateEntry(value).k });
    }
  }
  for (const topic of [topics.verified, topics.rejected, topics.failed, topics.duplicates]) {
    for (let partition = 0; partition < (program.stages.at(-1)?.partitions ?? 1); partition++)
      places.push({ topic, partition, taskOf: taskOfRecord });
  }
  return places;
}

/** The offset before which a partition is forgotten so that its first entry is one of task k or later; its end if there is none. */
export async function offsetOfTask(log: Log, { topic, partition, taskOf }: Forgetting, k: number): Promise<number> {
  const entries = await readAll(log, topic, partition);
  return entries.find((entry) => taskOf(entry) >= k)?.offset ?? (await log.end(topic, partition));
}

export interface Forgotten extends Forgetting {
  /** Entries below this offset are gone. */
  readonly before: number;
}

/** The first task of which nothing that counts stands before these offsets. */
export async function firstWhole(log: Log, { run }: DeployedRun, places: readonly Forgotten[]): Promise<number> {
  const { tasks } = await readFacts(log, new RunTopics(run));
  let first = 0;
  for (const { topic, partition, taskOf, before } of places) {
    for (const entry of await readAll(log, topic, partition)) {
      const { attempt } = entry.headers;
      const k = taskOf(entry);
      const counts = !topic.endsWith('.frames-1') || Number(attempt) === tasks.get(k)?.attempt;
      if (entry.offset < before && counts) first = Math.max(first, k + 1);
    }
  }
  return first;
}
