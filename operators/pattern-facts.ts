/**
 * What is true of every match of a pattern, read from its source, so that the automaton sees little text: texts that each match contains, and
 * the ASCII characters of which each match consists. A match then lies within one run of those characters, and only runs with the text in them
 * need be searched. Knows the common part of RE2's syntax without assertions and flags; of any other pattern it says nothing.
 */

export interface PatternFacts {
  /** ASCII text that every match contains: the longest known, the first of equals. */
  readonly literal: string;
  /** 1 for each byte that a match may hold. */
  readonly alphabet: Uint8Array;
}

/** Facts of a pattern that RE2 accepts; undefined when it uses syntax not known here, or no text is sure to be in a match. */
export function patternFacts(pattern: string): PatternFacts | undefined {
  const reader = new FactReader(pattern);
  const literals = reader.whole();
  if (literals === undefined) return undefined;
  const literal = literals.reduce((best, text) => (text.length > best.length ? text : best), '');
  return literal === '' ? undefined : { literal, alphabet: reader.alphabet };
}

/** One item of a sequence: the characters it stands for, if it is a single literal one, and texts that it surely contains. */
interface Item {
  readonly character: string | undefined;
  readonly literals: readonly string[];
}

const CLASS_ESCAPES: Readonly<Record<string, string>> = { d: '0-9', w: '0-9A-Za-z_', s: '\t\n\f\r ' };
const CHARACTER_ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v' };
const QUANTIFIER = /(?:([*+?])|\{(\d+)(?:,(\d*))?\})\??/y;
/** Openings of groups that only group or capture. */
const GROUP_OPENING = /\((?:\?:|\?P?<\w+>)?(?!\?)/y;

class FactReader {
  readonly alphabet = new Uint8Array(256);
  private readonly source: string;
  private at = 0;
  private known = true;

  constructor(source: string) {
    this.source = source;
  }

  whole(): readonly string[] | undefined {
    const literals = this.alternatives();
    return this.known && this.at === this.source.length ? literals : undefined;
  }

  /** Of several alternatives nothing is sure. */
  private alternatives(): readonly string[] {
    const first = this.sequence();
    let only = true;
    while (this.known && this.source[this.at] === '|') {
      this.at++;
      this.sequence();
      only = false;
    }
    return only ? first : [];
  }

  private sequence(): readonly string[] {
    const literals: string[] = [];
    let run = '';
    while (this.known && this.at < this.source.length && !'|)'.includes(this.source[this.at] ?? '')) {
      const item = this.item();
      const times = this.times();
      if (item.character !== undefined && times === 'once') {
        run += item.character;
        continue;
      }
      if (item.character !== undefined && times === 'least-once') literals.push(run + item.character);
      else literals.push(run);
      run = '';
      if (times !== 'maybe') literals.push(...item.literals);
    }
    literals.push(run);
    return literals;
  }

  private times(): 'once' | 'least-once' | 'maybe' {
    QUANTIFIER.lastIndex = this.at;
    const match = QUANTIFIER.exec(this.source);
    if (match === null) return 'once';
    this.at += match[0].length;
    const [, sign, least] = match;
    return sign === '+' || Number(least ?? 0) > 0 ? 'least-once' : 'maybe';
  }

  private item(): Item {
    const unit = this.source[this.at] ?? '';
    if (unit === '(') return { character: undefined, literals: this.group() };
    if (unit === '[') return this.characterClass();
    if (unit === '\\') return this.escape();
    if ('.^$*+?{}'.includes(unit) || unit > '\x7f') return this.unknown();
    this.at++;
    return this.single(unit);
  }

  private group(): readonly string[] {
    GROUP_OPENING.lastIndex = this.at;
    const match = GROUP_OPENING.exec(this.source);
    if (match === null) return this.unknown().literals;
    this.at += match[0].length;
    const literals = this.alternatives();
    if (this.source[this.at] !== ')') return this.unknown().literals;
    this.at++;
    return literals;
  }

  private characterClass(): Item {
    const end = this.source.indexOf(']', this.at + 2);
    const body = end < 0 ? '' : this.source.slice(this.at + 1, end);
    // Negated and named classes, escapes and what is not ASCII are left to the automaton.
    if (body === '' || body.startsWith('^') || /[\\[\u0080-\uffff]/.test(body)) return this.unknown();
    this.at = end + 1;
    this.allow(body);
    return { character: undefined, literals: [] };
  }

  private escape(): Item {
    const unit = this.source[this.at + 1] ?? '';
    this.at += 2;
    const classBody = CLASS_ESCAPES[unit];
    if (classBody !== undefined) {
      this.allow(classBody);
      return { character: undefined, literals: [] };
    }
    const character = CHARACTER_ESCAPES[unit] ?? (/[!-/:-@[-`{-~]/.test(unit) ? unit : undefined);
    return character === undefined ? this.unknown() : this.single(character);
  }

  private single(character: string): Item {
    this.alphabet[character.charCodeAt(0)] = 1;
    return { character, literals: [] };
  }

  /** Marks characters and ranges as in a class. */
  private allow(body: string): void {
    for (let i = 0; i < body.length; i++) {
      const from = body.charCodeAt(i);
      const isRange = body[i + 1] === '-' && i + 2 < body.length;
      const to = isRange ? body.charCodeAt(i + 2) : from;
      for (let code = from; code <= to; code++) this.alphabet[code] = 1;
      if (isRange) i += 2;
    }
  }

  private unknown(): Item {
    this.known = false;
    return { character: undefined, literals: [] };
  }
}
