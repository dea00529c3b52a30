/** Says in plain words what a zod schema found wrong: which value, what was expected, what to try (law 10). */
import type { z } from 'zod';
import type { Problem } from '../contract/errors.ts';
import { formatPath, joinPath } from './document-path.ts';
import { jsonSchemaOf, knownKeys, schemasAt } from './json-schema.ts';
import { nearest, nearestOrAll } from './nearest.ts';
import type { Locate } from './place.ts';
import { problemAt, shorten } from './place.ts';

type Issue = z.core.$ZodIssue;

export interface Explanation {
  readonly schema: z.ZodType;
  readonly error: z.ZodError;
  /** Path of the checked value in the document. */
  readonly path: string;
  readonly locate: Locate;
  /** Keys allowed beside those of the schema, for hints. */
  readonly moreKeys?: readonly string[];
}

export function explainIssues(explanation: Explanation): Problem[] {
  const problems = explanation.error.issues.flatMap((issue) => explain(explanation, issue, []));
  return withoutEchoes(problems);
}

/** A mistyped key usually makes the right one missing: one cause, one problem. */
function withoutEchoes(problems: Problem[]): Problem[] {
  const renamed = new Set(problems.flatMap((p) => /^did you mean '(.+)'\?$/.exec(p.hint ?? '')?.[1] ?? []));
  return problems.filter((p) => {
    const missing = /^'(.+)' is missing$/.exec(p.message)?.[1];
    return missing === undefined || !renamed.has(missing);
  });
}

function explain(context: Explanation, issue: Issue, above: readonly PropertyKey[]): Problem[] {
  const path = [...above, ...issue.path];
  const at = pathOf(context, path);
  const custom = authorsMessage(issue);
  const value = shownValue(issue);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(context, path, key));
    case 'invalid_union':
      return explainUnion(context, issue, path);
    case 'invalid_key':
      return [
        found(
          context,
          at,
          `'${String(path.at(-1))}' can't be a name here`,
          { expected: issue.issues.map((inner) => authorsMessage(inner) ?? wanted(inner)).join('; ') },
          'key',
        ),
      ];
    case 'invalid_element':
      return issue.issues.flatMap((inner) => explain(context, inner, path));
    case 'invalid_type':
      if (issue.input === undefined) return [missing(context, path, custom ?? wantedType(context, path, issue))];
      return [
        found(context, at, `${subject(path)} is ${kindOf(issue.input)}`, { value, expected: custom ?? wantedType(context, path, issue) }),
      ];
    case 'invalid_value':
      if (issue.input === undefined) return [missing(context, path, wanted(issue))];
      return [
        found(
          context,
          at,
          issue.values.length === 1
            ? `${subject(path)} has another value than the only one allowed`
            : `${subject(path)} is not one of the known words`,
          { value, expected: wanted(issue), hint: hintFor(issue) },
        ),
      ];
    case 'custom':
      return [
        found(context, at, issue.message === 'Invalid input' ? `${subject(path)} is not valid` : `${subject(path)}: ${issue.message}`, {
          value,
          ...meant(context, path),
        }),
      ];
    case 'too_big':
    case 'too_small':
    case 'not_multiple_of':
    case 'invalid_format':
      return [found(context, at, `${subject(path)} ${complaint(issue)}`, { value, expected: custom ?? wanted(issue) })];
    default: {
      const other: never = issue;
      return [found(context, at, String(other), {})];
    }
  }
}

function complaint(issue: Issue): string {
  if (issue.code === 'too_big') return issue.origin === 'string' || issue.origin === 'array' ? 'is too long' : 'is too large';
  if (issue.code === 'too_small') return issue.origin === 'string' || issue.origin === 'array' ? 'is too short' : 'is too small';
  return 'has the wrong form';
}

function unknownKey(context: Explanation, path: readonly PropertyKey[], key: string): Problem {
  const known = [...knownKeys(jsonSchemaOf(context.schema), path), ...(path.length === 0 ? (context.moreKeys ?? []) : [])];
  return found(
    context,
    pathOf(context, [...path, key]),
    `Unknown key '${shorten(key)}'`,
    { hint: nearestOrAll(key, known, 'known keys') },
    'key',
  );
}

function missing(context: Explanation, path: readonly PropertyKey[], expected: string): Problem {
  const at = pathOf(context, path);
  const key = path.at(-1);
  const message = typeof key === 'string' ? `'${key}' is missing` : 'A value is missing';
  return found(context, at, message, { expected, hint: typeof key === 'string' ? `add \`${key}: …\`` : undefined }, 'key');
}

/** The reading that comes nearest: the one without a wrong type at its root, then the one with the fewest issues. */
function explainUnion(context: Explanation, issue: z.core.$ZodIssueInvalidUnion, path: readonly PropertyKey[]): Problem[] {
  const at = pathOf(context, path);
  if (issue.input === undefined) return [missing(context, path, alternatives(issue))];
  const deep = issue.errors.filter(
    (branch) =>
      branch.length > 0 &&
      !branch.some((inner) => inner.path.length === 0 && (inner.code === 'invalid_type' || inner.code === 'invalid_value')),
  );
  const unknown = (branch: readonly Issue[]): number => branch.filter((inner) => inner.code === 'unrecognized_keys').length;
  const [best, second] = [...deep].sort((a, b) => unknown(a) - unknown(b) || a.length - b.length);
  if (best !== undefined && (second === undefined || unknown(best) < unknown(second) || best.length < second.length)) {
    return best.flatMap((inner) => explain(context, inner, path));
  }
  const keys = deep.flatMap((branch) =>
    branch.flatMap((inner) => (inner.code === 'unrecognized_keys' && inner.path.length === 0 ? inner.keys : [])),
  );
  const first = keys[0];
  const hint = first === undefined ? undefined : nearest(first, knownKeys(jsonSchemaOf(context.schema), path));
  return [
    found(context, at, `${subject(path)} fits none of the allowed forms`, {
      value: shownValue(issue),
      expected: alternatives(issue),
      hint,
    }),
  ];
}

function alternatives(issue: z.core.$ZodIssueInvalidUnion): string {
  const words = issue.errors.map((branch) => {
    const root = branch.find((inner) => inner.path.length === 0 && inner.code !== 'unrecognized_keys');
    if (root !== undefined) return root.code === 'invalid_union' ? alternatives(root) : (authorsMessage(root) ?? wanted(root));
    const keys = branch.flatMap((inner) => (inner.path.length > 0 ? [String(inner.path[0])] : []));
    return keys.length > 0 ? `a map with ${[...new Set(keys)].join(', ')}` : 'a map';
  });
  return [...new Set(words)].join(', or ') || 'another form';
}

function found(
  context: Explanation,
  at: string,
  message: string,
  details: { value?: string | undefined; expected?: string | undefined; hint?: string | undefined },
  part: 'key' | 'value' = 'value',
): Problem {
  const place = context.locate(at, part);
  return problemAt(
    at,
    place,
    message,
    details.value !== undefined && place.value !== undefined && place.value !== '' ? { ...details, value: place.value } : details,
  );
}

function pathOf(context: Explanation, path: readonly PropertyKey[]): string {
  return joinPath(context.path, formatPath(path.map((segment) => (typeof segment === 'number' ? segment : String(segment)))));
}

function subject(path: readonly PropertyKey[]): string {
  const key = path.findLast((segment) => typeof segment === 'string');
  if (key === undefined) return 'The value';
  const index = path.at(-1);
  return typeof index === 'number' ? `'${key}[${index}]'` : `'${key}'`;
}

/** A message that the schema's author wrote for this check, as against zod's own. */
function authorsMessage(issue: Issue): string | undefined {
  return /^(?:Invalid |Too (?:big|small)|Unrecognized key)/.test(issue.message) ? undefined : issue.message;
}

function shownValue(issue: Issue): string | undefined {
  if (issue.input === undefined) return undefined;
  return shorten(JSON.stringify(issue.input) ?? String(issue.input));
}

function hintFor(issue: z.core.$ZodIssueInvalidValue): string | undefined {
  return typeof issue.input === 'string' ? nearest(issue.input, issue.values.map(String)) : undefined;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'nothing',
};

export function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return TYPE_WORDS[typeof value] ?? typeof value;
}

/** What the schema's author says of the value. */
function descriptionAt(context: Explanation, path: readonly PropertyKey[]): string | undefined {
  const descriptions = schemasAt(jsonSchemaOf(context.schema), path).map((schema) => schema['description']);
  return descriptions.find((description) => typeof description === 'string');
}

/** What a value is for, or else what may stand in it. */
function meant(context: Explanation, path: readonly PropertyKey[]): { expected?: string; hint?: string } {
  const expected = descriptionAt(context, path);
  if (expected !== undefined) return { expected };
  const known = knownKeys(jsonSchemaOf(context.schema), path);
  return known.length === 0 ? { hint: 'change it, or leave it out' } : { hint: `known keys: ${known.join(', ')}` };
}

/** The JSON Schema knows what the type check alone does not: that a number is to be whole, and its bounds. */
function wantedType(context: Explanation, path: readonly PropertyKey[], issue: z.core.$ZodIssueInvalidType): string {
  const schemas = schemasAt(jsonSchemaOf(context.schema), path);
  const whole = schemas.length === 1 && schemas[0]?.type === 'integer';
  if (!whole) return wanted(issue);
  const least = schemas[0]?.['minimum'];
  return typeof least === 'number' && least > Number.MIN_SAFE_INTEGER ? `a whole number, at least ${least}` : 'a whole number';
}

/** What a check expects, in words. */
function wanted(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_WORDS[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.length === 1
        ? JSON.stringify(issue.values[0])
        : `one of ${issue.values.map((v) => (typeof v === 'string' ? v : JSON.stringify(v))).join(', ')}`;
    case 'too_small':
      return bound(issue.inclusive === false ? 'more than' : 'at least', issue.minimum, issue.origin);
    case 'too_big':
      return bound(issue.inclusive === false ? 'less than' : 'at most', issue.maximum, issue.origin);
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.pattern === undefined ? `a valid ${issue.format}` : `text like ${issue.pattern}`;
    case 'invalid_union':
      return alternatives(issue);
    default:
      return issue.message;
  }
}

function bound(words: string, limit: number | bigint, origin: string): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' ? ' elements' : '';
  return `${words} ${limit}${unit}`;
}
