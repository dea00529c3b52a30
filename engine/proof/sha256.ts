/**
 * SHA-256 (FIPS 180-4) and the small byte tools that every format here needs: strict hexadecimal, strict base64, strict UTF-8.
 * Whatever is read twice must be the same bytes twice (law 1), so no tool here repairs its input.
 */
import { isUtf8 } from 'node:buffer';
import { createHash, hash } from 'node:crypto';
import { MizuError } from '../contract/errors.ts';

export const DIGEST_BYTES = 32;

/** Parts up to this sum are joined and hashed at once: `crypto.hash` takes about 1 µs, a `createHash` chain 3.6 µs. */
const JOIN_LIMIT_BYTES = 64 * 1024;
const scratch = Buffer.allocUnsafeSlow(JOIN_LIMIT_BYTES);

/** One-shot digest. As a string of 32 characters it costs 0.27 µs for 70 bytes, as a buffer, which Node allocates apart from its pool, 0.74. */
function digestOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'binary');
}

/** Writes the digest of `bytes` into `out` at `at`, without an allocation that outlives the call. */
export function sha256Into(out: Buffer, at: number, bytes: Uint8Array): void {
  out.write(digestOf(bytes), at, DIGEST_BYTES, 'latin1');
}

/** The digest (32 bytes) of the parts, one after the other. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return Buffer.from(digestOf(first), 'latin1');
  let total = 0;
  for (const part of parts) total += part.length;
  if (total <= JOIN_LIMIT_BYTES) {
    let at = 0;
    for (const part of parts) {
      scratch.set(part, at);
      at += part.length;
    }
    return Buffer.from(digestOf(scratch.subarray(0, total)), 'latin1');
  }
  const state = createHash('sha256');
  for (const part of parts) state.update(part);
  return state.digest();
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex');
}

const HEX_PATTERN = /^(?:[0-9a-f]{2})*$/;

/** Reads lower-case hexadecimal. @throws BYTES_INVALID for anything else. */
export function fromHex(text: string): Uint8Array {
  if (!HEX_PATTERN.test(text)) throw new MizuError('BYTES_INVALID', `Not bytes in lower-case hexadecimal: '${text.slice(0, 80)}'`);
  return Buffer.from(text, 'hex');
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64');
}

/** Reads standard base64: full padding, no white space, no stray bits at the end. @returns undefined for anything else. */
export function tryBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** As `tryBase64`. @throws BYTES_INVALID. */
export function fromBase64(text: string): Uint8Array {
  const bytes = tryBase64(text);
  if (bytes === undefined) {
    throw new MizuError('BYTES_INVALID', `Not bytes in standard base64 with padding: '${text.slice(0, 80)}'`);
  }
  return bytes;
}

/** Order by unsigned bytes, shorter first where one begins the other. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** UTF-8 bytes. @throws BYTES_INVALID for a lone surrogate, which UTF-8 can't hold. */
export function utf8(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new MizuError('BYTES_INVALID', 'Text holds a lone surrogate, which is not Unicode text');
  return Buffer.from(text, 'utf8');
}

/** Text of UTF-8 bytes; a leading U+FEFF stays. @returns undefined for bytes that are not UTF-8 (RFC 3629). */
export function tryUtf8(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? asBuffer(bytes).toString('utf8') : undefined;
}

/** As `tryUtf8`. @throws BYTES_INVALID. */
export function fromUtf8(bytes: Uint8Array): string {
  const text = tryUtf8(bytes);
  if (text === undefined) throw new MizuError('BYTES_INVALID', `${bytes.length} bytes are not UTF-8`);
  return text;
}
