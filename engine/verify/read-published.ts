/** What a run published, in canonical order (task, candidate), whatever the partitions: the order of exports (law 1). */
import type { Log } from '../contract/log.ts';
import { formatRecordId } from '../contract/ids.ts';
import type { Row } from '../contract/types.ts';
import { isHidden, SOURCE_FIELD } from '../compile/kernel-fields.ts';
import { schemaBefore } from '../datavm/program-loader.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import type { Drop, DropKind, DropReason } from '../proof/effect.ts';
import { recordCodec } from '../proof/value-codec.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { RunTopics } from '../runtime/topics.ts';
import type { TaskRange } from './task-range.ts';
import type { PublishedTask } from './topic-merge.ts';
import { PublishedReader } from './topic-merge.ts';

export interface PublishedRow {
  /** NAME/GENERATION/k.i */
  readonly id: string;
  readonly k: number;
  readonly i: number;
  readonly row: Row;
  /** Its Avro bytes under the program's published schema. */
  readonly record: Uint8Array;
}

/** A dropped record as people and programs see it. */
export interface DropView extends DropReason {
  readonly id: string;
  readonly kind: DropKind;
  /** Record id of the record that won, for a duplicate. */
  readonly winner: string | undefined;
  /** The record as it was when it was dropped; undefined if its bytes can't be read. */
  readonly row: Row | undefined;
  /** Its original Avro bytes. */
  readonly record: Uint8Array;
}

/** Tasks of a run in order, merged over the partitions of its publishing stage. */
async function* tasksOf(log: Log, run: DeployedRun): AsyncGenerator<{ readonly k: number; readonly parts: readonly PublishedTask[] }> {
  const topics = new RunTopics(run.run);
  const title = `${run.run.name}/${run.run.generation}`;
  const partitions = run.program.stages.at(-1)?.partitions ?? 1;
  const readers = Array.from({ length: partitions }, (_, partition) => new PublishedReader(log, topics, partition, title));
  for (;;) {
    const next = await Promise.all(readers.map((reader) => reader.nextTask()));
    const known = next.filter((k) => k !== undefined);
    if (known.length === 0) return;
    const k = Math.min(...known);
    yield { k, parts: await Promise.all(readers.map((reader) => reader.task(k))) };
  }
}

/** `range`: tasks whose records are given; default: all that there are. */
export async function* publishedRecords(log: Log, run: DeployedRun, range?: TaskRange): AsyncGenerator<PublishedRow> {
  const codec = recordCodec(run.program.published);
  for await (const { k, parts } of tasksOf(log, run)) {
    if (k > (range?.to ?? k)) return;
    if (k < (range?.from ?? k)) continue;
    const records = parts.flatMap((part) => part.records).sort((a, b) => a.i - b.i);
    for (const { i, record } of records) {
      yield { id: formatRecordId({ ...run.run, k, i }), k, i, record, row: codec.decode(new ByteReader(record)) as Row };
    }
  }
}

/** Dropped records of one kind, each once, in canonical order. */
export async function* listDrops(log: Log, run: DeployedRun, kind: DropKind): AsyncGenerator<DropView> {
  for await (const { k, parts } of tasksOf(log, run)) {
    const drops = parts.flatMap((part) => part.drops).filter((drop) => drop.kind === kind);
    for (const drop of drops.sort((a, b) => a.i - b.i)) yield viewOf(run, k, drop);
  }
}

export function viewOf(run: DeployedRun, k: number, drop: Drop): DropView {
  return {
    id: formatRecordId({ ...run.run, k, i: drop.i }),
    kind: drop.kind,
    step: drop.step,
    rule: drop.rule,
    measured: drop.measured,
    limit: drop.limit,
    code: drop.code,
    message: drop.message,
    winner: drop.winner === undefined ? undefined : formatRecordId({ ...run.run, ...drop.winner }),
    row: rowOf(run, drop),
    record: drop.record,
  };
}

function rowOf(run: DeployedRun, drop: Drop): Row | undefined {
  try {
    const row = recordCodec(schemaBefore(run.program, drop.stage, drop.op)).decode(new ByteReader(drop.record)) as Row;
    // What ops of one step hand to each other is told by the record's story, which shows where it comes from.
    return Object.fromEntries(Object.entries(row).filter(([name]) => !isHidden(name) || name === SOURCE_FIELD.name));
  } catch {
    return undefined;
  }
}
