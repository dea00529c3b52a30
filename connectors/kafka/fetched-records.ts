/**
 * Reads the records of one fetch, lazily: batches are checked (CRC-32C) and unpacked when a reader comes to them. Left out are
 * control batches, batches of aborted transactions, and records before the wanted offset: a batch may begin before it.
 */
import { invariant, type LogEntry, MizuError, offset } from '#engine';
import type { AbortedTransaction } from './api-data.ts';
import { CODEC_MASK, unpack } from './compression.ts';
import { crc32c } from './crc32c.ts';
import { AT, BEFORE_LENGTH, CONTROL, HEADER_BYTES, MAGIC, TRANSACTIONAL } from './record-batch.ts';
import { readInt64 } from './wire.ts';

/** A record as it lies on the partition; a null value is a tombstone. */
export interface RawRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | undefined;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Where its headers stand as they were written: `headers` has one of each name, as text. */
  readonly unpacked: Buffer;
  readonly headersAt: number;
}

interface OpenBatch {
  readonly base: number;
  readonly last: number;
  readonly timestamp: number;
  readonly bytes: Buffer;
  at: number;
  left: number;
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});
/** Of a control record's key: version 2 bytes, then its type. */
const ABORT_MARKER = 0;

export class FetchedRecords {
  readonly #place: string;
  readonly #bytes: Buffer;
  /** In order of their first offset; taken out once reached. */
  readonly #aborted: readonly AbortedTransaction[];
  #abortedAt = 0;
  readonly #inAbort = new Set<bigint>();
  #at = 0;
  #batch: OpenBatch | undefined;
  #next: number;

  /** @param from the offset that was asked for */
  constructor(place: string, bytes: Buffer, aborted: readonly AbortedTransaction[], from: number) {
    this.#place = place;
    this.#bytes = bytes;
    this.#aborted = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    this.#next = from;
  }

  /** Where a reader goes on: after the last record taken, or after everything that was passed over. */
  get next(): number {
    return this.#next;
  }

  /** Whether another whole batch, or a record of the present one, is left. */
  get hasMore(): boolean {
    if (this.#batch !== undefined && this.#batch.left > 0) return true;
    const rest = this.#bytes.length - this.#at;
    return rest >= HEADER_BYTES && rest >= BEFORE_LENGTH + this.#bytes.readInt32BE(this.#at + AT.length);
  }

  get heldBytes(): number {
    return this.#bytes.length;
  }

  /** The next committed record, or undefined after the last whole batch. @throws LOG_CORRUPT */
  take(): RawRecord | undefined {
    while (this.#batch !== undefined || this.#openBatch()) {
      const batch = this.#batch;
      invariant(batch !== undefined, 'a batch is open');
      while (batch.left > 0) {
        const record = this.#record(batch);
        if (record.offset < this.#next) continue;
        this.#next = record.offset + 1;
        return record;
      }
      // Compaction takes records away, also the last ones of a batch.
      this.#next = Math.max(this.#next, batch.last + 1);
      this.#batch = undefined;
    }
    return undefined;
  }

  /** Passes over the markers that follow, so that nobody asks the broker for what lies behind a marker alone. */
  passMarkers(): void {
    if (this.#batch !== undefined && this.#batch.left > 0) return;
    try {
      while (this.hasMore && (this.#bytes.readInt16BE(this.#at + AT.attributes) & CONTROL) !== 0) this.#openBatch(1);
    } catch (error) {
      // Damage is told to whoever comes to it: what was read before is sound.
      if (!(error instanceof MizuError)) throw error;
    }
  }

  /** True when a batch for readers was opened. */
  #openBatch(most = Number.POSITIVE_INFINITY): boolean {
    const bytes = this.#bytes;
    for (let passed = 0; passed < most && this.#at + HEADER_BYTES <= bytes.length; passed++) {
      const start = this.#at;
      const end = start + BEFORE_LENGTH + bytes.readInt32BE(start + AT.length);
      // A fetch ends anywhere: the rest of this batch comes with the next one.
      if (end > bytes.length) return false;
      const batch = bytes.subarray(start, end);
      this.#check(batch);
      this.#at = end;
      const base = readInt64(batch, 0);
      const last = base + batch.readInt32BE(AT.lastDelta);
      if (this.#isForReaders(batch, last)) {
        this.#batch = openRecords(batch, this.#place);
        return true;
      }
      this.#next = Math.max(this.#next, last + 1);
    }
    return false;
  }

  #check(batch: Buffer): void {
    if (batch.length < HEADER_BYTES) {
      throw new MizuError('LOG_CORRUPT', `${this.#place}: a batch at or after offset ${this.#next} is shorter than its own header`, {
        component: this.#place,
      });
    }
    const base = readInt64(batch, 0);
    if (batch.readInt8(AT.magic) !== MAGIC) {
      throw new MizuError(
        'LOG_CORRUPT',
        `${this.#place}: the batch at offset ${base} has format ${batch.readInt8(AT.magic)}, not ${MAGIC}`,
        {
          component: this.#place,
          hint: 'Topics written before Kafka 0.11 are not read.',
        },
      );
    }
    if (crc32c(batch, AT.attributes, batch.length) === batch.readUInt32BE(AT.crc)) return;
    throw new MizuError('LOG_CORRUPT', `${this.#place}: the batch at offset ${base} has changed: its checksum is wrong`, {
      component: this.#place,
      hint: 'Restore the partition from another replica; nothing of this batch was used.',
    });
  }

  #isForReaders(batch: Buffer, last: number): boolean {
    for (;;) {
      const next = this.#aborted[this.#abortedAt];
      if (next === undefined || next.firstOffset > last) break;
      this.#inAbort.add(next.producerId);
      this.#abortedAt++;
    }
    const attributes = batch.readInt16BE(AT.attributes);
    const producer = batch.readBigInt64BE(AT.producer);
    if ((attributes & CONTROL) !== 0) {
      if (isAbortMarker(batch, this.#place)) this.#inAbort.delete(producer);
      return false;
    }
    return (attributes & TRANSACTIONAL) === 0 || !this.#inAbort.has(producer);
  }

  #record(batch: OpenBatch): RawRecord {
    batch.left--;
    try {
      const { record, end } = readRecord(batch);
      batch.at = end;
      return record;
    } catch (error) {
      throw new MizuError('LOG_CORRUPT', `${this.#place}: a record of the batch at offset ${batch.base} can't be read`, {
        component: this.#place,
        cause: error,
      });
    }
  }
}

export function toEntry({ offset: at, key, value, headers }: RawRecord): LogEntry {
  return { offset: offset(at), key, value: value ?? NO_VALUE, headers };
}

const NO_VALUE = Buffer.alloc(0);

function openRecords(batch: Buffer, place: string): OpenBatch {
  const base = readInt64(batch, 0);
  const codec = batch.readInt16BE(AT.attributes) & CODEC_MASK;
  const records = batch.subarray(HEADER_BYTES);
  return {
    base,
    last: base + batch.readInt32BE(AT.lastDelta),
    timestamp: readInt64(batch, AT.firstTimestamp),
    bytes: codec === 0 ? records : unpack(codec, records, place),
    at: 0,
    left: batch.readInt32BE(AT.records),
  };
}

function isAbortMarker(batch: Buffer, place: string): boolean {
  const { key } = readRecord(openRecords(batch, place)).record;
  return key !== undefined && key.readInt16BE(2) === ABORT_MARKER;
}

/** The end of the last varint that was read: two results without an object for each field. */
let after = 0;

function varint(bytes: Buffer, at: number): number {
  let value = 0;
  let scale = 1;
  let position = at;
  for (;;) {
    const byte = bytes.readUInt8(position++);
    value += (byte & 127) * scale;
    if (byte < 128) break;
    scale *= 128;
  }
  after = position;
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function readRecord(batch: OpenBatch): { readonly record: RawRecord; readonly end: number } {
  const { bytes } = batch;
  const length = varint(bytes, batch.at);
  const end = after + length;
  const timestamp = batch.timestamp + varint(bytes, after + 1);
  const at = batch.base + varint(bytes, after);
  const key = field(bytes) ?? undefined;
  const value = field(bytes);
  const headersAt = after;
  const headers = readHeaders(bytes);
  return { record: { offset: at, timestamp, key, value, headers, unpacked: bytes, headersAt }, end };
}

/** A view. */
function field(bytes: Buffer): Buffer | null {
  const length = varint(bytes, after);
  if (length < 0) return null;
  const start = after;
  after = start + length;
  return bytes.subarray(start, after);
}

function readHeaders(bytes: Buffer): Readonly<Record<string, string>> {
  const count = varint(bytes, after);
  if (count === 0) return NO_HEADERS;
  // Without a prototype: a header may have any name.
  const headers = Object.create(null) as Record<string, string>;
  for (let n = 0; n < count; n++) {
    const name = field(bytes)?.toString('utf8') ?? '';
    headers[name] = field(bytes)?.toString('utf8') ?? '';
  }
  return headers;
}

/** Every header in its order, as bytes; views. */
export function rawHeaders({ unpacked, headersAt }: RawRecord): readonly (readonly [name: string, value: Buffer | undefined])[] {
  const count = varint(unpacked, headersAt);
  if (count === 0) return [];
  return Array.from({ length: count }, () => [field(unpacked)?.toString('utf8') ?? '', field(unpacked) ?? undefined] as const);
}
