/** Text encodings, pinned: strict UTF-8 (RFC 3629), ISO 8859-1 (byte = code point), and windows-1252 as in the WHATWG Encoding Standard. */
import { isAscii } from 'node:buffer';
import { utf8 } from '#kernel';
import { validUtf8Prefix } from '../text.ts';

export const ENCODINGS = ['utf-8', 'latin1', 'windows-1252'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** WHATWG Encoding Standard, index-windows-1252: bytes 80–9F; all others are their own code points. */
const WINDOWS_1252 = [
  0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019,
  0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
];

const HIGH_1252 = WINDOWS_1252.map((codePoint) => utf8(String.fromCodePoint(codePoint)));

export type Decoded = { readonly text: Uint8Array } | { readonly malformedAt: number };

/** UTF-8 bytes of a text in the given encoding; a byte order mark is kept as U+FEFF. */
export function toUtf8(bytes: Uint8Array, encoding: Encoding): Decoded {
  if (encoding === 'utf-8') {
    const valid = validUtf8Prefix(bytes);
    return valid === bytes.length ? { text: bytes } : { malformedAt: valid };
  }
  if (isAscii(bytes)) return { text: bytes };
  const text = new Uint8Array(bytes.length * 3);
  let length = 0;
  for (const byte of bytes) {
    const mapped = encoding === 'windows-1252' ? HIGH_1252[byte - 0x80] : undefined;
    if (mapped !== undefined) {
      text.set(mapped, length);
      length += mapped.length;
    } else if (byte < 0x80) text[length++] = byte;
    else {
      text[length++] = 0xc0 | (byte >> 6);
      text[length++] = 0x80 | (byte & 0x3f);
    }
  }
  return { text: text.subarray(0, length) };
}
