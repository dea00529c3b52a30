/**
 * A strict JSON reader (RFC 8259 with the I-JSON rules of RFC 7493): JSON.parse keeps the last of two equal keys, rounds whole numbers
 * and takes lone surrogates, so two readers could see two values in the same signed bytes. This one refuses all of them (law 10).
 */
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import { JSON_DEPTH_LIMIT } from './jcs.ts';
import { tryUtf8 } from './sha256.ts';

/**
 * Reads one JSON text, whole. Keys named `__proto__` become plain own entries.
 * @throws BYTES_INVALID with line and column: bad syntax, duplicate key, lone surrogate, invalid UTF-8, a byte order mark, data after the
 * value, nesting beyond JSON_DEPTH_LIMIT, a number that is no finite double, a whole number beyond 2^53.
 */
export function parseStrictJson(text: string | Uint8Array): Json {
  const source = typeof text === 'string' ? text : tryUtf8(text);
  if (source === undefined) throw new MizuError('BYTES_INVALID', 'JSON: the bytes are not UTF-8');
  return new JsonParser(source).document();
}

/** RFC 8259 section 7: everything but quote, backslash and control characters. */
const PLAIN_TEXT = /(?:[ !]|[#-[]|[\]-\uffff])*/y;
/** What ends a run of PLAIN_TEXT, but for the quote. */
const NOT_PLAIN = /[^ -[\]-\uffff]/;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

class JsonParser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): Json {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) throw this.error('data after the value');
    return value;
  }

  private error(what: string): MizuError {
    const before = this.text.slice(0, this.at);
    const line = before.split('\n').length;
    const column = this.at - before.lastIndexOf('\n');
    const found = this.at < this.text.length ? `, at '${this.text.slice(this.at, this.at + 20)}'` : ', at the end';
    return new MizuError('BYTES_INVALID', `JSON: ${what} (line ${line}, column ${column}${found})`);
  }

  private space(): void {
    for (;;) {
      const unit = this.text.charCodeAt(this.at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.at++;
    }
  }

  private value(depth: number): Json {
    this.space();
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth);
      case '[':
        return this.array(depth);
      case '"':
        return this.string();
      case 't':
        return this.word('true', true);
      case 'f':
        return this.word('false', false);
      case 'n':
        return this.word('null', null);
      default:
        return this.number();
    }
  }

  private word<T extends Json>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.error('a value was expected');
    this.at += word.length;
    return value;
  }

  private number(): number {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) throw this.error('a value was expected');
    const value = Number(match[0]);
    if (!Number.isFinite(value)) throw this.error('the number is too large');
    const whole = match[1] === undefined && match[2] === undefined;
    if (whole && !Number.isSafeInteger(value)) throw this.error('a whole number beyond 2^53 has no exact value');
    this.at += match[0].length;
    return value;
  }

  private enter(depth: number): void {
    if (depth >= JSON_DEPTH_LIMIT) throw this.error(`nested deeper than ${JSON_DEPTH_LIMIT}`);
    this.at++;
    this.space();
  }

  /** After an item: true if another one follows, false at the closing character. */
  private more(close: string): boolean {
    this.space();
    const unit = this.text[this.at];
    if (unit !== ',' && unit !== close) throw this.error(`',' or '${close}' was expected`);
    this.at++;
    return unit === ',';
  }

  private array(depth: number): Json[] {
    this.enter(depth);
    const items: Json[] = [];
    if (this.text[this.at] === ']') {
      this.at++;
      return items;
    }
    do items.push(this.value(depth + 1));
    while (this.more(']'));
    return items;
  }

  private object(depth: number): { readonly [key: string]: Json } {
    this.enter(depth);
    const entries: Record<string, Json> = {};
    if (this.text[this.at] === '}') {
      this.at++;
      return entries;
    }
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.error('a key in double quotes was expected');
      const start = this.at;
      const key = this.string();
      if (Object.hasOwn(entries, key)) {
        this.at = start;
        throw this.error('this key stands twice in one object');
      }
      this.space();
      if (this.text[this.at] !== ':') throw this.error("':' was expected");
      this.at++;
      setOwn(entries, key, this.value(depth + 1));
    } while (this.more('}'));
    return entries;
  }

  private string(): string {
    const plain = this.plainString();
    if (plain !== undefined) return plain;
    const start = this.at;
    this.at++;
    let out = '';
    for (;;) {
      PLAIN_TEXT.lastIndex = this.at;
      const plain = PLAIN_TEXT.exec(this.text)?.[0] ?? '';
      out += plain;
      this.at += plain.length;
      const unit = this.text[this.at];
      if (unit === '"') break;
      if (unit !== '\\') throw this.error(unit === undefined ? 'the text has no end' : 'control characters must be escaped');
      out += this.escape();
    }
    this.at++;
    if (!out.isWellFormed()) {
      this.at = start;
      throw this.error('the text holds a lone surrogate');
    }
    return out;
  }

  /** A text that holds nothing to be unescaped or refused, as nearly all are: found by its end. */
  private plainString(): string | undefined {
    const end = this.text.indexOf('"', this.at + 1);
    if (end < 0) return undefined;
    const text = this.text.slice(this.at + 1, end);
    if (NOT_PLAIN.test(text) || !text.isWellFormed()) return undefined;
    this.at = end + 1;
    return text;
  }

  private escape(): string {
    const unit = this.text[this.at + 1];
    if (unit === 'u') {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.error('four hexadecimal digits were expected after \\u');
      this.at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const known = unit === undefined ? undefined : ESCAPES[unit];
    if (known === undefined || unit === undefined) throw this.error('no such escape');
    this.at += 2;
    return known;
  }
}

/** Sets an own entry, whatever its name: `__proto__` must not touch the prototype. */
export function setOwn<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}
