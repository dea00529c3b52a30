/**
 * Cuts a template into text, outputs `{{ … }}`, tags `{% … %}` and comments `{# … #}`, and what stands in them into tokens. A `-` inside a brace
 * takes the white space beside it away; a backslash before braces makes them plain text, two make one backslash.
 */
import { WHITE_SPACE } from '../text.ts';

/** Thrown while a template is read: what is wrong, and where (offset in UTF-16 units). */
export class TemplateFault {
  readonly message: string;
  readonly offset: number;
  readonly expected: string | undefined;
  readonly hint: string | undefined;
  constructor(message: string, offset: number, more: { readonly expected?: string | undefined; readonly hint?: string | undefined } = {}) {
    this.message = message;
    this.offset = offset;
    this.expected = more.expected;
    this.hint = more.hint;
  }
}

export interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'sign';
  readonly text: string;
  readonly offset: number;
}

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output' | 'tag'; readonly tokens: readonly Token[]; readonly offset: number; readonly end: number };

const CLOSE: Readonly<Record<string, string>> = { '{{': '}}', '{%': '%}', '{#': '#}' };
/** What is plain text for programs that were compiled before templates had tags. */
const OUTPUTS_ONLY = /\{\{/g;
const ALL = /\{[{%#]/g;

function trimStart(text: string): string {
  let at = 0;
  while (at < text.length && WHITE_SPACE.includes(text.charCodeAt(at))) at++;
  return text.slice(at);
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && WHITE_SPACE.includes(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Takes the pinned white space away at both ends. */
export function trimWhite(text: string): string {
  return trimStart(trimEnd(text));
}

/** @param tags false: only outputs have a meaning. @throws TemplateFault. */
export function cutTemplate(source: string, tags: boolean): readonly Piece[] {
  const pieces: Piece[] = [];
  const opener = tags ? ALL : OUTPUTS_ONLY;
  let plain = '';
  let at = 0;
  let swallow = false;
  const take = (text: string): void => {
    plain += swallow ? trimStart(text) : text;
    if (text !== '') swallow = false;
  };
  const flush = (): void => {
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
  };
  for (;;) {
    opener.lastIndex = at;
    const open = opener.exec(source)?.index ?? -1;
    if (open < 0) break;
    let backslashes = 0;
    while (open - backslashes > at && source[open - backslashes - 1] === '\\') backslashes++;
    take(source.slice(at, open - backslashes) + '\\'.repeat(Math.floor(backslashes / 2)));
    const braces = source.slice(open, open + 2);
    if (backslashes % 2 === 1) {
      take(braces);
      at = open + 2;
      continue;
    }
    const left = source[open + 2] === '-';
    if (left) plain = trimEnd(plain);
    const inside = readInside(source, braces, open + (left ? 3 : 2), open);
    flush();
    if (braces !== '{#') pieces.push({ kind: braces === '{{' ? 'output' : 'tag', tokens: inside.tokens, offset: open, end: inside.end });
    swallow = inside.right;
    at = inside.end;
  }
  take(source.slice(at));
  flush();
  return pieces;
}

interface Inside {
  readonly tokens: readonly Token[];
  /** A `-` stands before the closing brace. */
  readonly right: boolean;
  /** Offset behind the closing brace. */
  readonly end: number;
}

function readInside(source: string, braces: string, from: number, open: number): Inside {
  const close = CLOSE[braces] ?? '}}';
  if (braces === '{#') {
    const end = source.indexOf(close, from);
    if (end < 0) throw unclosed(braces, close, open);
    return { tokens: [], right: end > from && source[end - 1] === '-', end: end + 2 };
  }
  const tokens: Token[] = [];
  let at = from;
  for (;;) {
    while (source[at] === ' ' || source[at] === '\t' || source[at] === '\n' || source[at] === '\r') at++;
    if (at >= source.length) throw unclosed(braces, close, open);
    if (source.startsWith(close, at)) return { tokens, right: false, end: at + 2 };
    if (source.startsWith(`-${close}`, at)) return { tokens, right: true, end: at + 3 };
    const token = readToken(source, at);
    if (token === undefined) {
      const end = source.indexOf(close, from);
      if (end < 0) throw unclosed(braces, close, open);
      throw new TemplateFault(`'${[...source.slice(at)][0] ?? ''}' has no meaning here`, at, {
        expected: '{{field}}, {{record.field}}, or an expression',
        hint: 'write \\{{ for braces that are plain text; templates hold no code, compute a field with `set` first',
      });
    }
    tokens.push(token.token);
    at = token.end;
  }
}

function unclosed(braces: string, close: string, open: number): TemplateFault {
  return new TemplateFault(`'${braces}' is never closed`, open, {
    expected: `'${close}' after it`,
    hint: `write \\${braces} for braces that are plain text`,
  });
}

/** Names of hidden fields begin with `$` and hold slashes; only operators that make templates write them. */
const NAME = /[A-Za-z_]\w*|\$[\w/-]+/y;
const NUMBER = /-?\d+(?:\.\d+)?(?![\w.])/y;
/** Those without a meaning too: the parser says better what is wrong. */
const SIGN = /==|!=|<=|>=|[^\s\w"'$]/uy;
const STRING = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy;

function readToken(source: string, at: number): { readonly token: Token; readonly end: number } | undefined {
  for (const [kind, pattern] of [
    ['name', NAME],
    ['string', STRING],
    ['number', NUMBER],
    ['sign', SIGN],
  ] as const) {
    pattern.lastIndex = at;
    const match = pattern.exec(source)?.[0];
    if (match === undefined) continue;
    const text = kind === 'string' ? unquote(match, at) : match;
    return { token: { kind, text, offset: at }, end: at + match.length };
  }
  return undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\', '"': '"', "'": "'" };

function unquote(quoted: string, at: number): string {
  return quoted.slice(1, -1).replaceAll(/\\(.)/gs, (all, escaped: string, offset: number) => {
    const plain = ESCAPES[escaped];
    if (plain === undefined) throw new TemplateFault(`'${all}' is no escape`, at + 1 + offset, { expected: '\\n, \\t, \\\\, \\" or \\\'' });
    return plain;
  });
}
