/**
 * Commits for one owner. Fencing is an epoch, compared inside the write transaction: once a newer writer's epoch is
 * committed, no commit of an older one can be, whatever process it lives in (P2).
 */
import { setImmediate as othersTurn } from 'node:timers/promises';
import {
  type Admitted,
  type Append,
  admit,
  type CommitOutcome,
  checkPlace,
  invariant,
  type LogLimits,
  type LogWriter,
  MizuError,
  messageOf,
  type Offset,
} from '#engine';
import type { CommitQueue } from './commit-queue.ts';
import type { Database } from './database.ts';
import { diskFull } from './sqlite-error.ts';
import { readOwnerEpoch, segmentBytes, type TopicRow } from './tables.ts';

export interface WriterContext {
  readonly db: Database;
  /** Takes the commits of all writers of the handle. */
  readonly queue: CommitQueue;
  readonly limits: LogLimits;
  readonly sizeLimitBytes: number | undefined;
  /** @throws NOT_FOUND */
  readonly topic: (name: string) => Promise<TopicRow>;
  /** Wakes the readers of this process. */
  readonly ring: () => void;
}

/** What a transaction adds besides the bytes of its entries: row headers, pages of the tree; measured below 100 per entry. */
const OVERHEAD_PER_ENTRY_BYTES = 128;

export class EmbeddedWriter implements LogWriter {
  readonly owner: string;
  readonly #epoch: number;
  readonly #context: WriterContext;
  #dead: MizuError | undefined;
  #committing = false;

  constructor(owner: string, epoch: number, context: WriterContext) {
    this.owner = owner;
    this.#epoch = epoch;
    this.#context = context;
  }

  /** Never throws for what the store, the disk or the entries did: the outcome tells. Two commits at once are the caller's defect. */
  async commit(appends: readonly Append[]): Promise<CommitOutcome> {
    invariant(!this.#committing, `two commits at once by the writer of ${this.owner}`);
    this.#committing = true;
    try {
      if (this.#dead !== undefined) throw this.#dead;
      if (appends.length === 0) return { status: 'committed', offsets: [] };
      const offsets = await this.#commit(appends);
      this.#context.ring();
      await othersTurn();
      return { status: 'committed', offsets };
    } catch (error) {
      return this.#failed(error);
    } finally {
      this.#committing = false;
    }
  }

  /** A durable commit is visible at once: readers of any process look at the same file. */
  async waitVisible(): Promise<void> {}

  async close(): Promise<void> {
    this.#dead ??= new MizuError('LOG_FENCED', `The writer of ${this.owner} was closed`, {
      component: this.owner,
      hint: 'Open a new one.',
    });
  }

  async #commit(appends: readonly Append[]): Promise<readonly Offset[]> {
    const { limits } = this.#context;
    const admitted = admit(appends, limits);
    const topics = await this.#topicsOf(appends);
    return this.#context.queue.commit({
      admitted,
      topics,
      assertAllowed: () => {
        this.#assertNotFenced();
        this.#assertRoom(admitted);
      },
    });
  }

  async #topicsOf(appends: readonly Append[]): Promise<ReadonlyMap<string, TopicRow>> {
    const topics = new Map<string, TopicRow>();
    for (const append of appends) {
      const topic = topics.get(append.topic) ?? (await this.#context.topic(append.topic));
      topics.set(append.topic, topic);
      checkPlace(topic, append);
    }
    return topics;
  }

  #assertNotFenced(): void {
    const newest = readOwnerEpoch(this.#context.db, this.owner);
    if (newest === this.#epoch) return;
    throw new MizuError('LOG_FENCED', `A newer writer (${newest}) took ${this.owner} over from writer ${this.#epoch}`, {
      component: this.owner,
      hint: 'Stop this one, or open a new writer if its lease still holds.',
    });
  }

  #assertRoom(admitted: readonly Admitted[]): void {
    const { db, sizeLimitBytes } = this.#context;
    if (sizeLimitBytes === undefined) return;
    const adds = admitted.reduce((sum, { bytes }) => sum + bytes + OVERHEAD_PER_ENTRY_BYTES, 0);
    const held = db.usedBytes() + segmentBytes(db);
    if (held + adds > sizeLimitBytes)
      throw diskFull(db.file, `it holds ${held} bytes, and ${adds} more would pass its limit of ${sizeLimitBytes}`);
  }

  #failed(error: unknown): CommitOutcome {
    const cause = error instanceof MizuError ? error : new MizuError('INTERNAL', messageOf(error), { cause: error });
    if (cause.code === 'LOG_UNKNOWN_OUTCOME') {
      this.#dead = cause;
      return { status: 'unknown', error: cause };
    }
    // A full or busy disk, and a wrong entry, leave the writer as good as it was.
    if (cause.code === 'LOG_FENCED' || cause.code === 'LOG_CORRUPT' || !this.#context.db.isOpen) this.#dead ??= cause;
    return { status: 'aborted', writerDead: this.#dead !== undefined, error: cause };
  }
}
