/**
 * The log: a partitioned append-only store, embedded or Kafka. Small on purpose, so that two very different stores
 * pass one conformance suite (law 9). There is no look-up by key: readers build tables.
 *
 * What every implementation upholds:
 * - **Atomic**: all appends of one commit become readable together, or none ever does (law 2).
 * - **Fenced**: opening a writer for an owner ends every earlier writer of that owner. When `openWriter` resolves, each
 *   commit of an earlier writer is either readable or will never be (P2).
 * - **Ordered**: entries of a partition are read in the order of their offsets; offsets increase and may have gaps.
 * - **Committed only**: a reader never sees an entry of an open or aborted commit.
 * - **Checked**: bytes that changed at rest are reported as LOG_CORRUPT, never served.
 *
 * What callers uphold: one `commit` of a writer at a time; entries within `limits`; after an `unknown` outcome, open the writer
 * again and read back what was committed before going on.
 */
import type { Offset } from './ids.ts';

export interface TopicSpec {
  /** `[A-Za-z0-9._-]`, at most 200 characters: valid as a Kafka topic name. */
  readonly name: string;
  /** 1 to 1024. */
  readonly partitions: number;
  /** `compact` keeps at least the newest entry of each key; every entry of such a topic has a key. */
  readonly cleanup: 'keep' | 'compact';
  /** What the log may forget of a kept topic; absent: nothing. A store that never forgets may keep more. */
  readonly retention?: Retention | undefined;
}

/** Entries may go once the partition holds more than `bytes`, or they are older than `ms`; one that is absent sets no bound. */
export interface Retention {
  readonly bytes?: number | undefined;
  readonly ms?: number | undefined;
}

export interface Append {
  readonly topic: string;
  readonly partition: number;
  readonly key?: Uint8Array | undefined;
  readonly value: Uint8Array;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface LogEntry {
  readonly offset: Offset;
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * - `committed`: every append is durable; readable once `waitVisible` of it resolves. `offsets[i]` belongs to `appends[i]`.
 * - `aborted`: none of it is or ever will be readable. `writerDead`: this writer can commit nothing more (it was fenced,
 *   or the store gave its transaction up); whether the owner may open a new one is for its lease to say.
 * - `unknown`: it may or may not be committed. The writer is dead; open again, which settles it, and read back.
 */
export type CommitOutcome =
  | { readonly status: 'committed'; readonly offsets: readonly Offset[] }
  | { readonly status: 'aborted'; readonly writerDead: boolean; readonly error: Error }
  | { readonly status: 'unknown'; readonly error: Error };

export interface LogWriter {
  readonly owner: string;
  /**
   * Commits all appends or none. An empty list is committed at once. Refuses before anything is written: entries beyond the
   * limits (LOG_LIMIT), an unknown topic or partition (NOT_FOUND), a compacted topic's entry without key (USAGE). A refusal is an
   * `aborted` outcome of a living writer, not an exception.
   */
  commit(appends: readonly Append[]): Promise<CommitOutcome>;
  /** Resolves when everything this writer committed can be read by every reader. */
  waitVisible(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadOptions {
  /** Default 1,000. */
  readonly maxEntries?: number;
  /** Stops after the entry that passes it, so one entry is always delivered. Default 8 MiB. */
  readonly maxBytes?: number;
}

export interface ReadResult {
  readonly entries: readonly LogEntry[];
  /** Where the next read goes on: after the last entry, or `from` if there was none. */
  readonly next: Offset;
  /** A reader that has copied what it needs may say so: the bytes of these entries are not there any more afterwards. Absent, or not called: they stay. */
  readonly free?: (() => void) | undefined;
}

export interface LogLimits {
  /** Largest key + value + headers of one entry, bytes. */
  readonly entryBytes: number;
  /** Largest sum over one commit, bytes. */
  readonly commitBytes: number;
}

/** A topic of the same store that somebody else owns. A commit appends to it beside the log's own topics, under the same law: all or nothing. */
export interface SinkTopic {
  /** Its name in an `Append`; no topic of the log has such a name. */
  readonly appendTo: string;
  readonly partitions: number;
  /** Largest key + value + headers of one entry there. */
  readonly entryBytes: number;
  /** Whether whoever opened the log may write to it. */
  readonly writable: boolean;
}

/** Damage that a store found in itself. */
export interface StorageFinding {
  /** A file, or a place in a topic. */
  readonly where: string;
  readonly message: string;
}

export interface Log {
  /** What the user gave as `--log`. */
  readonly address: string;
  /** Names the deployment; first part of a checkpoint origin (P12). */
  readonly network: string;
  readonly limits: LogLimits;
  /** Makes the topic. The same spec again is fine. @throws USAGE when it exists with another spec. */
  createTopic(spec: TopicSpec): Promise<void>;
  /**
   * Makes the retention of a topic that is there that of this spec; what it forgot already stays forgotten. Absent: nothing is ever forgotten, whatever specs say.
   * @throws NOT_FOUND, USAGE when it has another spec otherwise.
   */
  retain?(spec: TopicSpec): Promise<void>;
  /** All topics whose name starts with the prefix, in order of name. */
  topics(prefix?: string): Promise<readonly TopicSpec[]>;
  /** Fences every earlier writer of this owner, in whatever process. Owner: 1 to 200 characters of `[A-Za-z0-9._/-]`. */
  openWriter(owner: string): Promise<LogWriter>;
  /** Committed entries from an offset on; never waits: at the end the list is empty. @throws NOT_FOUND, LOG_CORRUPT. */
  read(topic: string, partition: number, from: Offset, options?: ReadOptions): Promise<ReadResult>;
  /** The first offset that may still be read: `read` from an earlier one goes on here, since retention took what was before. Absent: nothing is ever forgotten. */
  begin?(topic: string, partition: number): Promise<Offset>;
  /** The offset after the last committed entry. */
  end(topic: string, partition: number): Promise<Offset>;
  /** Resolves when `end` has passed the given offset, or with false when the signal aborts. A push may wake it, reads stay pulled. */
  waitBeyond(topic: string, partition: number, position: Offset, signal: AbortSignal): Promise<boolean>;
  /**
   * Looks at somebody else's topic, so that this handle's writers may append to it: what is looked at was not asked for, and `waitVisible` does not wait
   * for it. Absent: nobody else has topics on such a store. @throws NOT_FOUND; USAGE for one that can't be a sink; LOG_REFUSED without the right to look.
   */
  sink?(topic: string): Promise<SinkTopic>;
  /** Looks at all of the store that no read of entries meets: pages, structure, files beside it. Absent: there is nothing else that this handle could look at. */
  inspect?(): Promise<readonly StorageFinding[]>;
  /** Bytes held now, and the limit beyond which commits are refused with DISK_FULL (undefined: the disk's own). */
  size(): Promise<{ readonly bytes: number; readonly limit: number | undefined }>;
  close(): Promise<void>;
}
