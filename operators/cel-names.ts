/** What an expression may name (law 11): fields of the record, and the functions and macros below; everything else is refused before it is evaluated. */
import type { FieldType, Schema } from '#kernel';
import { fieldOf, MizuError } from '#kernel';
import type { ASTNode } from '@marcbachmann/cel-js';
import { compilePattern, PATTERN_LIMIT } from './pattern.ts';

/** Functions and macros that exist. The value is the name they are bound to where the library's own is not used. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  size: 'size',
  contains: 'contains',
  startsWith: 'startsWith',
  endsWith: 'endsWith',
  has: 'has',
  all: 'all',
  exists: 'exists',
  exists_one: 'exists_one',
  map: 'map',
  filter: 'filter',
  int: 'int',
  double: 'double',
  bool: 'bool',
  dyn: 'dyn',
  matches: 'mizuMatches',
  string: 'mizuString',
  lowerAscii: 'mizuLowerAscii',
  upperAscii: 'mizuUpperAscii',
  trim: 'mizuTrim',
};

export const CEL_FUNCTIONS: readonly string[] = Object.keys(FUNCTIONS);

/** Fields are bound under a prefix, so that a field named `type`, `map` or `string` is a field and nothing else. */
export function variableOf(field: string): string {
  return `field_${field}`;
}

export interface Scope {
  readonly schema: Schema;
  readonly bound: ReadonlySet<string>;
  readonly reads: Set<string>;
  readonly metered: ASTNode[];
  /** Names and fields of them: what they stand for is counted by size. */
  readonly looking: ASTNode[];
}

const MACROS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Walks the parsed tree once: binds names, refuses what does not exist, collects the nodes to meter. */
export function prepare(node: ASTNode, scope: Scope): void {
  switch (node.op) {
    case 'value':
      return;
    case 'id':
      scope.looking.push(node);
      return bindName(node, node.args, scope);
    case 'call':
      bindFunction(node, node.args[0]);
      scope.metered.push(node);
      for (const argument of node.args[1]) prepare(argument, scope);
      return;
    case 'rcall':
      return prepareMethod(node, node.args[0], node.args[1], node.args[2], scope);
    case '.':
      requireKnownPath(node, scope);
      scope.looking.push(node);
      return prepare(node.args[0], scope);
    case '.?':
      scope.looking.push(node);
      return prepare(node.args[0], scope);
    case 'map':
      for (const [key, value] of node.args) {
        prepare(key, scope);
        prepare(value, scope);
      }
      return;
    case '!_':
    case '-_':
      scope.metered.push(node);
      return prepare(node.args, scope);
    default:
      scope.metered.push(node);
      for (const child of node.args) prepare(child, scope);
  }
}

function bindName(node: ASTNode, name: string, scope: Scope): void {
  if (scope.bound.has(name)) return;
  if (fieldOf(scope.schema, name) === undefined) throw new MizuError('WORKFLOW_INVALID', `Unknown variable: ${name}`);
  scope.reads.add(name);
  rename(node, variableOf(name));
}

/** The planned type of `field.inner.inner`, as far as the schema knows it. Runs before names are bound. */
function typeOfPath(node: ASTNode, scope: Scope): FieldType | undefined {
  if (node.op === 'id') return scope.bound.has(node.args) ? undefined : fieldOf(scope.schema, node.args)?.type;
  if (node.op !== '.') return undefined;
  const outer = typeOfPath(node.args[0], scope);
  if (typeof outer !== 'object' || !('record' in outer)) return undefined;
  return fieldOf(outer.record, node.args[1])?.type;
}

function requireKnownPath(node: ASTNode & { readonly op: '.' }, scope: Scope): void {
  const outer = typeOfPath(node.args[0], scope);
  if (typeof outer !== 'object' || !('record' in outer) || fieldOf(outer.record, node.args[1]) !== undefined) return;
  throw new MizuError('WORKFLOW_INVALID', `No field '${node.args[1]}'; the record has: ${outer.record.map((f) => f.name).join(', ')}`);
}

function bindFunction(node: ASTNode, name: string): void {
  const target = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (target === undefined) {
    throw new MizuError('WORKFLOW_INVALID', `Expressions have no function '${name}'; there are: ${CEL_FUNCTIONS.join(', ')}`);
  }
  if (Array.isArray(node.args)) node.args[0] = target;
}

function prepareMethod(node: ASTNode, name: string, receiver: ASTNode, args: readonly ASTNode[], scope: Scope): void {
  bindFunction(node, name);
  scope.metered.push(node);
  prepare(receiver, scope);
  const variable = args[0];
  if (!MACROS.has(name) || variable?.op !== 'id') {
    if (name === 'matches') requireLiteralPattern(variable);
    for (const argument of args) prepare(argument, scope);
    return;
  }
  const inner = { ...scope, bound: new Set([...scope.bound, variable.args]) };
  for (const argument of args.slice(1)) {
    prepare(argument, inner);
  }
}

function requireLiteralPattern(pattern: ASTNode | undefined): void {
  const text = pattern?.op === 'value' ? pattern.args : undefined;
  if (typeof text !== 'string' || text.length > PATTERN_LIMIT) {
    throw new MizuError('WORKFLOW_INVALID', `matches() takes a literal RE2 pattern of at most ${PATTERN_LIMIT} characters`);
  }
  compilePattern(text);
}

/** The library's nodes are plain mutable objects; the name is what `id` nodes hold in `args`. */
function rename(node: ASTNode, name: string): void {
  (node as { args: unknown }).args = name;
}
