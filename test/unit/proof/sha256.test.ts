import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { compareBytes, equalBytes, fromBase64, fromHex, fromUtf8, sha256, toBase64, toHex, utf8 } from '../../../engine/proof/sha256.ts';

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, n) => (n * 31 + 7) % 256);

describe('digests', () => {
  test('the digest of parts is the digest of their concatenation, whatever their sizes', () => {
    for (const sizes of [[], [0], [3], [1, 64], [1, 32, 32], [65_535, 1], [65_536, 1], [100_000, 5, 0]]) {
      const parts = sizes.map(bytesOf);
      expect(toHex(sha256(...parts))).toBe(createHash('sha256').update(Buffer.concat(parts)).digest('hex'));
    }
  });
  test('a digest stays the same after later digests were made', () => {
    const first = sha256(Uint8Array.of(1), Uint8Array.of(2));
    const text = toHex(first);
    sha256(Uint8Array.of(3), Uint8Array.of(4));
    expect(toHex(first)).toBe(text);
  });
});

describe('texts of bytes', () => {
  test('only lower-case hexadecimal of whole bytes is read', () => {
    expect(fromHex('00ff')).toEqual(Buffer.of(0, 255));
    for (const text of ['0', '0F', 'zz', ' 00', '00 ', '0x00']) expect(() => fromHex(text)).toThrow(/hexadecimal/);
  });
  test('only canonical base64 is read', () => {
    expect(fromBase64(toBase64(bytesOf(32)))).toEqual(Buffer.from(bytesOf(32)));
    for (const text of ['AA', 'AA=', 'AB==', 'AA==\n', ' AA==', 'A-_=', 'AA==AA==', 'AAA', '=', 'A']) {
      expect(() => fromBase64(text), text).toThrow(/base64/);
    }
  });
  test('text is never repaired on its way to or from UTF-8', () => {
    expect(fromUtf8(utf8('\ufeffé😀'))).toBe('\ufeffé😀');
    expect(() => utf8('\ud800')).toThrow(/lone surrogate/);
    for (const hex of ['ff', 'c080', 'eda080', 'f4908080', 'e282']) expect(() => fromUtf8(fromHex(hex)), hex).toThrow(/UTF-8/);
  });
  test('bytes are ordered as unsigned, a beginning before the whole', () => {
    expect(compareBytes(Uint8Array.of(0x7f), Uint8Array.of(0x80))).toBeLessThan(0);
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0);
    expect(equalBytes(Uint8Array.of(1), Buffer.of(1))).toBe(true);
    expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(false);
  });
});
