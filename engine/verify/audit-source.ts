/** The source of a run, read raw: its copy on the log without a gap or a repetition and, if the caller brings it, the outside topic itself, record by record. */
import type { LogEntry } from '../contract/log.ts';
import { offset } from '../contract/ids.ts';
import { topicSource } from '../contract/program.ts';
import type { ExternalTopic, SourceBounds } from '../contract/source.ts';
import { decodeTopicRecord } from '../proof/topic-record.ts';
import { unpackSource } from '../runtime/source-store.ts';
import type { ControlAudit } from './audit-control.ts';
import { type AuditContext, decoded, keptEntries, partitionsOf } from './audit-reader.ts';

/** Bytes asked of an outside topic at once. */
const OUTSIDE_READ_BYTES = 4 * 1024 * 1024;

/** @returns records of the copy, counted from the first ever copied. */
export async function readCopy(context: AuditContext): Promise<number> {
  const { topics, facts, findings, program } = context;
  const topic = topics.source;
  if ((await partitionsOf(context, topic)) === 0) return 0;
  const isTopic = topicSource(program) !== undefined;
  const numberOf = ({ headers }: LogEntry): number => Number(headers['from']);
  let next: number | undefined;
  let first = 0;
  for await (const entry of keptEntries(context, topic, 0, () => undefined)) {
    const place = { topic, partition: 0, offset: entry.offset };
    const records = decoded(context, topic, 0, entry, () => unpackSource(entry, topic).records);
    if (records === undefined) continue;
    const from = numberOf(entry);
    next ??= (await context.log.begin?.(topic, 0)) ? from : 0;
    if (from > next) findings.report('lost', place, `records ${next} to ${from - 1} of the copied source are missing`);
    if (from < next) findings.report('duplicated', place, `records from ${from} on of the copied source stand a second time`);
    next = Math.max(next, from + records.length);
    first = Math.max(first, next);
    if (!isTopic) continue;
    for (const bytes of records) {
      const record = decoded(context, topic, 0, entry, () => decodeTopicRecord(bytes));
      if (record !== undefined) facts.add('copied', record.partition, record.offset, entry.offset);
    }
  }
  return first;
}

/** Every committed record of the outside topic that the run has to take: up to its end if it has one, else as far as it has come. */
export async function readOutside(
  context: AuditContext,
  outside: ExternalTopic,
  bounds: SourceBounds,
  cutTo: ReadonlyMap<number, number>,
): Promise<void> {
  const { facts, program } = context;
  const copies = topicSource(program)?.ingest === 'copy';
  for (const [partition, { from, to }] of bounds.partitions.entries()) {
    const until = to ?? (copies ? await outside.end(partition) : (cutTo.get(partition) ?? from));
    for (let at = offset(from); at < until; ) {
      const { records, next } = await outside.read(partition, at, { maxBytes: OUTSIDE_READ_BYTES, until: offset(until) });
      for (const record of records) facts.add('outside', partition, record.offset);
      if (next === at) break;
      at = next;
    }
  }
}

export interface SourceFacts {
  /** Records ever copied. */
  readonly copied: number;
  /** The run says that it used its source up. */
  readonly exhausted: boolean;
  readonly from: number;
  readonly complete: number;
}

/** Every record of the source is in one task: cuts go on where the one before ended, which control's own pass sees; here, what they are cut from. */
export function checkSource(context: AuditContext, bounds: SourceBounds | undefined, control: ControlAudit, said: SourceFacts): void {
  const { facts, findings, topics, program } = context;
  for (const { part, off, at } of facts.rows('SELECT part, off, max(at) at FROM copied GROUP BY part, off HAVING count(*) > 1'))
    findings.report(
      'duplicated',
      { topic: topics.source, partition: 0, offset: Number(at) },
      `offset ${off} of partition ${part} of the topic is copied twice`,
    );
  const place = { topic: topics.control, partition: 0 };
  const source = topicSource(program);
  const byReference = source?.ingest === 'reference';
  for (const [partition, first] of firsts(facts)) {
    const begin = byReference ? (bounds?.partitions[partition]?.from ?? 0) : 0;
    if (first !== begin)
      findings.report('lost', place, `the first cut of partition ${partition} of the source begins at ${first}, not at ${begin}`);
  }
  if (source !== undefined && said.exhausted && !byReference && (control.cutTo.get(0) ?? 0) < said.copied)
    findings.report('lost', place, `records ${control.cutTo.get(0) ?? 0} to ${said.copied - 1} of the copied source are in no task`);
  if (byReference) checkReferences(context, said);
  else checkCopied(context, said.exhausted);
}

function* firsts(facts: AuditContext['facts']): Generator<readonly [partition: number, first: number]> {
  for (const { part, low } of facts.rows('SELECT part, min(low) low FROM taken GROUP BY part')) yield [Number(part), Number(low)];
}

/** What a live run has not copied yet is beyond what it has. */
function checkCopied({ facts, findings, topics }: AuditContext, exhausted: boolean): void {
  const missing = `SELECT o.part, o.off FROM outside o WHERE NOT EXISTS (SELECT 1 FROM copied c WHERE c.part = o.part AND c.off = o.off)
    AND (? OR o.off < (SELECT max(off) FROM copied c WHERE c.part = o.part))`;
  for (const { part, off } of facts.rows(missing, exhausted ? 1 : 0))
    findings.report('lost', { topic: topics.source, partition: 0 }, `offset ${off} of partition ${part} of the topic was never copied`);
}

/** The records that a task took are those that stand in its ranges. */
function checkReferences({ facts, findings, topics }: AuditContext, { from, complete, exhausted }: SourceFacts): void {
  const [looked] = facts.rows('SELECT 1 FROM outside LIMIT 1');
  if (looked === undefined) return;
  const counted = `SELECT t.k, t.node, t.at, t.candidates, (SELECT count(*) FROM taken r JOIN outside o ON o.part = r.part AND o.off >= r.low AND o.off < r.high WHERE r.k = t.k) n
    FROM accept a JOIN task t ON t.k = a.k AND t.attempt = a.attempt AND t.node = a.node WHERE t.k >= ? AND t.k < ?`;
  for (const { k, node, at, candidates, n } of facts.rows(`SELECT * FROM (${counted}) WHERE n <> candidates`, from, complete)) {
    const place = { topic: topics.results, partition: Number(node), offset: Number(at) };
    findings.report(
      Number(candidates) < Number(n) ? 'lost' : 'duplicated',
      place,
      `task ${k} took ${candidates} records, and ${n} stand in its ranges`,
    );
  }
  if (!exhausted) return;
  const uncut =
    'SELECT o.part, min(o.off) off, count(*) n FROM outside o WHERE o.off >= ifnull((SELECT max(high) FROM taken r WHERE r.part = o.part), 0) GROUP BY o.part';
  for (const { part, off, n } of facts.rows(uncut))
    findings.report(
      'lost',
      { topic: topics.control, partition: 0 },
      `${n} records of partition ${part} of the topic, from offset ${off} on, are in no task`,
    );
}
