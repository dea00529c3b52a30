/**
 * Values above the log's entry limit travel in parts: several entries of one commit, in order, with the headers `part` (from 0) and `parts`.
 * A value that fits stays one entry, without these headers. Whoever reads joins the parts by the name of the value, since entries of
 * other writers may stand between them; those of one name never overlap, because one writer commits one after the other (P2).
 */
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import type { Append, LogEntry, LogLimits } from '../contract/log.ts';
import { asBuffer, fromUtf8, utf8 } from '../proof/sha256.ts';

/** Room that `part` and `parts` may take in headers and key, beside what the append has itself; generous, so that no log's way of counting matters. */
const PART_ROOM_BYTES = 256;
/** Least bytes of a part: a log that takes less than this in an entry is no log for frames. */
const LEAST_PART_BYTES = 64;
/** Most parts of one value: far more than fit in a commit. */
const PARTS_LIMIT = 1_000_000;

/** A frame as entries of one commit: one, or as many parts as it takes. */
export function frameAppends(
  topic: string,
  partition: number,
  value: Uint8Array,
  headers: Readonly<Record<string, string>>,
  limits: LogLimits,
): Append[] {
  return partAppends({ topic, partition, value, headers }, limits);
}

/** The append, or its parts. Parts of an append with a key have the key ‖ `/part`, so that compaction keeps each (law 12). */
export function partAppends(append: Append, limits: LogLimits): Append[] {
  const { key, value, headers = {} } = append;
  const beside = (key?.length ?? 0) + Buffer.byteLength(JSON.stringify(headers));
  if (value.length + beside <= limits.entryBytes - PART_ROOM_BYTES || value.length + beside <= LEAST_PART_BYTES) return [append];
  const size = Math.max(LEAST_PART_BYTES, limits.entryBytes - PART_ROOM_BYTES - beside);
  const parts = Math.ceil(value.length / size);
  if (parts < 2) return [append];
  return Array.from({ length: parts }, (_, part) => ({
    ...append,
    ...(key === undefined ? {} : { key: utf8(`${fromUtf8(key)}/${part}`) }),
    value: value.subarray(part * size, (part + 1) * size),
    headers: { ...headers, part: String(part), parts: String(parts) },
  }));
}

/** A value that is whole, and where its first entry stands. */
export interface WholeValue {
  readonly offset: Offset;
  readonly value: Uint8Array;
}

interface Pending {
  readonly offset: Offset;
  readonly parts: number;
  readonly values: Uint8Array[];
}

/** Joins parts that are read forwards. Owned by one reader. Holds what is begun, which one commit of each writer bounds. */
export class PartJoiner {
  private readonly where: string;
  private readonly pending = new Map<string, Pending>();
  /** The log may have forgotten some parts of a value and kept others, which are then passed over. */
  partial = false;

  constructor(where: string) {
    this.where = where;
  }

  /** The value, if this entry makes it whole. @throws LOG_CORRUPT for a part that does not follow the one before. */
  take(name: string, entry: LogEntry): WholeValue | undefined {
    const place = partOf(entry, this.where);
    const begun = this.pending.get(name);
    if (place === undefined) {
      if (begun !== undefined && !this.partial)
        throw this.broken(name, entry, `part ${begun.values.length} of ${begun.parts}`, 'a whole value');
      return { offset: entry.offset, value: entry.value };
    }
    const { part, parts } = place;
    const expected = begun === undefined ? { part: 0, parts } : { part: begun.values.length, parts: begun.parts };
    if (part !== expected.part || parts !== expected.parts) {
      this.pending.delete(name);
      if (this.partial) return undefined;
      throw this.broken(name, entry, `part ${expected.part} of ${expected.parts}`, `part ${part} of ${parts}`);
    }
    const now = begun ?? { offset: entry.offset, parts, values: [] };
    now.values.push(entry.value);
    if (now.values.length < parts) {
      this.pending.set(name, now);
      return undefined;
    }
    this.pending.delete(name);
    return { offset: now.offset, value: Buffer.concat(now.values) };
  }

  /** Where the earliest value begins that is not whole yet; Infinity if there is none. */
  get earliest(): number {
    let low = Number.POSITIVE_INFINITY;
    for (const { offset } of this.pending.values()) low = Math.min(low, offset);
    return low;
  }

  private broken(name: string, entry: LogEntry, expected: string, found: string): MizuError {
    return new MizuError('LOG_CORRUPT', `${this.where}, offset ${entry.offset}: ${name} goes on with ${found}, ${expected} was expected`, {
      hint: 'The parts of one value are committed together: an entry between them is missing or foreign.',
    });
  }
}

/** Undefined for a whole value. @throws LOG_CORRUPT for headers that are never written. */
function partOf(entry: LogEntry, where: string): { readonly part: number; readonly parts: number } | undefined {
  const { part: partText, parts: partsText } = entry.headers;
  if (partText === undefined && partsText === undefined) return undefined;
  const part = Number(partText);
  const parts = Number(partsText);
  if (Number.isInteger(part) && Number.isInteger(parts) && part >= 0 && part < parts && parts >= 2 && parts <= PARTS_LIMIT)
    return { part, parts };
  throw new MizuError('LOG_CORRUPT', `${where}, offset ${entry.offset}: it says that it is part '${partText}' of '${partsText}'`);
}

/** The key of a value of which an entry may be a part. */
export function keyOfValue(entry: LogEntry): string {
  const name = asBuffer(entry.key ?? new Uint8Array(0)).toString('utf8');
  return entry.headers['part'] === undefined ? name : name.slice(0, Math.max(0, name.lastIndexOf('/')));
}
