/** An external topic in memory, that grows, has gaps and forgets, as the contract of sources says. */
import type { ExternalLimits, ExternalRead, ExternalRecord, ExternalTopic, Offset } from '#engine';
import { MizuError, offset, utf8 } from '#engine';

interface Partition {
  start: number;
  end: number;
  records: ExternalRecord[];
}

export class MemoryTopic implements ExternalTopic {
  readonly name: string;
  /** Reads so far. */
  reads = 0;
  /** Most records that one read gives, whatever its bytes. */
  recordsPerRead = Number.POSITIVE_INFINITY;
  private readonly held: Partition[];
  private waiters: (() => void)[] = [];

  constructor(name: string, partitions: number) {
    this.name = name;
    this.held = Array.from({ length: partitions }, () => ({ start: 0, end: 0, records: [] }));
  }

  get partitions(): number {
    return this.held.length;
  }

  /** Offsets of the new records. `gap`: offsets before the first of them that hold nothing. */
  append(partition: number, values: readonly (string | Uint8Array | undefined)[], gap = 0): void {
    const at = this.at(partition);
    at.end += gap;
    for (const value of values) {
      at.records.push({
        offset: offset(at.end),
        key: at.end % 3 === 0 ? undefined : utf8(`key ${at.end}`),
        value: typeof value === 'string' ? utf8(value) : value,
        timestampMs: 1_000 + at.end,
        headers: at.end % 2 === 0 ? [] : [['h', utf8(String(at.end))]],
      });
      at.end++;
    }
    for (const wake of this.waiters.splice(0)) wake();
  }

  /** Nothing is committed there, but the partition goes on behind it: an aborted transaction. */
  skip(partition: number, offsets: number): void {
    this.append(partition, [], offsets);
  }

  /** What retention does. */
  forget(partition: number, below: number): void {
    const at = this.at(partition);
    at.start = Math.max(at.start, below);
    at.records = at.records.filter((record) => record.offset >= below);
  }

  /** Every record that was ever appended and is still there, as `partition/offset`. */
  places(): string[] {
    return this.held.flatMap(({ records }, partition) => records.map((record) => `${partition}/${record.offset}`));
  }

  async start(partition: number): Promise<Offset> {
    return offset(this.at(partition).start);
  }

  async end(partition: number): Promise<Offset> {
    return offset(this.at(partition).end);
  }

  async ends(): Promise<readonly Offset[]> {
    return this.held.map(({ end }) => offset(end));
  }

  async read(partition: number, from: Offset, { maxBytes, until }: ExternalLimits): Promise<ExternalRead> {
    this.reads++;
    const { start, end, records } = this.at(partition);
    if (from < start || from > end) {
      throw new MizuError(
        'SOURCE_UNAVAILABLE',
        `unavailable: topic '${this.name}', partition ${partition}, from offset ${from} on; it holds ${start} to ${end}`,
      );
    }
    const limit = Math.min(end, until ?? end);
    const given: ExternalRecord[] = [];
    let bytes = 0;
    for (const record of records) {
      if (record.offset < from) continue;
      if (record.offset >= limit) break;
      if (given.length > 0 && (bytes >= maxBytes || given.length >= this.recordsPerRead)) return { records: given, next: record.offset };
      given.push(record);
      bytes += record.value?.length ?? 0;
    }
    return { records: given, next: offset(Math.max(from, limit)) };
  }

  async waitBeyond(partition: number, position: Offset, signal: AbortSignal): Promise<boolean> {
    while (this.at(partition).end <= position) {
      if (signal.aborted) return false;
      await new Promise<void>((resolve) => {
        this.waiters.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return true;
  }

  async close(): Promise<void> {}

  private at(partition: number): Partition {
    const found = this.held[partition];
    if (found === undefined) throw new MizuError('NOT_FOUND', `The topic '${this.name}' has no partition ${partition}`);
    return found;
  }
}
