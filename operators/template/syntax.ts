/**
 * The syntax of templates: a subset of Jinja without calls, assignments or arithmetic. Filters bind tightest, then comparisons, `not`, `and`, `or`.
 * An unknown tag, an unclosed block and a stray word are faults with their place.
 */
import { nearest } from '#kernel';
import type { Piece, Token } from './tokens.ts';
import { cutTemplate, TemplateFault } from './tokens.ts';

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export type Expression =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly Expression[]; readonly offset: number }
  | { readonly kind: 'path'; readonly path: string; readonly offset: number }
  | {
      readonly kind: 'filter';
      readonly name: string;
      readonly of: Expression;
      readonly args: readonly Expression[];
      readonly offset: number;
    }
  | {
      readonly kind: 'compare';
      readonly sign: Comparison;
      readonly left: Expression;
      readonly right: Expression;
      readonly offset: number;
    }
  | { readonly kind: 'isNone'; readonly of: Expression; readonly offset: number }
  | { readonly kind: 'not'; readonly of: Expression; readonly offset: number }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression; readonly offset: number };

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly { readonly when: Expression; readonly body: readonly Node[] }[];
      readonly otherwise: readonly Node[];
    }
  | {
      readonly kind: 'for';
      readonly name: string;
      readonly of: Expression;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
      readonly offset: number;
    };

/** Deepest nesting of blocks and of expressions. */
export const TEMPLATE_DEPTH_LIMIT = 32;
const TAGS = ['if', 'elif', 'else', 'endif', 'for', 'endfor'];
const WORDS = ['and', 'or', 'not', 'in', 'is', 'true', 'false', 'none', 'True', 'False', 'None', 'if', 'else', 'for'];
const SIGNS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];

/** @param tags false: only `{{…}}` has a meaning. @throws TemplateFault. */
export function parseTemplate(source: string, tags = true): readonly Node[] {
  return new Blocks(cutTemplate(source, tags)).document();
}

type Tag = Extract<Piece, { kind: 'tag' | 'output' }>;

class Blocks {
  private readonly pieces: readonly Piece[];
  private at = 0;

  constructor(pieces: readonly Piece[]) {
    this.pieces = pieces;
  }

  document(): readonly Node[] {
    const { body, end } = this.body(0);
    if (end === undefined) return body;
    throw new TemplateFault(`'{% ${end.word} %}' ends nothing`, end.tag.offset, { hint: 'a block begins with {% if … %} or {% for … %}' });
  }

  /** Nodes up to a tag that does not begin a block; that one is consumed and given back. */
  private body(depth: number): { body: Node[]; end: { tag: Tag; word: string } | undefined } {
    const body: Node[] = [];
    for (;;) {
      const piece = this.pieces[this.at++];
      if (piece === undefined) return { body, end: undefined };
      if (piece.kind === 'text') body.push({ kind: 'text', text: piece.text });
      else if (piece.kind === 'output') body.push({ kind: 'output', value: barePath(piece) ?? wholeExpression(piece, 0, depth) });
      else {
        const word = tagWord(piece);
        if (word !== 'if' && word !== 'for') return { body, end: { tag: piece, word } };
        if (depth >= TEMPLATE_DEPTH_LIMIT)
          throw new TemplateFault(`Blocks are nested deeper than ${TEMPLATE_DEPTH_LIMIT}`, piece.offset, { expected: 'fewer levels' });
        body.push(word === 'if' ? this.condition(piece, depth + 1) : this.loop(piece, depth + 1));
      }
    }
  }

  private condition(first: Tag, depth: number): Node {
    const branches: { when: Expression; body: readonly Node[] }[] = [];
    let when = wholeExpression(first, 1, depth);
    for (;;) {
      const { body, end } = this.body(depth);
      branches.push({ when, body });
      if (end === undefined) throw unclosedBlock('if', first);
      if (end.word === 'elif') {
        when = wholeExpression(end.tag, 1, depth);
        continue;
      }
      return { kind: 'if', branches, otherwise: this.otherwise('if', first, end, depth) };
    }
  }

  private loop(tag: Tag, depth: number): Node {
    const [, name, word] = tag.tokens;
    if (name?.kind !== 'name' || WORDS.includes(name.text) || name.text === 'loop' || word?.text !== 'in') {
      throw new TemplateFault('A loop needs a name and a list', name?.offset ?? tag.offset, { expected: '{% for item in list %}' });
    }
    const of = wholeExpression(tag, 3, depth);
    const { body, end } = this.body(depth);
    if (end === undefined) throw unclosedBlock('for', tag);
    return { kind: 'for', name: name.text, of, body, otherwise: this.otherwise('for', tag, end, depth), offset: name.offset };
  }

  /** What stands behind `{% else %}`, up to the end of the block. */
  private otherwise(kind: 'if' | 'for', first: Tag, end: { tag: Tag; word: string }, depth: number): readonly Node[] {
    const closing = `end${kind}`;
    const bare = ({ tag, word }: { tag: Tag; word: string }): void => {
      const more = tag.tokens[1];
      if (more !== undefined) throw new TemplateFault(`'${more.text}' has no meaning after '${word}'`, more.offset);
    };
    const wrong = ({ tag, word }: { tag: Tag; word: string }): TemplateFault =>
      new TemplateFault(`'{% ${word} %}' stands inside an open '{% ${kind} %}'`, tag.offset, { expected: `{% ${closing} %}` });
    if (end.word === 'else') {
      bare(end);
      const rest = this.body(depth);
      if (rest.end === undefined) throw unclosedBlock(kind, first);
      if (rest.end.word !== closing) throw wrong(rest.end);
      bare(rest.end);
      return rest.body;
    }
    if (end.word !== closing) throw wrong(end);
    bare(end);
    return [];
  }
}

function unclosedBlock(kind: string, tag: Tag): TemplateFault {
  return new TemplateFault(`'{% ${kind} %}' is never closed`, tag.offset, { expected: `{% end${kind} %} after it` });
}

function tagWord(tag: Tag): string {
  const [first] = tag.tokens;
  if (first?.kind === 'name' && TAGS.includes(first.text)) return first.text;
  const hint = nearest(first?.text ?? '', TAGS);
  throw new TemplateFault(
    first === undefined ? 'The tag is empty' : `There is no tag '${first.text}' in templates`,
    first?.offset ?? tag.offset,
    { expected: TAGS.join(', '), hint },
  );
}

/** A field may be called like a word of the language, as long as it stands alone. */
function barePath({ tokens }: Tag): Expression | undefined {
  const isPath =
    tokens.length % 2 === 1 && tokens.every(({ kind, text }, n) => (n % 2 === 0 ? kind === 'name' : text === '.' && kind === 'sign'));
  return isPath ? { kind: 'path', path: tokens.map((token) => token.text).join(''), offset: tokens[0]?.offset ?? 0 } : undefined;
}

function wholeExpression(tag: Tag, from: number, depth: number): Expression {
  const reader = new ExpressionReader(tag, from);
  const expression = reader.or(depth);
  reader.end();
  return expression;
}

class ExpressionReader {
  private readonly tag: Tag;
  private at: number;

  constructor(tag: Tag, from: number) {
    this.tag = tag;
    this.at = from;
  }

  end(): void {
    const token = this.peek();
    if (token === undefined) return;
    throw new TemplateFault(`'${token.text}' has no meaning here`, token.offset, {
      expected: 'a filter, a comparison, and, or, or the closing brace',
      hint: 'templates hold no code: compute a field with `set` first',
    });
  }

  private peek(): Token | undefined {
    return this.tag.tokens[this.at];
  }

  private word(...words: readonly string[]): Token | undefined {
    const token = this.peek();
    if (token === undefined || token.kind === 'string' || !words.includes(token.text)) return undefined;
    this.at++;
    return token;
  }

  private expect(sign: string): void {
    const token = this.peek();
    if (this.word(sign) === undefined)
      throw new TemplateFault(
        token === undefined ? `'${sign}' is missing` : `'${token.text}' stands where '${sign}' was expected`,
        this.place(),
      );
  }

  private place(): number {
    return this.peek()?.offset ?? this.tag.end - 2;
  }

  or(depth: number): Expression {
    let left = this.and(depth);
    for (let sign = this.word('or'); sign !== undefined; sign = this.word('or'))
      left = { kind: 'or', left, right: this.and(depth), offset: sign.offset };
    return left;
  }

  private and(depth: number): Expression {
    let left = this.not(depth);
    for (let sign = this.word('and'); sign !== undefined; sign = this.word('and'))
      left = { kind: 'and', left, right: this.not(depth), offset: sign.offset };
    return left;
  }

  private not(depth: number): Expression {
    if (depth > 2 * TEMPLATE_DEPTH_LIMIT) throw new TemplateFault('The expression is nested too deeply', this.place());
    const sign = this.word('not');
    return sign === undefined ? this.comparison(depth) : { kind: 'not', of: this.not(depth + 1), offset: sign.offset };
  }

  private comparison(depth: number): Expression {
    const left = this.filtered(depth);
    const is = this.word('is');
    if (is !== undefined) {
      const negated = this.word('not') !== undefined;
      const test = this.peek();
      if (this.word('none', 'None') === undefined)
        throw new TemplateFault(`'${test?.text ?? ''}' is no test`, this.place(), { expected: 'is none, is not none' });
      const none: Expression = { kind: 'isNone', of: left, offset: is.offset };
      return negated ? { kind: 'not', of: none, offset: is.offset } : none;
    }
    const sign = this.word(...SIGNS, 'in', 'not');
    if (sign === undefined) return left;
    if (sign.text === 'not') this.expect('in');
    const comparison = sign.text === 'not' ? 'not in' : (sign.text as Comparison);
    return { kind: 'compare', sign: comparison, left, right: this.filtered(depth), offset: sign.offset };
  }

  private filtered(depth: number): Expression {
    let value = this.primary(depth);
    while (this.word('|') !== undefined) {
      const name = this.peek();
      if (name?.kind !== 'name') throw new TemplateFault("After '|' the name of a filter was expected", this.place());
      this.at++;
      const args = this.word('(') === undefined ? [] : this.items(')', depth + 1);
      value = { kind: 'filter', name: name.text, of: value, args, offset: name.offset };
    }
    return value;
  }

  private items(close: string, depth: number): Expression[] {
    const items: Expression[] = [];
    if (this.word(close) !== undefined) return items;
    for (;;) {
      items.push(this.or(depth));
      if (this.word(close) !== undefined) return items;
      this.expect(',');
    }
  }

  private primary(depth: number): Expression {
    const token = this.peek();
    if (token === undefined) {
      throw new TemplateFault('A value is missing', this.place(), {
        expected: '{{field}}, {{record.field}}, or an expression',
        hint: 'write \\{{ for braces that are plain text',
      });
    }
    this.at++;
    const { offset } = token;
    if (token.kind === 'string') return { kind: 'literal', value: token.text, offset };
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text), offset };
    if (token.text === '(') {
      const inner = this.or(depth + 1);
      this.expect(')');
      return inner;
    }
    if (token.text === '[') return { kind: 'list', items: this.items(']', depth + 1), offset };
    if (token.kind !== 'name') throw new TemplateFault(`'${token.text}' stands where a value was expected`, offset);
    const lower = token.text.toLowerCase();
    if (lower === 'true' || lower === 'false') return { kind: 'literal', value: lower === 'true', offset };
    if (lower === 'none') return { kind: 'literal', value: null, offset };
    if (WORDS.includes(token.text)) throw new TemplateFault(`'${token.text}' stands where a value was expected`, offset);
    return { kind: 'path', path: token.text + this.inner(), offset };
  }

  /** `.name.name` behind the first name. */
  private inner(): string {
    let path = '';
    while (this.word('.') !== undefined) {
      const name = this.peek();
      if (name?.kind !== 'name') throw new TemplateFault('After the dot the name of a field was expected', this.place());
      this.at++;
      path += `.${name.text}`;
    }
    if (this.peek()?.text === '(' && this.peek()?.kind === 'sign')
      throw new TemplateFault('Templates can call nothing', this.place(), { hint: 'filters stand behind a bar: {{ name | upper }}' });
    return path;
  }
}
