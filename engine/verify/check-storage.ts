/**
 * `mizu verify --deep`: reads every entry that is there, so that every check sum of the store is compared, and asks the store what else it finds in itself.
 * It says nothing of proofs: bytes that somebody changed together with their check sums are found by `verify` and `replay`.
 */
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, StorageFinding } from '../contract/log.ts';
import { PROBLEM_LIMIT, ProblemList } from './report.ts';

/** What fails in the same way so far behind is no entry. */
const FURTHEST_ENTRIES = 2 ** 31;

export interface StorageReport {
  readonly topics: number;
  readonly entries: number;
  /** Of keys and values. */
  readonly bytes: number;
  /** At most PROBLEM_LIMIT. */
  readonly problems: readonly StorageFinding[];
  /** What to do; undefined without problems. */
  readonly hint: string | undefined;
}

/** @param prefix of the topics that are read; empty for all of the log. */
export async function checkStorage(log: Log, prefix: string): Promise<StorageReport> {
  const look = new StorageLook(log);
  await look.topics(prefix);
  await look.store();
  return look.report();
}

class StorageLook {
  private readonly log: Log;
  private readonly list = new ProblemList();
  private readonly counts = { topics: 0, entries: 0, bytes: 0 };
  private hint: string | undefined;

  constructor(log: Log) {
    this.log = log;
  }

  report(): StorageReport {
    return { ...this.counts, problems: this.list.problems, hint: this.hint };
  }

  async topics(prefix: string): Promise<void> {
    const topics = await this.log.topics(prefix).catch((error: unknown) => {
      this.found(this.log.address, damage(error));
      return [];
    });
    for (const { name, partitions } of topics) {
      this.counts.topics++;
      for (let partition = 0; partition < partitions; partition++) await this.partition(name, partition);
    }
  }

  async store(): Promise<void> {
    for (const { where, message } of (await this.log.inspect?.()) ?? []) if (!this.isKnown(message)) this.list.report(where, message);
  }

  /** Reads on behind what can't be read, as long as that is little. */
  private async partition(topic: string, partition: number): Promise<void> {
    let bad = 0;
    for (let from = offset(0); bad < PROBLEM_LIMIT; ) {
      let next = await this.read(topic, partition, from);
      if (next === undefined) {
        const first = await this.firstBad(topic, partition, from);
        if (first === undefined) return;
        bad++;
        next = await this.behind(topic, partition, first);
        if (next === undefined) return;
      }
      if (next === from) return;
      from = next;
    }
    this.list.report(`${topic}/${partition}`, `after ${bad} places the rest of the partition was not looked at`);
  }

  /** Where the next read goes on, `from` at the end; undefined for something that can't be read. */
  private async read(topic: string, partition: number, from: Offset, maxEntries?: number): Promise<Offset | undefined> {
    try {
      const { entries, next, free } = await this.log.read(topic, partition, from, maxEntries === undefined ? {} : { maxEntries });
      for (const { key, value } of entries) this.counts.bytes += (key?.length ?? 0) + value.length;
      this.counts.entries += entries.length;
      free?.();
      return next;
    } catch (error) {
      this.failed = damage(error);
      return undefined;
    }
  }

  /** What the last read failed with. */
  private failed: MizuError | undefined;

  /** Goes on entry by entry up to the one that can't be read, and reports it; undefined if nothing behind it can be reached. */
  private async firstBad(topic: string, partition: number, from: Offset): Promise<Offset | undefined> {
    for (let at = from; ; ) {
      const next = await this.read(topic, partition, at, 1);
      if (next === at) return undefined;
      if (next !== undefined) {
        at = next;
        continue;
      }
      if (this.failed !== undefined && !this.isKnown(this.failed.message)) this.found(`${topic}/${partition} @${at}`, this.failed);
      return at;
    }
  }

  /** The first entry behind a bad one that does not fail in the same way: entries that the store keeps together are damaged together. Undefined if none can be reached. */
  private async behind(topic: string, partition: number, bad: Offset): Promise<Offset | undefined> {
    const message = this.failed?.message;
    const isSame = async (at: number): Promise<boolean> => {
      try {
        (await this.log.read(topic, partition, offset(at), { maxEntries: 1 })).free?.();
        return false;
      } catch (error) {
        return damage(error).message === message;
      }
    };
    let same: number = bad;
    let step = 1;
    while (await isSame(bad + step)) {
      same = bad + step;
      step *= 2;
      if (step > FURTHEST_ENTRIES) return undefined;
    }
    let other = bad + step;
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      if (await isSame(middle)) same = middle;
      else other = middle;
    }
    return offset(other);
  }

  private isKnown(message: string): boolean {
    return this.list.problems.some((problem) => problem.message === message);
  }

  private found(where: string, { message, hint }: MizuError): void {
    this.list.report(where, message);
    this.hint ??= hint;
  }
}

/** Everything else that goes wrong is not for this report. */
function damage(error: unknown): MizuError {
  if (error instanceof MizuError && error.code === 'LOG_CORRUPT') return error;
  throw error;
}
