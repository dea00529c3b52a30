/**
 * Writes a checked template for one record. Evaluation is counted in steps, and by the text it makes, so that nested loops over a record's lists
 * end within named limits and fail that record only (laws 6, 11).
 */
import type { BlockView, Value } from '#kernel';
import { MizuError } from '#kernel';
import { isRow, readPath, readRowPath, rootOf } from '../fields.ts';
import { FILTERS, isTrue, textOf } from './filters.ts';
import type { Comparison, Expression } from './expression.ts';
import type { Node } from './syntax.ts';

/** Longest text that a template with tags or filters may make of one record, UTF-16 units. */
export const TEMPLATE_OUTPUT_LIMIT = 4_194_304;
/** Most steps of one record: nodes that are evaluated, and one more for each 64 UTF-16 units of a text that a filter or comparison takes. */
export const TEMPLATE_STEP_LIMIT = 100_000;
const STEP_UNITS = 64;

/** Thrown while a template is written: the record fails with this code. */
export class TemplateStop {
  readonly code: string;
  readonly message: string;
  constructor(code: string, message: string) {
    this.code = code;
    this.message = message;
  }
}

export interface Rendering {
  readonly view: BlockView;
  readonly row: number;
  /** Counts against the limits; false for a template of outputs alone, whose size follows from its record. */
  readonly limited: boolean;
  out: string;
  steps: number;
}

interface Scope {
  readonly name: string;
  readonly value: Value;
  readonly loop: { readonly [key: string]: Value };
  readonly above: Scope | undefined;
}

type Evaluate = (rendering: Rendering, scope: Scope | undefined) => Value;
type Write = (rendering: Rendering, scope: Scope | undefined) => void;

/** @throws TemplateStop while it writes. */
export function compileNodes(nodes: readonly Node[]): Write {
  const writes = nodes.map(compileNode);
  return (rendering, scope) => {
    for (const write of writes) write(rendering, scope);
  };
}

function compileNode(node: Node): Write {
  switch (node.kind) {
    case 'text':
      return (rendering) => put(rendering, node.text);
    case 'output':
      return compileOutput(node.value);
    case 'if': {
      const branches = node.branches.map(({ when, body }) => ({ when: compile(when), body: compileNodes(body) }));
      const otherwise = compileNodes(node.otherwise);
      return (rendering, scope) => {
        const branch = branches.find(({ when }) => isTrue(when(rendering, scope)));
        (branch?.body ?? otherwise)(rendering, scope);
      };
    }
    case 'for':
      return compileLoop(node);
  }
}

function compileOutput(value: Expression): Write {
  const evaluate = compile(value);
  const named = value.kind === 'path' ? `'${value.path}'` : 'the value';
  return (rendering, scope) => {
    const text = textOf(evaluate(rendering, scope));
    if (text === undefined) throw new TemplateStop('NULL_IN_TEMPLATE', `${named} is null, and the template has no text for that`);
    put(rendering, text);
  };
}

function compileLoop(node: Extract<Node, { kind: 'for' }>): Write {
  const of = compile(node.of);
  const body = compileNodes(node.body);
  const otherwise = compileNodes(node.otherwise);
  return (rendering, scope) => {
    const list = of(rendering, scope);
    if (!Array.isArray(list) || list.length === 0) return otherwise(rendering, scope);
    const { length } = list;
    list.forEach((value: Value, n) => {
      count(rendering, 1);
      const loop = { index: n + 1, index0: n, length, first: n === 0, last: n === length - 1 };
      body(rendering, { name: node.name, value, loop, above: scope });
    });
  };
}

function put(rendering: Rendering, text: string): void {
  rendering.out += text;
  if (rendering.limited && rendering.out.length > TEMPLATE_OUTPUT_LIMIT)
    throw new TemplateStop('TEMPLATE_TOO_LARGE', `the text is longer than ${TEMPLATE_OUTPUT_LIMIT} characters`);
}

function count(rendering: Rendering, steps: number): void {
  rendering.steps += steps;
  if (rendering.limited && rendering.steps > TEMPLATE_STEP_LIMIT)
    throw new TemplateStop('TEMPLATE_TOO_LONG', `the template took more than ${TEMPLATE_STEP_LIMIT} steps for this record`);
}

function sizeSteps(value: Value): number {
  if (typeof value === 'string') return Math.ceil(value.length / STEP_UNITS);
  if (Array.isArray(value)) return value.reduce((sum: number, element: Value) => sum + 1 + sizeSteps(element), 0);
  return isRow(value) ? Object.values(value).reduce((sum: number, element) => sum + 1 + sizeSteps(element), 0) : 0;
}

function compile(expression: Expression): Evaluate {
  const evaluate = compileKind(expression);
  return (rendering, scope) => {
    count(rendering, 1);
    return evaluate(rendering, scope);
  };
}

function compileKind(expression: Expression): Evaluate {
  switch (expression.kind) {
    case 'literal':
      return () => expression.value;
    case 'list': {
      const items = expression.items.map(compile);
      return (rendering, scope) => items.map((item) => item(rendering, scope));
    }
    case 'path':
      return compilePath(expression.path);
    case 'filter':
      return compileFilter(expression);
    case 'compare':
      return compileComparison(expression);
    case 'isNone': {
      const of = compile(expression.of);
      return (rendering, scope) => of(rendering, scope) === null;
    }
    case 'not': {
      const of = compile(expression.of);
      return (rendering, scope) => !isTrue(of(rendering, scope));
    }
    case 'and':
    case 'or': {
      const left = compile(expression.left);
      const right = compile(expression.right);
      const { kind } = expression;
      return (rendering, scope) => {
        const first = isTrue(left(rendering, scope));
        return first === (kind === 'or') ? first : isTrue(right(rendering, scope));
      };
    }
  }
}

function compilePath(path: string): Evaluate {
  const root = rootOf(path);
  const inField = readPath(path);
  const inValue = readRowPath(path);
  return ({ view, row }, scope) => {
    for (let level = scope; level !== undefined; level = level.above) {
      if (root === level.name) return inValue({ [root]: level.value });
      if (root === 'loop') return inValue({ loop: level.loop });
    }
    return inField(view, row);
  };
}

function compileFilter(expression: Extract<Expression, { kind: 'filter' }>): Evaluate {
  const filter = FILTERS.find(({ name }) => name === expression.name);
  if (filter === undefined)
    throw new MizuError('BYTES_INVALID', `The program's template has a filter '${expression.name}', which this version has not`);
  const of = compile(expression.of);
  const args = expression.args.map(compile);
  return (rendering, scope) => {
    const value = of(rendering, scope);
    count(rendering, sizeSteps(value));
    if (value === null && !filter.takesNull) return null;
    const given = args.map((arg) => arg(rendering, scope));
    if (rendering.limited && (filter.lengthOf?.(value, given) ?? 0) > TEMPLATE_OUTPUT_LIMIT)
      throw new TemplateStop('TEMPLATE_TOO_LARGE', `'${filter.name}' would make a text of more than ${TEMPLATE_OUTPUT_LIMIT} characters`);
    return filter.apply(value, given);
  };
}

function compileComparison({ sign, left, right }: Extract<Expression, { kind: 'compare' }>): Evaluate {
  const first = compile(left);
  const second = compile(right);
  return (rendering, scope) => {
    const a = first(rendering, scope);
    const b = second(rendering, scope);
    count(rendering, sizeSteps(a) + sizeSteps(b));
    return holds(sign, a, b);
  };
}

/** Texts are ordered by code point. A null is neither above nor below anything, and in nothing but a list that holds it. */
function holds(sign: Comparison, a: Value, b: Value): boolean {
  if (sign === '==') return a === b;
  if (sign === '!=') return a !== b;
  if (sign === 'in') return isIn(a, b);
  if (sign === 'not in') return !isIn(a, b);
  if (a === null || b === null) return false;
  const order = typeof a === 'string' && typeof b === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : Number(a) - Number(b);
  if (sign === '<') return order < 0;
  if (sign === '<=') return order <= 0;
  return sign === '>' ? order > 0 : order >= 0;
}

function isIn(item: Value, container: Value): boolean {
  if (Array.isArray(container)) return container.includes(item);
  if (typeof item !== 'string') return false;
  if (typeof container === 'string') return container.includes(item);
  return isRow(container) && Object.hasOwn(container, item);
}
