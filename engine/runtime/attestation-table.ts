/**
 * The recorded answers of one or more attestation topics, found by key (P8). Algebra: the table is the fold of the topics in order,
 * where the first entry of a key stays. It holds key → (topic, offset) in local storage, so memory does not grow with the run (law 6);
 * the envelope itself is read from the log when it is wanted.
 */
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { KeyIndex, LocalStorage } from '../contract/storage.ts';
import { DIGEST_BYTES } from '../proof/sha256.ts';
import { EntryWindow } from './entry-window.ts';

/** Answers that the filter before the index is sized for; more are still exact, and cost more look-ups. */
const EXPECTED_ANSWERS = 100_000;

export interface AttestationTopics {
  readonly log: Log;
  /** The run's own topic first; then those of earlier generations, whose answers are shared in a network (P12). */
  readonly topics: readonly string[];
  readonly local: LocalStorage;
}

export interface RecordedEnvelope {
  readonly topic: string;
  readonly envelope: Uint8Array;
}

export class AttestationTable {
  private readonly log: Log;
  private readonly topics: readonly string[];
  private readonly index: KeyIndex;
  private readonly next: Offset[];
  private readonly windows: readonly EntryWindow[];
  private listener: ((entry: LogEntry) => void) | undefined;
  /** Readings run one after the other. */
  private reading: Promise<void> = Promise.resolve();
  private queued: Promise<void> | undefined;
  /** Begun or to begin. */
  private readings = 0;

  private constructor(source: AttestationTopics, index: KeyIndex) {
    this.log = source.log;
    this.topics = source.topics;
    this.index = index;
    this.next = source.topics.map(() => offset(0));
    this.windows = source.topics.map((topic) => new EntryWindow(source.log, topic));
  }

  /** Reads back everything that is committed. */
  static async open(source: AttestationTopics): Promise<AttestationTable> {
    const table = new AttestationTable(source, source.local.openKeyIndex(`attestations-${source.topics[0] ?? ''}`, EXPECTED_ANSWERS));
    try {
      await table.catchUp();
    } catch (error) {
      table.close();
      throw error;
    }
    return table;
  }

  /** Answers known. */
  get size(): number {
    return this.index.size;
  }

  /** Calls for each answer that is read from here on: the first entry of its key, once the table holds it. */
  listen(listener: (entry: LogEntry) => void): void {
    this.listener = listener;
  }

  /** Resolves when the first topic has entries that were not read; false when the signal aborts. */
  wait(signal: AbortSignal): Promise<boolean> {
    return this.log.waitBeyond(this.topics[0] ?? '', 0, this.next[0] ?? offset(0), signal);
  }

  /** Reads on to the present end of every topic. Whoever asks while another reading has not begun shares that one. */
  catchUp(): Promise<void> {
    if (this.queued === undefined) {
      this.readings++;
      this.queued = this.reading
        .then(() => {
          this.queued = undefined;
          return this.readOn();
        })
        .finally(() => this.readings--);
    }
    const done = this.queued;
    this.reading = done.catch(() => undefined);
    return done;
  }

  /**
   * What this process has just committed to the first topic. It is taken as it is where nothing stands between it and what was read, else read back
   * with the rest.
   */
  async learn(entry: LogEntry): Promise<void> {
    if (entry.offset < (this.next[0] ?? 0)) return;
    if (this.readings > 0 || entry.offset !== this.next[0]) return this.catchUp();
    this.add(0, this.topics[0] ?? '', [entry]);
    this.next[0] = offset(entry.offset + 1);
  }

  private async readOn(): Promise<void> {
    for (const [number, topic] of this.topics.entries()) {
      for (;;) {
        const { entries, next } = await this.log.read(topic, 0, this.next[number] ?? offset(0));
        this.add(number, topic, entries);
        this.next[number] = next;
        if (entries.length === 0) break;
      }
    }
  }

  private add(number: number, topic: string, entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    const keys = new Uint8Array(entries.length * DIGEST_BYTES);
    const offsets = new Float64Array(entries.length);
    for (const [n, { key, offset: at }] of entries.entries()) {
      if (key?.length !== DIGEST_BYTES)
        throw new MizuError('LOG_CORRUPT', `Entry ${at} of topic '${topic}' has no question key of ${DIGEST_BYTES} bytes`);
      keys.set(key, n * DIGEST_BYTES);
      offsets[n] = at;
    }
    this.index.addAll(keys, offsets, new Uint32Array(entries.length).fill(number));
    if (this.listener !== undefined) this.tell(number, entries);
  }

  private tell(number: number, entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const place = entry.key === undefined ? undefined : this.index.get(entry.key);
      if (place?.k === entry.offset && place.i === number) this.listener?.(entry);
    }
  }

  /** The first envelope under a key, not yet checked. */
  async find(key: Uint8Array): Promise<RecordedEnvelope | undefined> {
    const place = this.index.get(key);
    if (place === undefined) return undefined;
    const topic = this.topics[place.i] ?? '';
    const entry = await this.windows[place.i]?.at(place.k);
    if (entry === undefined) throw new MizuError('LOG_CORRUPT', `Entry ${place.k} of topic '${topic}' was there and is gone`);
    return { topic, envelope: entry.value };
  }

  close(): void {
    this.index.close();
  }
}
