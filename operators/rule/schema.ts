/** Constraints on several fields at once, in the words of JSON Schema where it has them. The first broken one is reported. */
import type { Measured, PlanContext, Value } from '#kernel';
import { defineOperator, describeType, sameType } from '#kernel';
import { z } from 'zod';
import { fieldTypeSchema } from '../field-type.ts';
import { existingField, isRow, openParams, readPath, requiredType, rootOf, shorten, toJson } from '../fields.ts';
import { compilePattern, matchesAnywhere, patternParam, planPattern } from '../pattern.ts';
import { countCodePoints } from '../text.ts';

const size = z.int().min(0);
const constraint = z
  .strictObject({
    type: fieldTypeSchema.optional().describe('The type that the field must have, checked before the run.'),
    required: z.boolean().optional().describe('true: null is rejected. Without it a null passes the other constraints.'),
    min: z.number().optional().describe('Lowest number.'),
    max: z.number().optional().describe('Highest number.'),
    minLength: size.optional().describe('Fewest code points of a text.'),
    maxLength: size.optional().describe('Most code points of a text.'),
    minItems: size.optional().describe('Fewest elements of a list or entries of a map.'),
    maxItems: size.optional().describe('Most elements of a list or entries of a map.'),
    oneOf: z
      .array(z.union([z.string(), z.number(), z.boolean()]))
      .min(1)
      .optional()
      .describe('The allowed values.'),
    pattern: patternParam('RE2 pattern that must match somewhere in the text.').optional(),
  })
  .describe('Constraints on one field; all must hold.');

const params = z.strictObject({
  fields: z
    .record(existingField('Field path.'), constraint)
    .refine((fields) => Object.keys(fields).length > 0, { error: 'name at least one field' })
    .describe('From field path (dotted paths reach into records) to its constraints.'),
});
const planned = z.strictObject({ fields: z.array(z.strictObject({ path: z.string(), rules: constraint })) });

type Constraint = z.infer<typeof constraint>;
type Kind = 'text' | 'number' | 'items' | 'other';

/** Which kind of field each constraint is about; the others fit all. */
const KIND_OF: Readonly<Partial<Record<keyof Constraint, Kind>>> = {
  min: 'number',
  max: 'number',
  minLength: 'text',
  maxLength: 'text',
  pattern: 'text',
  minItems: 'items',
  maxItems: 'items',
};

export const schema = defineOperator({
  name: 'schema',
  version: 1,
  group: 'rule',
  kind: 'row',
  summary: 'Keep records whose fields satisfy declared constraints.',
  description:
    'Checks types before the run, and values in it: required, min, max, minLength, maxLength (code points), minItems, maxItems, oneOf and pattern (RE2). ' +
    'Fields are checked in the order of their paths, constraints in the order of this list; the first broken one is reported as `path: constraint`.',
  params,
  examples: [
    {
      title: 'several fields',
      params: { fields: { name: { type: 'string', minLength: 1, maxLength: 3 }, age: { min: 18 } } },
      input: [
        { name: '😀😀😀', age: 18 },
        { name: '', age: 20 },
        { name: 'Ada', age: 17 },
      ],
      output: [
        { row: { name: '😀😀😀', age: 18 } },
        { rejected: { measured: 0, limit: 'name: minLength 1' } },
        { rejected: { measured: 17, limit: 'age: min 18' } },
      ],
    },
    {
      title: 'null passes unless the field is required',
      params: { fields: { a: { required: true }, b: { oneOf: ['x'] } } },
      schema: [
        { name: 'a', type: { optional: 'string' } },
        { name: 'b', type: { optional: 'string' } },
      ],
      input: [
        { a: 'y', b: null },
        { a: null, b: 'x' },
        { a: 'y', b: 'z' },
      ],
      output: [
        { row: { a: 'y', b: null } },
        { rejected: { measured: 'null', limit: 'a: required' } },
        { rejected: { measured: 'z', limit: 'b: oneOf x' } },
      ],
    },
    {
      title: 'lists and patterns',
      params: { fields: { tags: { minItems: 1 }, code: { pattern: '^A' } } },
      schema: [
        { name: 'tags', type: { array: 'string' } },
        { name: 'code', type: 'string' },
      ],
      input: [
        { tags: ['t'], code: 'A1' },
        { tags: [], code: 'A1' },
        { tags: ['t'], code: 'B1' },
      ],
      output: [
        { row: { tags: ['t'], code: 'A1' } },
        { rejected: { measured: 0, limit: 'tags: minItems 1' } },
        { rejected: { measured: 'B1', limit: 'code: pattern ^A' } },
      ],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 2 },
  defaultId: () => 'schema',
  plan(p, context) {
    const paths = Object.keys(p.fields).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const good = paths.map((path) => checkField(path, p.fields[path] ?? {}, context));
    if (good.includes(false)) return [];
    return [
      {
        params: toJson({ fields: paths.map((path) => ({ path, rules: p.fields[path] })) }),
        reads: [...new Set(paths.map(rootOf))],
        writes: [],
      },
    ];
  },
  open(op) {
    const p = openParams(planned, op.params, 'schema');
    const fields = p.fields.map(({ path, rules }) => ({ path, read: readPath(path), check: checker(rules) }));
    return {
      execute(input, out) {
        for (const row of input.rows) {
          for (const field of fields) {
            const broken = field.check(field.read(input, row));
            if (broken === undefined) continue;
            out.reject(row, { measured: broken.measured, limit: shorten(`${field.path}: ${broken.rule}`) });
            break;
          }
        }
      },
    };
  },
});

function checkField(path: string, rules: Constraint, context: PlanContext): boolean {
  const at = `fields.${path}`;
  const type = context.fieldType(path, at);
  if (type === undefined) return false;
  const plain = requiredType(type);
  if (rules.type !== undefined && !sameType(rules.type, type)) {
    context.problem(`${at}.type`, `Field '${path}' is ${describeType(type)}`, { expected: describeType(rules.type) });
    return false;
  }
  const kind: Kind =
    plain === 'string'
      ? 'text'
      : plain === 'long' || plain === 'double'
        ? 'number'
        : typeof plain === 'object' && ('array' in plain || 'map' in plain)
          ? 'items'
          : 'other';
  let good = rules.pattern === undefined || planPattern(context, rules.pattern, `${at}.pattern`) !== undefined;
  for (const name of Object.keys(rules)) {
    const wanted = KIND_OF[name as keyof Constraint];
    if (wanted === undefined || wanted === kind) continue;
    context.problem(`${at}.${name}`, `'${name}' says nothing about a field that is ${describeType(type)}`, {
      expected: wanted === 'items' ? 'a list or a map' : `a ${wanted} field`,
    });
    good = false;
  }
  return good;
}

interface Broken {
  readonly rule: string;
  readonly measured: Measured;
}

function checker(rules: Constraint): (value: Value) => Broken | undefined {
  const { required, min, max, minLength, maxLength, minItems, maxItems, oneOf } = rules;
  const pattern = rules.pattern === undefined ? undefined : compilePattern(rules.pattern);
  const encoder = new TextEncoder();
  return (value) => {
    if (value === null) return required === true ? { rule: 'required', measured: 'null' } : undefined;
    const measured = typeof value === 'number' ? value : typeof value === 'string' ? shorten(value) : String(value);
    const sized = (kind: string, count: number, least: number | undefined, most: number | undefined): Broken | undefined => {
      if (least !== undefined && count < least) return { rule: `min${kind} ${least}`, measured: count };
      return most !== undefined && count > most ? { rule: `max${kind} ${most}`, measured: count } : undefined;
    };
    if (typeof value === 'number') {
      if (min !== undefined && !(value >= min)) return { rule: `min ${min}`, measured };
      if (max !== undefined && !(value <= max)) return { rule: `max ${max}`, measured };
    }
    if (typeof value === 'string' && (minLength ?? maxLength) !== undefined) {
      const broken = sized('Length', countCodePoints(encoder.encode(value)), minLength, maxLength);
      if (broken !== undefined) return broken;
    }
    if (Array.isArray(value) || isRow(value)) {
      const broken = sized('Items', Array.isArray(value) ? value.length : Object.keys(value).length, minItems, maxItems);
      if (broken !== undefined) return broken;
    }
    if (oneOf !== undefined && !oneOf.some((allowed) => allowed === value)) return { rule: `oneOf ${oneOf.join(', ')}`, measured };
    if (pattern !== undefined && typeof value === 'string' && !matchesAnywhere(pattern, encoder.encode(value)))
      return { rule: `pattern ${rules.pattern}`, measured };
    return undefined;
  };
}
