/**
 * Entries of one commit that stand together in a partition, as one value: a row for each small one costs more than what it holds. Layout, integers little endian:
 * for each entry three uint32, the bytes of its key plus one (0: it has none), of its headers and of its value; then key, headers and value of each.
 */
import { PACKED_ENTRY_BYTES } from './limits.ts';

export interface PlainEntry {
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array;
  /** JSON object, empty text for none. */
  readonly headers: string;
}

/** A buffer of its own. */
export function packEntries(entries: readonly PlainEntry[]): Uint8Array {
  // Entries of one step share their headers.
  let text = '';
  let encoded: Uint8Array = new Uint8Array();
  const headers = entries.map((entry) => {
    if (entry.headers !== text) {
      text = entry.headers;
      encoded = Buffer.from(text);
    }
    return encoded;
  });
  const bytes = entries.reduce(
    (sum, { key, value }, n) => sum + (key?.length ?? 0) + (headers[n]?.length ?? 0) + value.length,
    entries.length * PACKED_ENTRY_BYTES,
  );
  const out = Buffer.allocUnsafeSlow(bytes);
  let place = 0;
  let at = entries.length * PACKED_ENTRY_BYTES;
  const put = (part: Uint8Array | undefined): void => {
    if (part === undefined || part.length === 0) return;
    out.set(part, at);
    at += part.length;
  };
  for (const [n, { key, value }] of entries.entries()) {
    const own = headers[n];
    place = out.writeUInt32LE(key === undefined ? 0 : key.length + 1, place);
    place = out.writeUInt32LE(own?.length ?? 0, place);
    place = out.writeUInt32LE(value.length, place);
    put(key);
    put(own);
    put(value);
  }
  return out;
}

/** The entries that packed bytes hold, as views of them; undefined when those are not `count` whole entries. */
export function unpackEntries(packed: Uint8Array, count: number): PlainEntry[] | undefined {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  let at = count * PACKED_ENTRY_BYTES;
  if (at > bytes.length) return undefined;
  const take = (length: number): Uint8Array => {
    const part = packed.subarray(at, at + length);
    at += length;
    return part;
  };
  const entries: PlainEntry[] = [];
  for (let place = 0; place < count * PACKED_ENTRY_BYTES; place += PACKED_ENTRY_BYTES) {
    const keyLength = bytes.readUInt32LE(place);
    const headersLength = bytes.readUInt32LE(place + 4);
    const valueLength = bytes.readUInt32LE(place + 8);
    const key = keyLength === 0 ? undefined : take(keyLength - 1);
    const headers = headersLength === 0 ? '' : bytes.toString('utf8', at, at + headersLength);
    at += headersLength;
    entries.push({ key, headers, value: take(valueLength) });
  }
  return at === bytes.length ? entries : undefined;
}
