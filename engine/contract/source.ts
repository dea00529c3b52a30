/**
 * An external topic as a source (P7, P13): what the runtime needs of it, and nothing that only Kafka has. Implemented by a connector,
 * opened by the composition. Only committed records are ever read; offsets increase and may have gaps (aborted transactions, compaction).
 */
import type { Offset } from './ids.ts';

export interface ExternalRecord {
  readonly offset: Offset;
  readonly key: Uint8Array | undefined;
  /** Undefined for a tombstone. */
  readonly value: Uint8Array | undefined;
  readonly timestampMs: number;
  /** In their order; a header may have no value, and a name may stand twice. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | undefined])[];
}

export interface ExternalLimits {
  /** Bytes to ask for at once; one record is always delivered, however long. */
  readonly maxBytes: number;
  /** No record at or beyond this offset is given; the reader knows that the range has no gap that can still be filled. */
  readonly until?: Offset | undefined;
}

/** `next`: where the next read goes on; beyond the last record where a gap follows, and `until` once nothing more is below it. */
export interface ExternalRead {
  readonly records: readonly ExternalRecord[];
  readonly next: Offset;
  /** A reader that has copied what it needs may say so: the bytes of these records are not there any more afterwards. Absent, or not called: they stay. */
  readonly free?: (() => void) | undefined;
}

export interface ExternalTopic {
  /** The topic's own name, for errors. */
  readonly name: string;
  /** Partitions are numbered from 0. */
  readonly partitions: number;
  /** The first offset that is still there. */
  start(partition: number): Promise<Offset>;
  /** The offset after the last committed record or marker: everything below it is settled. */
  end(partition: number): Promise<Offset>;
  /** The ends of all partitions, by one question where the topic takes one. */
  ends(): Promise<readonly Offset[]>;
  /**
   * Committed records from an offset on, in order; never waits: at the end the list is empty and `next` is `from`.
   * @throws SOURCE_UNAVAILABLE when records from there on are gone (`unavailable: topic, partition, range`); LOG_UNAVAILABLE; BYTES_INVALID for a broken batch.
   */
  read(partition: number, from: Offset, limits: ExternalLimits): Promise<ExternalRead>;
  /** Resolves when `end` has passed the position, or with false when the signal aborts. */
  waitBeyond(partition: number, position: Offset, signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}

/** Where a source is: the author's name for it, and what `sources` says. */
export interface ExternalSpec {
  readonly name: string;
  readonly topic: string;
  /** `kafka://host:port[,host:port]`; undefined: the cluster of the run's own log. */
  readonly url: string | undefined;
}

/** @throws NOT_FOUND with names that are near; LOG_UNAVAILABLE when no broker answers; LOG_REFUSED without the right to read; USAGE for a bad address. */
export type OpenExternal = (spec: ExternalSpec) => Promise<ExternalTopic>;

/**
 * Where a run takes its records from, written to its log once, when it is deployed: whoever goes on with the run reads the same topic from
 * the same offsets, wherever its settings say that it is today.
 */
export interface SourceBounds {
  readonly topic: string;
  /** By partition: the first offset, and for a finite source the one after the last. */
  readonly partitions: readonly { readonly from: number; readonly to?: number | undefined }[];
}
