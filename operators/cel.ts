/**
 * CEL (Common Expression Language, cel-spec) for `expression` and `set`: confined and the same everywhere (laws 1 and 11).
 * Only the functions named below exist: no clock, time zone, regex engine of the runtime or Unicode case tables. Where the
 * library's own function would depend on those, the expression is bound to ours. Evaluation is bounded in steps and in bytes
 * of every intermediate text. A `long` field is CEL `int`, which the library holds as BigInt; an `optional` field is `dyn`.
 */
import type { FieldType, PlanContext, Row, Schema, Value } from '#kernel';
import { fieldOf, MizuError, messageOf } from '#kernel';
import type { ASTNode } from '@marcbachmann/cel-js';
import { Environment } from '@marcbachmann/cel-js';
import { celType, fromCel, toCel } from './cel-values.ts';
import { compilePattern, PATTERN_LIMIT } from './pattern.ts';
import { WHITE_SPACE } from './text.ts';

/** Longest expression, UTF-16 units. */
export const EXPRESSION_LIMIT = 4000;
/** Steps of one evaluation: evaluated operators, calls and macro iterations. */
export const STEP_LIMIT = 100_000;
/** Largest text or list that an evaluation may build, UTF-16 units or elements. */
export const SIZE_LIMIT = 1_048_576;
/** What one evaluation may look at in all: UTF-16 units of texts, and elements of lists and maps, each time that they are read. */
export const LOOK_LIMIT = 67_108_864;
const LIMITS = { maxAstNodes: 1000, maxDepth: 64, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 8 };

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

const SPACES = new Set(WHITE_SPACE);
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What one evaluation may still spend; owned by the expression that is being evaluated. */
interface Meter {
  steps: number;
  /** See LOOK_LIMIT: bounds work that no step shows, such as `size(body)` in a loop. It is no gas. */
  looked: number;
  exceeded: string | undefined;
}

export interface CelExpression {
  /** Top-level fields that the expression names. */
  readonly reads: readonly string[];
  /** Type of the result as CEL names it: `bool`, `int`, `double`, `string`, `list<string>`, `dyn`… */
  readonly resultType: string;
  /** @throws CelFault when evaluation fails: what is wrong is the record. */
  evaluate(row: Row): { readonly value: unknown; readonly steps: number };
}

/** The expression could not be evaluated over this record. */
export class CelFault extends Error {
  override readonly name = 'CelFault';
}

/** Compiles at plan time; undefined after a reported problem. */
export function planCel(context: PlanContext, source: string, at: string): CelExpression | undefined {
  try {
    return compileCel(source, context.schema);
  } catch (error) {
    const unknown = /[Uu]nknown variable: ([A-Za-z_]\w*)/.exec(messageOf(error))?.[1];
    const near =
      unknown === undefined
        ? undefined
        : context.nearest(
            unknown,
            context.schema.map((field) => field.name),
          );
    const hint = near ?? hintOf(messageOf(error));
    context.problem(at, error instanceof MizuError ? error.message : `Not a CEL expression over this record: ${messageOf(error)}`, {
      expected: 'CEL, for example: score >= 3 && !body.contains("TODO")',
      ...(hint === undefined ? {} : { hint }),
    });
    return undefined;
  }
}

function hintOf(message: string): string | undefined {
  if (/no such overload: .*(int .* double|double .* int)/.test(message)) {
    return 'whole and decimal numbers are different types in CEL: write 1.0 for a double, or convert with double(x)';
  }
  return undefined;
}

/** @throws WORKFLOW_INVALID or the library's parse or type error. */
export function compileCel(source: string, schema: Schema): CelExpression {
  if (source.length > EXPRESSION_LIMIT) {
    throw new MizuError('WORKFLOW_INVALID', `An expression of ${source.length} characters is longer than ${EXPRESSION_LIMIT}`);
  }
  const meter: Meter = { steps: 0, looked: 0, exceeded: undefined };
  const environment = makeEnvironment(meter);
  for (const field of schema) environment.registerVariable(variableOf(field.name), celType(field.type));
  const parsed = environment.parse(source);
  const reads = new Set<string>();
  const metered: ASTNode[] = [];
  const looking: ASTNode[] = [];
  prepare(parsed.ast, { schema, bound: new Set(), reads, metered, looking });
  const checked = parsed.check();
  if (!checked.valid) throw new MizuError('WORKFLOW_INVALID', readable(messageOf(checked.error)), { cause: checked.error });
  for (const node of looking) meterLook(internalsOf(node), meter);
  for (const node of metered) meterNode(node, meter);
  const fields = schema.filter((field) => reads.has(field.name));
  return {
    reads: fields.map((field) => field.name),
    resultType: checked.type ?? 'dyn',
    evaluate(row) {
      meter.steps = 0;
      meter.looked = 0;
      meter.exceeded = undefined;
      const variables: Record<string, unknown> = Object.create(null);
      for (const field of fields) variables[variableOf(field.name)] = toCel(row[field.name] ?? null, field.type);
      try {
        const value: unknown = parsed(variables);
        if (meter.exceeded === undefined) return { value, steps: meter.steps };
      } catch (error) {
        if (meter.exceeded === undefined) throw new CelFault(readable(messageOf(error)));
      }
      throw new CelFault(meter.exceeded);
    },
  };
}

/** Fields are bound under a prefix, so that a field named `type`, `map` or `string` is a field and nothing else. */
function variableOf(field: string): string {
  return `field_${field}`;
}

function readable(message: string): string {
  const line = message.split('\n', 1)[0] ?? message;
  return line.replaceAll('field_', '').replaceAll(/mizu([A-Z])/g, (_, letter: string) => letter.toLowerCase());
}

interface Scope {
  readonly schema: Schema;
  readonly bound: ReadonlySet<string>;
  readonly reads: Set<string>;
  readonly metered: ASTNode[];
  /** Names and fields of them: what they stand for is counted by size. */
  readonly looking: ASTNode[];
}

const MACROS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Walks the parsed tree once: binds names, refuses what does not exist, collects the nodes to meter. */
function prepare(node: ASTNode, scope: Scope): void {
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

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

/** Operations that make new texts and lists: what they make is paid for by size. */
const MAKERS: ReadonlySet<string> = new Set(['+', 'call', 'rcall', 'list']);

/** Counts each evaluation of a node, and for a macro each of its iterations; looks at the size of what is made. */
function meterNode(node: ASTNode, meter: Meter): void {
  const inner = internalsOf(node);
  const loop = inner.meta.alternate;
  if (loop !== undefined) meterEvaluation(internalsOf(loop.args.step), meter, true);
  else meterEvaluation(inner, meter, MAKERS.has(node.op));
}

const LOOKED_TOO_MUCH = `evaluation looks at more than ${LOOK_LIMIT} characters and elements`;

/** Counts the size of what a name or a field of it stands for, whenever it is read. */
function meterLook(node: Internals, meter: Meter): void {
  const { evaluate } = node.meta;
  const metered: Evaluate = (evaluator, self, context) => {
    const value = evaluate(evaluator, self, context);
    if (typeof value === 'string') meter.looked += value.length;
    else if (typeof value === 'object' && value !== null) meter.looked += sizeOf(value);
    if (meter.looked > LOOK_LIMIT) exceed(meter, LOOKED_TOO_MUCH);
    return value;
  };
  node.setMeta('evaluate', metered);
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (!Array.isArray(value) && !(value instanceof Map)) return 1;
  let size = 1;
  for (const inner of value.values()) size += sizeOf(inner);
  return size;
}

function meterEvaluation(node: Internals, meter: Meter, makes: boolean): void {
  const { evaluate } = node.meta;
  const metered: Evaluate = (evaluator, self, context) => {
    if (++meter.steps > STEP_LIMIT) exceed(meter, `evaluation takes more than ${STEP_LIMIT} steps`);
    const value = evaluate(evaluator, self, context);
    if (!makes) return value;
    if (typeof value === 'string') meter.steps += value.length >> 6;
    if ((typeof value === 'string' || Array.isArray(value)) && value.length > SIZE_LIMIT) {
      exceed(meter, `evaluation builds a text or list of more than ${SIZE_LIMIT} units`);
    }
    return value;
  };
  node.setMeta('evaluate', metered);
}

/** What the library's nodes hold beside their types: how they are evaluated, and the loop that a macro became. */
interface Internals {
  readonly meta: { readonly evaluate: Evaluate; readonly alternate?: { readonly args: { readonly step: unknown } } };
  setMeta(key: string, value: unknown): unknown;
}

function internalsOf(node: unknown): Internals {
  if (isInternals(node)) return node;
  throw new MizuError('INTERNAL', 'The CEL library has changed its nodes: evaluation can not be metered');
}

function isInternals(node: unknown): node is Internals {
  if (typeof node !== 'object' || node === null || !('setMeta' in node) || !('meta' in node)) return false;
  const { meta } = node;
  return (
    typeof node.setMeta === 'function' &&
    typeof meta === 'object' &&
    meta !== null &&
    'evaluate' in meta &&
    typeof meta.evaluate === 'function'
  );
}

function exceed(meter: Meter, why: string): never {
  // A macro may go on after an error of one element, up to the limit of steps.
  meter.exceeded = meter.looked > LOOK_LIMIT ? LOOKED_TOO_MUCH : why;
  throw new CelFault(why);
}

function makeEnvironment(meter: Meter): Environment {
  const environment = new Environment({ unlistedVariablesAreDyn: false, enableOptionalTypes: false, limits: LIMITS });
  const patterns = new Map<string, ReturnType<typeof compilePattern>>();
  const matches = (text: string, source: string): boolean => {
    const pattern = patterns.get(source) ?? compilePattern(source);
    patterns.set(source, pattern);
    meter.steps += text.length >> 6;
    return pattern.test(text);
  };
  const options = { async: false };
  environment.registerFunction('string.mizuMatches(string): bool', matches, options);
  environment.registerFunction(
    'string.mizuLowerAscii(): string',
    (text: string) => text.replace(/[A-Z]+/g, (run) => run.toLowerCase()),
    options,
  );
  environment.registerFunction(
    'string.mizuUpperAscii(): string',
    (text: string) => text.replace(/[a-z]+/g, (run) => run.toUpperCase()),
    options,
  );
  environment.registerFunction('string.mizuTrim(): string', trim, options);
  for (const type of ['string', 'bool', 'int', 'double']) {
    environment.registerFunction(`mizuString(${type}): string`, (value: unknown) => String(value), options);
  }
  environment.registerFunction('mizuString(bytes): string', (value: Uint8Array) => strictDecoder.decode(value), options);
  return environment;
}

/** All pinned white space is in the BMP, so UTF-16 units are enough. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && SPACES.has(text.charCodeAt(start))) start++;
  while (end > start && SPACES.has(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Converts a result to a field's value. @throws CelFault when it does not fit the type. */
export function celResult(value: unknown, type: FieldType): Value {
  const result = fromCel(value, type);
  if (result === undefined) throw new CelFault('the result does not fit the type of the field');
  return result;
}
