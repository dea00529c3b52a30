/**
 * The syntax of templates: a subset of Jinja without calls, assignments or arithmetic. Blocks stand here, expressions in `expression.ts`.
 * An unknown tag, an unclosed block and a stray word are faults with their place.
 */
import { nearest } from '#kernel';
import { barePath, type Expression, type Tag, TEMPLATE_DEPTH_LIMIT, wholeExpression, WORDS } from './expression.ts';
import type { Piece } from './tokens.ts';
import { cutTemplate, TemplateFault } from './tokens.ts';

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

const TAGS = ['if', 'elif', 'else', 'endif', 'for', 'endfor'];
/** @param tags false: only `{{…}}` has a meaning. @throws TemplateFault. */
export function parseTemplate(source: string, tags = true): readonly Node[] {
  return new Blocks(cutTemplate(source, tags)).document();
}

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
