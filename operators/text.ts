/**
 * Text measures and marks over UTF-8 bytes, pinned here because runtimes differ (law 1): white space is the Unicode property
 * White_Space (PropList.txt, 25 code points, unchanged since Unicode 6.3), a word is a maximal run of anything else, a line
 * ends at LF, a character is a code point. Case mapping exists for ASCII only.
 */

/** Property White_Space: U+0009–000D, 0020, 0085, 00A0, 1680, 2000–200A, 2028, 2029, 202F, 205F, 3000. */
export const WHITE_SPACE: readonly number[] = [
  0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009,
  0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
];

export const LF = 0x0a;
export const SPACE = 0x20;

/** Length in bytes of the white space that starts at i, or 0. `data` is valid UTF-8 from i on. */
export function whiteSpaceAt(data: Uint8Array, i: number): number {
  const a = data[i] ?? 0;
  if (a < 0x80) return a === SPACE || (a >= 0x09 && a <= 0x0d) ? 1 : 0;
  if (a === 0xc2) {
    const b = data[i + 1];
    return b === 0x85 || b === 0xa0 ? 2 : 0;
  }
  if (a < 0xe1 || a > 0xe3) return 0;
  const b = data[i + 1] ?? 0;
  const c = data[i + 2] ?? 0;
  if (a === 0xe1) return b === 0x9a && c === 0x80 ? 3 : 0;
  if (a === 0xe3) return b === 0x80 && c === 0x80 ? 3 : 0;
  if (b === 0x80) return c <= 0x8a || c === 0xa8 || c === 0xa9 || c === 0xaf ? 3 : 0;
  return b === 0x81 && c === 0x9f ? 3 : 0;
}

/** Length in bytes of the code point that starts with this byte of valid UTF-8. */
export function codePointLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** Code points of valid UTF-8: the bytes that don't continue one. */
export function countCodePoints(text: Uint8Array): number {
  let count = 0;
  for (const byte of text) if ((byte & 0xc0) !== 0x80) count++;
  return count;
}

/** Maximal runs of non-white-space. */
export function countWords(text: Uint8Array): number {
  let count = 0;
  let inside = false;
  for (let i = 0; i < text.length; ) {
    const space = whiteSpaceAt(text, i);
    if (space > 0) {
      inside = false;
      i += space;
      continue;
    }
    if (!inside) count++;
    inside = true;
    i++;
  }
  return count;
}

/** The words themselves, as views. */
export function words(text: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  let start = -1;
  for (let i = 0; i < text.length; ) {
    const space = whiteSpaceAt(text, i);
    if (space > 0 && start >= 0) found.push(text.subarray(start, i));
    if (space > 0) start = -1;
    else if (start < 0) start = i;
    i += Math.max(space, 1);
  }
  if (start >= 0) found.push(text.subarray(start));
  return found;
}

/** LF-terminated lines, and a last one without LF if it is not empty. */
export function countLines(text: Uint8Array): number {
  let count = 0;
  for (const byte of text) if (byte === LF) count++;
  return text.length > 0 && text[text.length - 1] !== LF ? count + 1 : count;
}

/** Where valid UTF-8 (RFC 3629) ends: the length, or the offset of the first byte of the first malformed sequence. */
export function validUtf8Prefix(data: Uint8Array): number {
  let i = 0;
  while (i < data.length) {
    const size = sequenceAt(data, i);
    if (size === 0) return i;
    i += size;
  }
  return i;
}

function sequenceAt(data: Uint8Array, i: number): number {
  const a = data[i] ?? 0;
  if (a < 0x80) return 1;
  const b = data[i + 1] ?? 0;
  if (a >= 0xc2 && a <= 0xdf) return isTail(b) ? 2 : 0;
  const c = data[i + 2] ?? 0;
  if (a >= 0xe0 && a <= 0xef) {
    const low = a === 0xe0 ? 0xa0 : 0x80;
    const high = a === 0xed ? 0x9f : 0xbf;
    return b >= low && b <= high && isTail(c) ? 3 : 0;
  }
  if (a < 0xf0 || a > 0xf4) return 0;
  const low = a === 0xf0 ? 0x90 : 0x80;
  const high = a === 0xf4 ? 0x8f : 0xbf;
  return b >= low && b <= high && isTail(c) && isTail(data[i + 3] ?? 0) ? 4 : 0;
}

function isTail(byte: number): boolean {
  return byte >= 0x80 && byte <= 0xbf;
}
