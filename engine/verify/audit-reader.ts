/** Raw reading for the audit: every entry of every partition through the log contract alone, and values that travel in parts put together again. */
import { messageOf, MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { Program } from '../contract/program.ts';
import { fromUtf8 } from '../proof/sha256.ts';
import type { RunTopics } from '../runtime/topics.ts';
import type { AuditFacts } from './audit-facts.ts';
import type { FindingList } from './audit-findings.ts';

export interface AuditContext {
  readonly log: Log;
  readonly topics: RunTopics;
  /** NAME/GENERATION. */
  readonly title: string;
  readonly program: Program;
  readonly facts: AuditFacts;
  readonly findings: FindingList;
  /** Entries read so far, by topic. */
  readonly read: Map<string, number>;
  /** Partitions whose first entries the log forgot: they say nothing of early tasks. */
  readonly forgotten: { readonly topic: string; readonly partition: number; firstTask: number | undefined }[];
}

/** The committed entries of one partition from `from` to its present end. Bytes that the log itself refuses are a finding, and end the partition. */
export async function* rawEntries(context: AuditContext, topic: string, partition: number, from = 0): AsyncGenerator<LogEntry> {
  const { log, findings, read } = context;
  let position = offset(from);
  let last = from - 1;
  try {
    const end = await log.end(topic, partition);
    while (position < end) {
      const { entries, next } = await log.read(topic, partition, position);
      if (entries.length === 0) return;
      for (const entry of entries) {
        if (entry.offset >= end) return;
        if (entry.offset <= last) findings.report('misplaced', { topic, partition, offset: entry.offset }, `it comes after offset ${last}`);
        last = entry.offset;
        read.set(topic, (read.get(topic) ?? 0) + 1);
        yield entry;
      }
      position = next;
    }
  } catch (error) {
    if (!(error instanceof MizuError) || error.code !== 'LOG_CORRUPT') throw error;
    findings.report('unreadable', { topic, partition, offset: last + 1 }, error.message);
  }
}

/** As `rawEntries`, for a topic of which retention may have taken the beginning: `taskOf` says to which task its entries belong. */
export async function* keptEntries(
  context: AuditContext,
  topic: string,
  partition: number,
  taskOf: (entry: LogEntry) => number | undefined,
): AsyncGenerator<LogEntry> {
  const begin = (await context.log.begin?.(topic, partition)) ?? 0;
  const gap = begin === 0 ? undefined : { topic, partition, firstTask: undefined as number | undefined };
  if (gap !== undefined) context.forgotten.push(gap);
  for await (const entry of rawEntries(context, topic, partition)) {
    if (gap !== undefined) gap.firstTask ??= taskOf(entry);
    yield entry;
  }
}

/** What `read` gives; undefined, and a finding, where it can't be read. */
export function decoded<T>(context: AuditContext, topic: string, partition: number, entry: LogEntry, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    context.findings.report('unreadable', { topic, partition, offset: entry.offset }, messageOf(error));
    return undefined;
  }
}

export function keyText(entry: LogEntry): string {
  return entry.key === undefined ? '' : fromUtf8(entry.key);
}

/** Partitions of a topic as the log has it; 0 where there is none. */
export async function partitionsOf({ log }: AuditContext, topic: string): Promise<number> {
  return (await log.topics(topic)).find(({ name }) => name === topic)?.partitions ?? 0;
}

interface Whole {
  /** Of its first entry. */
  readonly offset: number;
  readonly value: Uint8Array;
}

interface Begun {
  readonly offset: number;
  readonly parts: number;
  readonly values: Uint8Array[];
}

/**
 * Values of one partition, whole. All parts of one are one commit, so whatever breaks their order, or is left at the end, is torn. Holds the begun
 * ones, which the size of a commit bounds.
 */
export class Wholes {
  private readonly context: AuditContext;
  private readonly topic: string;
  private readonly partition: number;
  private readonly keysRecur: boolean;
  private readonly begun = new Map<string, Begun>();

  /** @param keysRecur a later value may have the key of an earlier one, of which compaction leaves the parts that it has not. */
  constructor(context: AuditContext, topic: string, partition: number, keysRecur = false) {
    this.context = context;
    this.topic = topic;
    this.partition = partition;
    this.keysRecur = keysRecur;
  }

  take(name: string, entry: LogEntry): Whole | undefined {
    const { part: partText, parts: partsText } = entry.headers;
    const begun = this.begun.get(name);
    if (partText === undefined) {
      if (begun !== undefined) this.torn(name, begun, entry.offset);
      return { offset: entry.offset, value: entry.value };
    }
    const parts = Number(partsText);
    const now = begun ?? { offset: entry.offset, parts, values: [] };
    if (Number(partText) !== now.values.length || parts !== now.parts || !(parts > 1)) {
      this.torn(name, now, entry.offset);
      return undefined;
    }
    now.values.push(entry.value);
    this.begun.set(name, now);
    if (now.values.length < parts) return undefined;
    this.begun.delete(name);
    return { offset: now.offset, value: Buffer.concat(now.values) };
  }

  end(): void {
    for (const [name, begun] of this.begun) this.torn(name, begun, begun.offset);
  }

  private torn(name: string, { values, parts }: Begun, at: number): void {
    this.begun.delete(name);
    const place = { topic: this.topic, partition: this.partition, offset: at };
    // Retention and compaction may take the first parts of a value and leave the others.
    if (values.length === 0 && this.keysRecur) return;
    if (values.length === 0 && this.context.forgotten.some((gap) => gap.topic === this.topic && gap.partition === this.partition)) return;
    this.context.findings.report('torn', place, `of ${name} there are ${values.length} of ${parts} parts`);
  }
}
