/**
 * The inputs of a run against what its leaves and its program commit to (P7, P13): cuts are those that the program prescribes, or of a topic go
 * on where the one before ended; the source leaf of every block holds their place and the exact bytes of their records; and the whole copied
 * source is the one that the program names, or a topic's records in their order.
 */
import { createHash } from 'node:crypto';
import type { Log } from '../contract/log.ts';
import { fileSource, type Program, topicSource } from '../contract/program.ts';
import type { SourceBounds } from '../contract/source.ts';
import { poisonDrop, sourceCommitment } from '../datavm/source-commitment.ts';
import type { FinishReason } from '../dispatch/finish-reasons.ts';
import type { Leaf } from '../proof/leaf.ts';
import { outputCommitment } from '../proof/leaf.ts';
import { equalBytes } from '../proof/sha256.ts';
import { decodeTopicRecord } from '../proof/topic-record.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { candidateLimit } from '../runtime/run-context.ts';
import { readPositions, unpackSource } from '../runtime/source-store.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { placeOf } from './check-leaves.ts';
import type { Report } from './report.ts';
import { readAt } from './report.ts';
import type { TaskFacts } from './run-facts.ts';

/** The cuts of a run, in order of k. */
export class CutCheck {
  private readonly program: Program;
  private readonly bounds: SourceBounds | undefined;
  /** Candidates of the cuts so far. */
  private candidates = 0;
  /** By partition of the source: where the next range begins. */
  private readonly positions = new Map<number, number>();

  constructor(program: Program, bounds: SourceBounds | undefined) {
    this.program = program;
    this.bounds = bounds;
  }

  check(k: number, { cut, accepted }: TaskFacts, report: Report): void {
    const where = `task 0/${k}`;
    if (!accepted) report(where, 'control never accepted a result of it');
    if (topicSource(this.program) !== undefined) return this.topicCut(where, cut, report);
    const first = k * this.program.task.size;
    const count = Math.min(this.program.task.size, candidateLimit(this.program) - first);
    const ranges = this.program.source === undefined ? [] : [[0, first, first + count]];
    if (cut.first !== first || cut.count !== count || JSON.stringify(cut.ranges) !== JSON.stringify(ranges)) {
      report(where, `its cut allots ${cut.count} candidates from ${cut.first} on; the program prescribes ${count} from ${first} on`);
    }
  }

  /** What was there when a task was cut, and when, is control's to say; that nothing of the topic is left out or taken twice is not. */
  private topicCut(where: string, cut: TaskFacts['cut'], report: Report): void {
    const copied = topicSource(this.program)?.ingest === 'copy';
    const most = Math.min(this.program.task.size, candidateLimit(this.program) - this.candidates);
    let count = 0;
    for (const [partition, from, to] of cut.ranges) {
      const bounds = copied ? { from: 0, to: undefined } : (this.bounds?.partitions[partition] ?? { from: 0, to: undefined });
      const expected = this.positions.get(partition) ?? bounds.from;
      if (from !== expected || to <= from || to > (bounds.to ?? Number.POSITIVE_INFINITY))
        report(where, `its cut takes ${from} to ${to} of partition ${partition} of the source; ${expected} comes next`);
      this.positions.set(partition, to);
      count += to - from;
    }
    if (cut.first !== this.candidates || cut.count !== count || count < 1 || count > most) {
      report(
        where,
        `its cut allots ${cut.count} candidates from ${cut.first} on; its ranges give ${count} from ${this.candidates} on, and ${most} are allowed`,
      );
    }
    this.candidates += cut.count;
  }

  /** Whether a topic was used up when the run says so. `copied`: the number after its last copied record. */
  end(reason: FinishReason | undefined, copied: number, report: Report): void {
    const source = topicSource(this.program);
    if (source === undefined || reason !== 'exhausted' || this.candidates >= candidateLimit(this.program)) return;
    const left = (this.bounds?.partitions ?? []).findIndex(({ from, to }, p) => (this.positions.get(p) ?? from) !== to);
    if (source.until === undefined) report('source', `the run says that it used up its candidates; the topic '${source.name}' has no end`);
    else if (source.ingest === 'copy' && (this.positions.get(0) ?? 0) !== copied)
      report('source', `the run says that it used up its candidates; of ${copied} copied records ${this.positions.get(0) ?? 0} are cut`);
    else if (source.ingest === 'reference' && left !== -1)
      report(
        'source',
        `the run says that it used up its candidates; partition ${left} of the topic '${source.name}' is not cut to its end`,
      );
  }
}

/** Candidates of a task: the records that are really there, where the source's offsets may have gaps. */
export function candidatesOf({ cut }: TaskFacts, records: readonly Uint8Array[] | undefined): number {
  return records?.length ?? cut.count;
}

/** `records`: of the whole task; absent for a generator. `leaves`: of the task's group. `beta`: its verifiable random numbers, where the program draws from them. */
export function checkSource(
  program: Program,
  digest: Uint8Array,
  task: TaskFacts,
  records: readonly Uint8Array[] | undefined,
  leaves: readonly Leaf[],
  beta: Uint8Array | undefined,
  report: Report,
): void {
  const { cut, poison } = task;
  const candidates = candidatesOf(task, records);
  const ranges = topicSource(program) === undefined ? undefined : cut.ranges;
  for (const leaf of leaves) {
    if (leaf.step !== 'source') continue;
    const from = leaf.block * program.block;
    const count = Math.max(0, Math.min(program.block, candidates - from));
    const indices = Array.from({ length: count }, (_, n) => from + n);
    const drops = indices.filter((i) => poison.includes(i)).map((i) => poisonDrop(i, new Uint8Array(0)));
    const { input, effectHash } = sourceCommitment(digest, {
      k: cut.k,
      number: leaf.block,
      first: cut.first + from,
      count,
      records: records?.slice(from, from + count) ?? [],
      drops,
      ranges,
      beta,
    });
    const { counts } = leaf;
    if (counts.in !== count || counts.failed !== drops.length)
      report(placeOf(leaf), `it takes ${counts.in} candidates and fails ${counts.failed}; control says ${count} and ${drops.length}`);
    if (!equalBytes(leaf.input, input)) report(placeOf(leaf), 'its input is not what control cut');
    else if (!equalBytes(leaf.output, outputCommitment(input, leaf.opDigest, effectHash))) {
      report(
        placeOf(leaf),
        records === undefined
          ? 'its output is not that of its candidates'
          : 'mismatch: the source records on the log are not those that the leaf commits to',
      );
    }
  }
}

/**
 * The copied source as a whole, `closed` or not: only of a closed run all of it has to be there. Of a topic that is read by reference nothing is copied, and its tasks are what can be checked.
 * @returns how many copied records there are, and the number after the last one: retention may have taken the first ones of a topic.
 */
export async function checkCopy(
  log: Log,
  topics: RunTopics,
  program: Program,
  { bounds, closed }: { readonly bounds: SourceBounds | undefined; readonly closed: boolean },
  report: Report,
): Promise<{ readonly records: number; readonly end: number }> {
  const hash = createHash('sha256');
  const order = topicSource(program)?.ingest === 'copy' ? new OffsetOrder(bounds, report) : undefined;
  let count: number | undefined;
  let records = 0;
  for await (const entry of readAll(log, topics.source, 0)) {
    const where = `${topics.source}, offset ${entry.offset}`;
    const { from, records: held } = unpackSource(entry, `${topics.source}, partition 0`);
    // What its retention took of a topic's copy was there before; of files everything is there.
    count ??= order === undefined ? 0 : from;
    if (from !== count || entry.headers['count'] !== String(held.length)) {
      report(where, `its headers say ${entry.headers['count']} records from ${from} on; it holds ${held.length} from ${count} on`);
    }
    if (order === undefined) hash.update(entry.value);
    else for (const record of held) order.take(where, record);
    order?.settle(where, entry.headers['positions']);
    count += held.length;
    records += held.length;
  }
  const files = fileSource(program);
  if (files === undefined && order === undefined && records > 0)
    report(topics.source, `${records} source records are on the log of a program that copies no source`);
  // Of a run that is not closed the rest may still come; what is there was compared task by task.
  const isUnderWay = files !== undefined && !closed && records < files.records;
  if (files !== undefined && !isUnderWay && (records !== files.records || hash.digest('hex') !== files.digest)) {
    report(topics.source, `the ${records} source records on the log are not the ${files.records} that the program names by digest`);
  }
  return { records, end: count ?? 0 };
}

/** Of each partition of a topic, every record stands once, in the topic's order. */
class OffsetOrder {
  private readonly bounds: SourceBounds | undefined;
  private readonly report: Report;
  private readonly next = new Map<number, number>();

  constructor(bounds: SourceBounds | undefined, report: Report) {
    this.bounds = bounds;
    this.report = report;
  }

  take(where: string, record: Uint8Array): void {
    const { partition, offset } = readAt(where, () => decodeTopicRecord(record));
    const { from, to = Number.POSITIVE_INFINITY } = this.bounds?.partitions[partition] ?? { from: 0 };
    const least = this.next.get(partition) ?? from;
    if (offset < least || offset >= to)
      this.report(where, `it holds offset ${offset} of partition ${partition} of the topic; ${least} or a later one comes next`);
    this.next.set(partition, offset + 1);
  }

  /** Where a commit says that the copy goes on: behind its records, and before those of the next one. */
  settle(where: string, header: string | undefined): void {
    if (header === undefined) return;
    for (const [partition, position] of readAt(where, () => readPositions(header)).entries()) {
      const least = this.next.get(partition) ?? this.bounds?.partitions[partition]?.from ?? 0;
      if (position < least)
        this.report(where, `it says that partition ${partition} goes on at ${position}; its copied records end before ${least}`);
      this.next.set(partition, position);
    }
  }
}
