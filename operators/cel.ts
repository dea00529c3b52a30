/**
 * CEL (Common Expression Language, cel-spec) for `expression` and `set`: confined and the same everywhere (laws 1 and 11).
 * Only the functions of `cel-names.ts` exist: no clock, time zone, regex engine of the runtime or Unicode case tables. Where the
 * library's own function would depend on those, the expression is bound to ours. Evaluation is bounded in steps and in bytes
 * of every intermediate text (`cel-meter.ts`). A `long` field is CEL `int`, which the library holds as BigInt; an `optional` field is `dyn`.
 */
import type { FieldType, PlanContext, Row, Schema, Value } from '#kernel';
import { MizuError, messageOf } from '#kernel';
import type { ASTNode } from '@marcbachmann/cel-js';
import { Environment } from '@marcbachmann/cel-js';
import { celType, fromCel, toCel } from './cel-values.ts';
import { CelFault, type Meter, meterLook, meterNode } from './cel-meter.ts';
import { prepare, variableOf } from './cel-names.ts';
import { compilePattern } from './pattern.ts';
import { WHITE_SPACE } from './text.ts';

/** Longest expression, UTF-16 units. */
export const EXPRESSION_LIMIT = 4000;
const LIMITS = { maxAstNodes: 1000, maxDepth: 64, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 8 };

const SPACES = new Set(WHITE_SPACE);
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface CelExpression {
  /** Top-level fields that the expression names. */
  readonly reads: readonly string[];
  /** Type of the result as CEL names it: `bool`, `int`, `double`, `string`, `list<string>`, `dyn`… */
  readonly resultType: string;
  /** @throws CelFault when evaluation fails: what is wrong is the record. */
  evaluate(row: Row): { readonly value: unknown; readonly steps: number };
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
  for (const node of looking) meterLook(node, meter);
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

function readable(message: string): string {
  const line = message.split('\n', 1)[0] ?? message;
  return line.replaceAll('field_', '').replaceAll(/mizu([A-Z])/g, (_, letter: string) => letter.toLowerCase());
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
