/**
 * The records of a task (P13), read for nodes, replays and stories in the same way: from the run's own copy, or from the external topic that
 * the cut refers to. Reads go forwards, one range at a time, so memory is that of one range and whoever takes ranges in order reads once.
 */
import { invariant, MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import { topicSource } from '../contract/program.ts';
import type { ExternalTopic, OpenExternal } from '../contract/source.ts';
import type { TaskInput } from '../datavm/task-machine.ts';
import type { CutEntry } from '../dispatch/control-entry.ts';
import { ByteParts } from '../proof/byte-parts.ts';
import { freeBytes, isLarge } from '../proof/free-bytes.ts';
import { writeTopicRecord } from '../proof/topic-record.ts';
import type { SourceContext } from './source-context.ts';
import { openExternalSource } from './source-context.ts';
import { SourceReader } from './source-store.ts';

/** Bytes that a read of an external topic asks for at once. */
const READ_BYTES = 4 * 1024 * 1024;
const SPARE = 1.125;
/** Buffers that are kept for the next records: of the task that is computed and the one that is read ahead. */
const SPARES = 2;

export interface TaskSource {
  /**
   * Exact bytes of the cut's records, one per candidate; undefined for a generator. Of a topic that is read by reference they are fewer than
   * the cut's count where its offsets have gaps. @throws SOURCE_UNAVAILABLE, naming topic, partition and range.
   */
  records(cut: CutEntry): Promise<readonly Uint8Array[] | undefined>;
  /** The caller is done with what `records` gave and looks at it no more. */
  done?(records: readonly Uint8Array[] | undefined): void;
  close(): Promise<void>;
}

/** The external topic is opened with its first range, if the program reads one by reference. */
export function openTaskSource(
  context: Pick<SourceContext, 'log' | 'topics' | 'program' | 'deployment' | 'source'>,
  external?: OpenExternal,
): TaskSource {
  const { program, log, topics } = context;
  if (program.source === undefined) return { records: async () => undefined, close: async () => {} };
  if (topicSource(program)?.ingest === 'reference') return new ReferencedSource(() => openExternalSource(context, external));
  return new CopiedSource(new SourceReader(log, topics.source));
}

/** A task as the DataVM takes it: its candidates are the records that are really there. */
export function taskInput(cut: CutEntry, poison: readonly number[], records: readonly Uint8Array[] | undefined): TaskInput {
  const { k, first } = cut;
  return { k, first, count: records?.length ?? cut.count, poison, ...(records === undefined ? {} : { records, ranges: cut.ranges }) };
}

/** One reading after the other. */
class Turns {
  private last: Promise<unknown> = Promise.resolve();

  take<T>(read: () => Promise<T>): Promise<T> {
    const turn = this.last.then(read);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  async over(): Promise<void> {
    await this.last;
  }
}

class CopiedSource implements TaskSource {
  private readonly reader: SourceReader;
  private readonly turns = new Turns();

  constructor(reader: SourceReader) {
    this.reader = reader;
  }

  records({ k, ranges }: CutEntry): Promise<readonly Uint8Array[]> {
    const [range] = ranges;
    invariant(range !== undefined && ranges.length === 1, `task ${k} of a copied source takes one range of it`);
    return this.turns.take(() => this.reader.range(range[1], range[2]));
  }

  close(): Promise<void> {
    return this.turns.over();
  }
}

class ReferencedSource implements TaskSource {
  private readonly open: () => Promise<ExternalTopic>;
  private readonly turns = new Turns();
  private topic: Promise<ExternalTopic> | undefined;
  /** What the last cut's records took, and an eighth more: a buffer that is too small is copied twice. */
  private room = 0;
  /** Buffers of earlier records, to be written in again: new memory costs more than what is written into it. */
  private readonly spares: Buffer[] = [];

  constructor(open: () => Promise<ExternalTopic>) {
    this.open = open;
  }

  records({ ranges }: CutEntry): Promise<readonly Uint8Array[]> {
    return this.turns.take(async () => {
      const topic = await this.opened();
      const parts = new ByteParts(this.takeSpare() ?? this.room);
      for (const range of ranges) await this.range(topic, range, parts);
      const records = parts.take();
      this.room = Math.ceil(records.reduce((sum, record) => sum + record.length, 0) * SPARE);
      return records;
    });
  }

  done(records: readonly Uint8Array[] | undefined): void {
    const first = records?.[0];
    // All of them are views on one buffer.
    if (first !== undefined && isLarge(first) && this.spares.length < SPARES) this.spares.push(Buffer.from(first.buffer));
    else freeBytes(first);
  }

  /** One that the next records about fill: what is much too large would be held for nothing, and copied from. */
  private takeSpare(): Buffer | undefined {
    const spare = this.spares.pop();
    if (spare === undefined || (spare.length >= this.room / SPARE && spare.length <= this.room * SPARE)) return spare;
    freeBytes(spare);
    return undefined;
  }

  async close(): Promise<void> {
    await this.turns.over();
    const topic = await this.topic?.catch(() => undefined);
    await topic?.close();
  }

  /** A failure to open is the attempt's, not the reader's: the next range tries again. */
  private opened(): Promise<ExternalTopic> {
    this.topic ??= this.open().catch((error: unknown) => {
      this.topic = undefined;
      throw error;
    });
    return this.topic;
  }

  private async range(topic: ExternalTopic, [partition, from, to]: CutEntry['ranges'][number], parts: ByteParts): Promise<void> {
    const gone = (at: number): MizuError =>
      new MizuError('SOURCE_UNAVAILABLE', `unavailable: topic '${topic.name}', partition ${partition}, offsets ${at} to ${to}`, {
        component: topic.name,
        hint: 'Its retention is shorter than the run needs, or it was deleted; `ingest: copy` keeps records as long as the run.',
      });
    if (partition >= topic.partitions) throw gone(from);
    for (let at = from; at < to; ) {
      const { records: found, next, free } = await topic.read(partition, offset(at), { maxBytes: READ_BYTES, until: offset(to) });
      if (next <= at) throw gone(at);
      for (const record of found) parts.add((writer) => writeTopicRecord(writer, partition, record));
      free?.();
      at = next;
    }
  }
}
