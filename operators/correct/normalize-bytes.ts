/** `normalize` byte by byte, for any form and any text; `normalize-vectors.ts` does the same to most texts in less time. */
import { SPACE, whiteSpaceAt } from '../text.ts';

/** What changes in a text. */
export interface Form {
  /** The first of the 26 ASCII letters whose case changes; undefined: none changes. */
  readonly firstLetter: number | undefined;
  readonly whitespace: 'ascii' | 'unicode' | undefined;
}

/**
 * Writes what becomes of the text in `from` between `start` and `end` into `to` from `at` on, and gives its length; UNCHANGED when nothing changes.
 * It is never longer than the text, for which there must be room.
 */
export type Change = (from: Uint8Array, start: number, end: number, to: Uint8Array, at: number) => number;

export const UNCHANGED = -1;
export const LETTERS = 26;
/** Between upper and lower case of an ASCII letter. */
export const CASE_BIT = 0x20;

const WHITE_BIT = 8;
const WHITE = 1 << WHITE_BIT;

export function changeBytes(form: Form): Change {
  const codes = codesOf(form);
  return (from, start, end, to, at) => changeByCodes(from, start, end, codes, form.whitespace, to, at);
}

/** Every byte is written, and white space after white space just does not move the place, so that the loop has no branch to mispredict. */
function changeByCodes(
  from: Uint8Array,
  start: number,
  end: number,
  codes: Uint16Array,
  whitespace: Form['whitespace'],
  to: Uint8Array,
  at: number,
): number {
  const isWide = whitespace === 'unicode';
  let place = at;
  let afterWhite = 1;
  let changed = 0;
  for (let i = start; i < end; i++) {
    const byte = from[i] as number;
    const size = isWide && byte >= 0x80 ? whiteSpaceAt(from, i) : 0;
    const code = size > 0 ? WHITE | SPACE : (codes[byte] as number);
    if (size > 0) i += size - 1;
    const white = code >> WHITE_BIT;
    to[place] = code;
    changed |= byte ^ code;
    place += 1 - (white & afterWhite);
    afterWhite = white;
  }
  if (whitespace !== undefined && afterWhite === 1 && place > at) place--;
  return (changed & 0xff) === 0 && place - at === end - start ? UNCHANGED : place - at;
}

/** What each byte becomes, with WHITE where it is white space. */
function codesOf({ firstLetter, whitespace }: Form): Uint16Array {
  const codes = Uint16Array.from({ length: 256 }, (_, byte) => byte);
  if (firstLetter !== undefined) for (let n = 0; n < LETTERS; n++) codes[firstLetter + n] = (firstLetter + n) ^ CASE_BIT;
  if (whitespace !== undefined) for (const byte of [0x09, 0x0a, 0x0b, 0x0c, 0x0d, SPACE]) codes[byte] = WHITE | SPACE;
  return codes;
}
