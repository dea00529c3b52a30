/** Records of a finite source as its entries hold them and its digest is made of them (P13): u32 big-endian length ‖ bytes, one after the other. */
import { freeBytes } from './free-bytes.ts';

export const PREFIX_BYTES = 4;

export function packSource(records: readonly Uint8Array[]): Uint8Array {
  const length = records.reduce((sum, record) => sum + PREFIX_BYTES + record.length, 0);
  const out = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const record of records) {
    out.writeUInt32BE(record.length, at);
    out.set(record, at + PREFIX_BYTES);
    at += PREFIX_BYTES + record.length;
  }
  return out;
}

/** Room for a first entry, bytes. */
const FIRST_ROOM_BYTES = 4096;
/** The next entry begins with as much room as the last one took, and a sixteenth more. */
const SPARE_SHIFT = 4;

/** The same bytes of records that come one by one. It copies each at once, so none has to stay where it is. Owned by one caller. */
export class SourcePacker {
  private buffer: Buffer | undefined;
  private room = FIRST_ROOM_BYTES;
  private at = 0;
  private records = 0;

  get count(): number {
    return this.records;
  }

  /** Bytes of all that was added. */
  get length(): number {
    return this.at;
  }

  add(record: Uint8Array): void {
    const buffer = this.withRoom(PREFIX_BYTES + record.length);
    buffer.writeUInt32BE(record.length, this.at);
    buffer.set(record, this.at + PREFIX_BYTES);
    this.at += PREFIX_BYTES + record.length;
    this.records++;
  }

  /** What was added, until something else is. */
  view(): Uint8Array {
    return this.buffer?.subarray(0, this.at) ?? new Uint8Array(0);
  }

  /** Begins anew in the same buffer. */
  clear(): void {
    this.at = 0;
    this.records = 0;
  }

  /** What was added, whose buffer is the caller's from now on. Begins anew. */
  take(): Uint8Array {
    const taken = this.view();
    this.room = Math.max(FIRST_ROOM_BYTES, this.at + (this.at >> SPARE_SHIFT));
    this.buffer = undefined;
    this.clear();
    return taken;
  }

  private withRoom(bytes: number): Buffer {
    const old = this.buffer;
    const needed = this.at + bytes;
    if (old !== undefined && needed <= old.length) return old;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, old === undefined ? this.room : 2 * old.length));
    if (old !== undefined) {
      grown.set(old.subarray(0, this.at));
      freeBytes(old);
    }
    this.buffer = grown;
    return grown;
  }
}
