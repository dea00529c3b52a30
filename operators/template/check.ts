/** Types of a template at compile time: missing fields, unknown filters and values that can't be compared are problems with line and column (law 10). */
import type { PlanContext, Schema } from '#kernel';
import { describeType, lookUpField } from '#kernel';
import { requiredType, rootOf } from '../fields.ts';
import type { Known } from './filters.ts';
import { FILTERS, hasTextForm } from './filters.ts';
import type { Expression } from './expression.ts';
import type { Node } from './syntax.ts';

/** Places of a template as people count them. */
export function placeIn(source: string, offset: number): string {
  const before = source.slice(0, offset);
  return `line ${before.split('\n').length}, column ${offset - before.lastIndexOf('\n')}`;
}

export interface TemplateCheck {
  readonly context: PlanContext;
  /** Parameter that holds the template. */
  readonly parameter: string;
  readonly source: string;
  /** The template is one that an operator made: it may name hidden fields. */
  readonly hidden: boolean;
}

const LOOP: Schema = [
  { name: 'index', type: 'long' },
  { name: 'index0', type: 'long' },
  { name: 'length', type: 'long' },
  { name: 'first', type: 'boolean' },
  { name: 'last', type: 'boolean' },
];

/** The fields that a template reads; undefined after reported problems. */
export function checkTemplate(nodes: readonly Node[], check: TemplateCheck): readonly string[] | undefined {
  const checker = new Checker(check);
  checker.nodes(nodes, []);
  return checker.good ? [...checker.roots] : undefined;
}

class Checker {
  readonly roots = new Set<string>();
  good = true;
  private readonly check: TemplateCheck;

  constructor(check: TemplateCheck) {
    this.check = check;
  }

  nodes(nodes: readonly Node[], scope: Schema): void {
    for (const node of nodes) {
      if (node.kind === 'output') this.output(node.value, scope);
      else if (node.kind === 'if') {
        for (const { when, body } of node.branches) {
          this.typeOf(when, scope);
          this.nodes(body, scope);
        }
        this.nodes(node.otherwise, scope);
      } else if (node.kind === 'for') this.loop(node, scope);
    }
  }

  private loop(node: Extract<Node, { kind: 'for' }>, scope: Schema): void {
    this.nodes(node.otherwise, scope);
    const type = this.typeOf(node.of, scope);
    if (type === undefined) return;
    const plain = type === 'none' ? type : requiredType(type);
    if (typeof plain !== 'object' || !('array' in plain)) {
      this.report(node.of, `A loop goes over a list, and this is ${wordsFor(type)}`, { expected: 'a list' });
      return;
    }
    const inner: Schema = [
      { name: node.name, type: plain.array },
      { name: 'loop', type: { record: LOOP } },
    ];
    this.nodes(node.body, [...inner, ...scope]);
  }

  private output(value: Expression, scope: Schema): void {
    const type = this.typeOf(value, scope);
    if (type === undefined || hasTextForm(type)) return;
    const shown = value.kind === 'path' ? `{{${value.path}}}` : 'The value';
    const plain = type === 'none' ? type : requiredType(type);
    const inner = typeof plain === 'object' && 'record' in plain ? plain.record[0]?.name : undefined;
    this.report(value, `${shown} is ${wordsFor(type)}, which has no text form`, {
      expected: 'string, long, double, boolean, or a list of these',
      ...(inner === undefined || value.kind !== 'path'
        ? { hint: 'write it as JSON: {{ … | tojson }}' }
        : { hint: `name a field inside it: {{${value.path}.${inner}}}, or write all of it as JSON: {{ ${value.path} | tojson }}` }),
    });
  }

  private report(
    at: Expression,
    message: string,
    more: { readonly expected?: string; readonly hint?: string | undefined } = {},
  ): undefined {
    const { context, parameter, source } = this.check;
    this.good = false;
    const { hint, ...rest } = more;
    context.problem(parameter, `${message} (${placeIn(source, at.offset)} of the template)`, hint === undefined ? rest : { ...rest, hint });
    return undefined;
  }

  private typeOf(expression: Expression, scope: Schema): Known | undefined {
    switch (expression.kind) {
      case 'literal':
        return literalType(expression.value);
      case 'list':
        return this.list(expression, scope);
      case 'path':
        return this.path(expression, scope);
      case 'filter':
        return this.filter(expression, scope);
      case 'compare':
        return this.comparison(expression, scope);
      case 'isNone':
      case 'not':
        return this.typeOf(expression.of, scope) === undefined ? undefined : 'boolean';
      case 'and':
      case 'or': {
        const sides = [this.typeOf(expression.left, scope), this.typeOf(expression.right, scope)];
        return sides.includes(undefined) ? undefined : 'boolean';
      }
    }
  }

  private list({ items, offset }: Extract<Expression, { kind: 'list' }>, scope: Schema): Known | undefined {
    const types = items.map((item) => this.typeOf(item, scope));
    if (types.includes(undefined)) return undefined;
    const [first = 'string'] = types;
    if (first === 'none' || types.some((type) => JSON.stringify(type) !== JSON.stringify(first)))
      return this.report({ kind: 'list', items, offset }, 'The elements of a list are of one type', {
        expected: 'all texts, all whole numbers, …',
      });
    return { array: first };
  }

  private path(expression: Extract<Expression, { kind: 'path' }>, scope: Schema): Known | undefined {
    const { path } = expression;
    const root = rootOf(path);
    const { context, parameter, source, hidden } = this.check;
    if (root.startsWith('$') && !hidden) return this.report(expression, "'$' has no meaning in a template");
    if (scope.some((field) => field.name === root)) {
      const found = lookUpField(scope, path);
      if ('type' in found) return found.type;
      const among = found.among.length === 0 ? {} : { expected: found.among.join(', ') };
      const hint = context.nearest(found.missing, found.among);
      return this.report(
        expression,
        `There is no '${found.missing}' in ${found.inside ?? root}`,
        hint === undefined ? among : { ...among, hint },
      );
    }
    const type = context.fieldType(path, parameter, `${placeIn(source, expression.offset)} of the template`);
    if (type === undefined) this.good = false;
    else this.roots.add(root);
    return type;
  }

  private filter(expression: Extract<Expression, { kind: 'filter' }>, scope: Schema): Known | undefined {
    const of = this.typeOf(expression.of, scope);
    const args = expression.args.map((arg) => this.typeOf(arg, scope));
    const filter = FILTERS.find(({ name }) => name === expression.name);
    if (filter === undefined) {
      const names = FILTERS.map(({ name }) => name);
      return this.report(expression, `There is no filter '${expression.name}'`, {
        expected: names.join(', '),
        hint: this.check.context.nearest(expression.name, names),
      });
    }
    const known = args.filter((arg) => arg !== undefined);
    if (of === undefined || known.length < args.length) return undefined;
    const [least, most] = filter.args;
    if (known.length < least || known.length > most) {
      const wanted = least === most ? `${least}` : `${least} to ${most}`;
      return this.report(expression, `The filter '${filter.name}' was given ${known.length} arguments`, { expected: wanted });
    }
    const result = filter.type(of, known);
    if (typeof result === 'object' && 'expected' in result)
      return this.report(expression, `The filter '${filter.name}' can't take ${wordsFor(of)}${argumentWords(known)}`, result);
    const mayBeNull = !filter.takesNull && isOptional(of) && result !== 'none' && !isOptional(result);
    return mayBeNull ? { optional: result } : result;
  }

  private comparison(expression: Extract<Expression, { kind: 'compare' }>, scope: Schema): Known | undefined {
    const left = this.typeOf(expression.left, scope);
    const right = this.typeOf(expression.right, scope);
    if (left === undefined || right === undefined) return undefined;
    const { sign } = expression;
    const fits = sign === 'in' || sign === 'not in' ? mayHold(right, left) : mayCompare(left, right, sign !== '==' && sign !== '!=');
    if (fits) return 'boolean';
    return this.report(expression, `'${sign}' can't compare ${wordsFor(left)} with ${wordsFor(right)}`, {
      expected:
        sign === 'in' || sign === 'not in'
          ? 'an element of a list, a part of a text, or a key of a map'
          : 'two texts, two numbers or two truth values',
    });
  }
}

function argumentWords(args: readonly Known[]): string {
  return args.length === 0 ? '' : ` with (${args.map(wordsFor).join(', ')})`;
}

function wordsFor(type: Known): string {
  return type === 'none' ? 'none' : describeType(type);
}

function isOptional(type: Known): boolean {
  return type === 'none' || (typeof type === 'object' && 'optional' in type);
}

function literalType(value: string | number | boolean | null): Known {
  if (value === null) return 'none';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'boolean';
  return Number.isInteger(value) ? 'long' : 'double';
}

/** Kinds whose values can be held against each other: numbers of both types are one kind. */
function kindOf(type: Known): string {
  const plain = type === 'none' ? type : requiredType(type);
  return plain === 'long' || plain === 'double' ? 'number' : typeof plain === 'string' ? plain : '';
}

function mayCompare(left: Known, right: Known, ordered: boolean): boolean {
  const kinds = [kindOf(left), kindOf(right)];
  if (kinds.includes('none')) return !ordered;
  if (kinds[0] !== kinds[1]) return false;
  return kinds[0] === 'string' || kinds[0] === 'number' || (kinds[0] === 'boolean' && !ordered);
}

function mayHold(container: Known, item: Known): boolean {
  const plain = container === 'none' ? container : requiredType(container);
  if (plain === 'string') return kindOf(item) === 'string';
  if (typeof plain !== 'object') return false;
  if ('array' in plain) return mayCompare(plain.array, item, false);
  return 'map' in plain && kindOf(item) === 'string';
}
