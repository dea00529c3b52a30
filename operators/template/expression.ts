/** Expressions inside the braces of a template. Filters bind tightest, then comparisons, `not`, `and`, `or`. */
import type { Piece, Token } from './tokens.ts';
import { TemplateFault } from './tokens.ts';

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

/** Deepest nesting of blocks and of expressions. */
export const TEMPLATE_DEPTH_LIMIT = 32;
export const WORDS = ['and', 'or', 'not', 'in', 'is', 'true', 'false', 'none', 'True', 'False', 'None', 'if', 'else', 'for'];
const SIGNS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];

/** What stands between braces. */
export type Tag = Extract<Piece, { kind: 'tag' | 'output' }>;

/** A field may be called like a word of the language, as long as it stands alone. */
export function barePath({ tokens }: Tag): Expression | undefined {
  const isPath =
    tokens.length % 2 === 1 && tokens.every(({ kind, text }, n) => (n % 2 === 0 ? kind === 'name' : text === '.' && kind === 'sign'));
  return isPath ? { kind: 'path', path: tokens.map((token) => token.text).join(''), offset: tokens[0]?.offset ?? 0 } : undefined;
}

/** From a token of the tag to its end. @throws TemplateFault. */
export function wholeExpression(tag: Tag, from: number, depth: number): Expression {
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
