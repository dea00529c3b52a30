/** Doubles by their bits, and as many as wanted of all sizes, drawn by SHA-256: the same on every machine, without any printing or parsing of numbers. */
import { fromHex, sha256, toHex, utf8 } from '#engine';

/** Most significant byte first: 16 hexadecimal digits. */
export function bitsOf(value: number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return toHex(bytes);
}

export function fromBits(hex: string): number {
  const bytes = Uint8Array.from(fromHex(hex));
  return new DataView(bytes.buffer).getFloat64(0);
}

/** Finite ones only; drawn bits that are NaN or infinite are left out. */
export function* drawnDoubles(seed: string, count: number): Generator<number> {
  let given = 0;
  for (let n = 0; given < count; n++) {
    const bytes = Uint8Array.from(sha256(utf8(`${seed} ${n}`)));
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length && given < count; at += 8) {
      const value = view.getFloat64(at);
      if (!Number.isFinite(value)) continue;
      yield value;
      given++;
    }
  }
}
