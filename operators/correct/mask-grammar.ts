/**
 * The forms that `mask` finds, as byte scanners. "Word byte" is [A-Za-z0-9_] or any byte of a non-ASCII character.
 *
 *   email  = local "@" label *("." label);  local = 1*[A-Za-z0-9._%+-], not starting with "."
 *            label = [A-Za-z0-9-]+ not starting or ending with "-"; at least two labels; the longest list whose last is 2+ letters.
 *   ipv4   = four of 1–3 digits ≤ 255 joined by "."; no word byte and no digit-dot or dot-digit beside it; globally reachable.
 *   ipv6   = RFC 4291 section 2.2 text in [0-9A-Fa-f:.], no word byte or ":" beside it, inside 2000::/3 without the
 *            documentation ranges 2001:db8::/32 and 3fff::/20.
 *   phone  = "+" then 8–15 digits, between two digits any of: one space, ".", "-", "(" , ")" or a parenthesis with one space;
 *          | ["1" sep] "(" 3 digits ")" [" "] 3 digits sep 4 digits | ["1" sep] 3 digits sep 3 digits same-sep 4 digits; sep = one of " ", ".", "-";
 *            no word byte, "+" or digit-hyphen beside it.
 *
 * E-mails win over addresses, addresses over phones; the leftmost match wins, and a match is never inside another.
 */

export type MaskKind = 'email' | 'ip' | 'phone';
export const MASK_KINDS: readonly MaskKind[] = ['email', 'ip', 'phone'];

export interface Span {
  readonly kind: MaskKind;
  readonly start: number;
  readonly end: number;
}

const AT = 0x40;
const DOT = 0x2e;
const HYPHEN = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const SPACE = 0x20;
const OPEN = 0x28;
const CLOSE = 0x29;
const ONE = 0x31;

const DIGIT = 1;
const LETTER = 2;
const HEX = 4;
const LOCAL = 8;
const WORD = 16;

const CLASS = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const digit = byte >= 0x30 && byte <= 0x39;
  const letter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
  const hex = digit || (letter && (byte | 0x20) <= 0x66);
  const local = digit || letter || '._%+-'.includes(String.fromCharCode(byte));
  CLASS[byte] =
    (digit ? DIGIT : 0) |
    (letter ? LETTER : 0) |
    (hex ? HEX : 0) |
    (local ? LOCAL : 0) |
    (digit || letter || byte === 0x5f || byte > 0x7f ? WORD : 0);
}

const is = (text: Uint8Array, at: number, kind: number): boolean =>
  at >= 0 && at < text.length && ((CLASS[text[at] ?? 0] ?? 0) & kind) !== 0;

/** All matches of the given kinds, ascending and apart from each other. */
export function findPersonalData(text: Uint8Array, kinds: readonly MaskKind[]): readonly Span[] {
  const emails = kinds.includes('email') ? findEmails(text) : [];
  if (!kinds.includes('ip') && !kinds.includes('phone')) return emails;
  const spans: Span[] = [];
  let from = 0;
  for (const email of emails) {
    findNumbers(text, from, email.start, kinds, spans);
    spans.push(email);
    from = email.end;
  }
  findNumbers(text, from, text.length, kinds, spans);
  return spans;
}

function findEmails(text: Uint8Array): readonly Span[] {
  const spans: Span[] = [];
  let last = 0;
  for (let at = text.indexOf(AT); at >= 0; at = text.indexOf(AT, at + 1)) {
    let start = at;
    while (start > last && is(text, start - 1, LOCAL)) start--;
    while (start < at && text[start] === DOT) start++;
    const end = start === at ? 0 : endOfDomain(text, at + 1);
    if (end === 0) continue;
    spans.push({ kind: 'email', start, end });
    last = end;
  }
  return spans;
}

/** End of the longest list of labels whose last is two or more letters; 0 if there is none. */
function endOfDomain(text: Uint8Array, start: number): number {
  let good = 0;
  let at = start;
  for (let labels = 1; ; labels++) {
    const from = at;
    let letters = true;
    while (is(text, at, DIGIT | LETTER) || text[at] === HYPHEN) {
      if (!is(text, at, LETTER)) letters = false;
      at++;
    }
    let end = at;
    while (end > from && text[end - 1] === HYPHEN) end--;
    if (end === from || text[from] === HYPHEN) return good;
    if (labels >= 2 && end - from >= 2 && letters && end === at) good = end;
    if (end !== at || text[at] !== DOT) return good;
    at++;
  }
}

/** Addresses and phones in [from, to). */
function findNumbers(text: Uint8Array, from: number, to: number, kinds: readonly MaskKind[], spans: Span[]): void {
  const view = text.subarray(0, to);
  const withIp = kinds.includes('ip');
  const withPhone = kinds.includes('phone');
  let at = from;
  while (at < to) {
    const byte = view[at] ?? 0;
    const kind = CLASS[byte] ?? 0;
    if ((kind & HEX) === 0 && byte !== PLUS && byte !== COLON && byte !== OPEN) {
      at++;
      continue;
    }
    const fresh = at === from || !is(view, at - 1, WORD);
    let end = 0;
    if (fresh && withIp) end = endOfIp(view, at, from);
    if (end > 0) spans.push({ kind: 'ip', start: at, end });
    else if (fresh && withPhone) {
      end = endOfPhone(view, at, from);
      if (end > 0) spans.push({ kind: 'phone', start: at, end });
    }
    if (end > 0) at = end;
    else at = skipRun(view, at);
  }
}

/** Past this byte and the word bytes that follow it: nothing starts inside a word. */
function skipRun(text: Uint8Array, at: number): number {
  let next = at + 1;
  if (is(text, at, WORD)) while (is(text, next, WORD)) next++;
  return next;
}

function endOfIp(text: Uint8Array, at: number, from: number): number {
  const before = at > from ? text[at - 1] : undefined;
  if (before === COLON || (before === DOT && is(text, at - 2, DIGIT))) return 0;
  if (is(text, at, DIGIT)) {
    const end = endOfIpv4(text, at);
    if (end > 0) return end;
  }
  return is(text, at, HEX) || text[at] === COLON ? endOfIpv6(text, at) : 0;
}

function endOfIpv4(text: Uint8Array, start: number): number {
  const parts: number[] = [];
  let at = start;
  for (;;) {
    let value = 0;
    const from = at;
    while (is(text, at, DIGIT) && at - from < 3) value = value * 10 + (text[at++] ?? 0) - 0x30;
    if (at === from || value > 255) return 0;
    parts.push(value);
    if (parts.length === 4) break;
    if (text[at++] !== DOT) return 0;
  }
  if (is(text, at, WORD) || (text[at] === DOT && is(text, at + 1, DIGIT))) return 0;
  const [a = 0, b = 0, c = 0] = parts;
  return isPublicIpv4(a, b, c) ? at : 0;
}

/** IANA IPv4 Special-Purpose Address Registry: what is not globally reachable, and multicast and reserved space. */
function isPublicIpv4(a: number, b: number, c: number): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  if (a === 100) return b < 64 || b > 127;
  if (a === 169) return b !== 254;
  if (a === 172) return b < 16 || b > 31;
  if (a === 192) return !(b === 168 || (b === 0 && (c === 0 || c === 2)));
  if (a === 198) return !(b === 18 || b === 19 || (b === 51 && c === 100));
  return !(a === 203 && b === 0 && c === 113);
}

/** Longest text form of IPv6: eight groups, the last two as IPv4. */
const IPV6_TEXT_LIMIT = 45;

function endOfIpv6(text: Uint8Array, start: number): number {
  let end = start;
  let colons = 0;
  while (end < text.length && end - start <= IPV6_TEXT_LIMIT && (is(text, end, HEX) || text[end] === COLON || text[end] === DOT)) {
    if (text[end] === COLON) colons++;
    end++;
  }
  if (colons < 2 || end - start > IPV6_TEXT_LIMIT || is(text, end, WORD)) return 0;
  while (text[end - 1] === DOT || (text[end - 1] === COLON && text[end - 2] !== COLON)) end--;
  const groups = ipv6Groups(String.fromCharCode(...text.subarray(start, end)));
  return groups !== undefined && isPublicIpv6(groups) ? end : 0;
}

function isPublicIpv6([a = 0, b = 0]: readonly number[]): boolean {
  return a >= 0x2000 && a <= 0x3fff && !(a === 0x2001 && b === 0xdb8) && !(a === 0x3fff && b <= 0xfff);
}

/** The eight groups of an RFC 4291 text form; undefined when it is none. */
export function ipv6Groups(address: string): readonly number[] | undefined {
  const halves = address.split('::');
  if (halves.length > 2) return undefined;
  const sides = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  const [left, right = []] = sides;
  if (left === undefined || sides.includes(undefined)) return undefined;
  if (halves.length === 1) return left.length === 8 ? left : undefined;
  const missing = 8 - left.length - right.length;
  return missing < 1 ? undefined : [...left, ...Array.from({ length: missing }, () => 0), ...right];
}

function groupsOf(half: string, last: boolean): readonly number[] | undefined {
  if (half === '') return [];
  const groups: number[] = [];
  const words = half.split(':');
  for (const [index, word] of words.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(word)) {
      groups.push(Number.parseInt(word, 16));
      continue;
    }
    const quad =
      last && index === words.length - 1 ? /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(word)?.slice(1).map(Number) : undefined;
    if (quad === undefined || quad.some((part) => part > 255)) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = quad;
    groups.push(a * 256 + b, c * 256 + d);
  }
  return groups;
}

function endOfPhone(text: Uint8Array, at: number, from: number): number {
  const before = at > from ? text[at - 1] : undefined;
  if (before === PLUS || ((before === HYPHEN || before === DOT) && is(text, at - 2, DIGIT))) return 0;
  const end = text[at] === PLUS ? endOfInternational(text, at + 1) : endOfNorthAmerican(text, at);
  if (end === 0 || is(text, end, WORD) || (text[end] === HYPHEN && is(text, end + 1, DIGIT))) return 0;
  return end;
}

function endOfInternational(text: Uint8Array, start: number): number {
  let digits = 0;
  let end = 0;
  let at = start;
  while (at < text.length) {
    if (is(text, at, DIGIT)) {
      if (++digits > 15) return 0;
      end = ++at;
      continue;
    }
    const next = digits === 0 ? at : pastSeparator(text, at);
    if (next === at || !is(text, next, DIGIT)) break;
    at = next;
  }
  return digits >= 8 ? end : 0;
}

/** Past one space, dot, hyphen or parenthesis; a parenthesis may have one space beside it, on its outer side. */
function pastSeparator(text: Uint8Array, at: number): number {
  const byte = text[at];
  if (byte === OPEN) return at + 1;
  if (byte === CLOSE) return text[at + 1] === SPACE || text[at + 1] === HYPHEN ? at + 2 : at + 1;
  if (byte === SPACE) return text[at + 1] === OPEN ? at + 2 : at + 1;
  return byte === DOT || byte === HYPHEN ? at + 1 : at;
}

function endOfNorthAmerican(text: Uint8Array, start: number): number {
  let at = start;
  if (text[at] === ONE && isSeparator(text[at + 1])) at += 2;
  if (text[at] === OPEN) {
    if (!hasDigits(text, at + 1, 3) || text[at + 4] !== CLOSE) return 0;
    at += text[at + 5] === SPACE ? 6 : 5;
    return hasDigits(text, at, 3) && isSeparator(text[at + 3]) && hasDigits(text, at + 4, 4) ? at + 8 : 0;
  }
  const separator = text[at + 3];
  if (!isSeparator(separator) || text[at + 7] !== separator) return 0;
  return hasDigits(text, at, 3) && hasDigits(text, at + 4, 3) && hasDigits(text, at + 8, 4) ? at + 12 : 0;
}

function isSeparator(byte: number | undefined): boolean {
  return byte === SPACE || byte === DOT || byte === HYPHEN;
}

function hasDigits(text: Uint8Array, at: number, count: number): boolean {
  for (let i = at; i < at + count; i++) if (!is(text, i, DIGIT)) return false;
  return true;
}
