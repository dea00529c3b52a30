/** Where the inputs of a data engine come from, for the operators that run one: fields or fixed values, checked against what the engine wants. */
import type { BlockView, DataEngine, FieldType, PlanContext, Value } from '#kernel';
import { describeType, fieldOf, LONG_LIMIT, sameType } from '#kernel';
import { z } from 'zod';
import { existingField, readPath } from '../fields.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
export const source = z.union([z.strictObject({ field: z.string() }), z.strictObject({ value: scalar })]);

export type Source = z.infer<typeof source>;

export const engineInputs = z
  .record(z.string(), z.union([z.number(), z.boolean(), existingField('Field path.'), source]))
  .default({})
  .describe(
    'Where each input of the engine comes from: a field path, a number, true or false, or { value: "text" }. An input that is not named is the field of the same name.',
  );

export type InputReader = (view: BlockView, row: number) => Value;

export function readerOf(from: Source): InputReader {
  return 'field' in from ? readPath(from.field) : () => from.value;
}

export function planSettings(
  engine: DataEngine,
  given: Readonly<Record<string, unknown>>,
  context: PlanContext,
): { readonly params: unknown } | undefined {
  const parsed = engine.params.safeParse(given);
  if (parsed.success) return { params: parsed.data };
  for (const issue of parsed.error.issues)
    context.problem(['params', ...issue.path.map(String)].join('.'), `Engine '${engine.name}': ${issue.message}`);
  return undefined;
}

export function planInputs(
  engine: DataEngine,
  given: Readonly<Record<string, string | number | boolean | Source>>,
  context: PlanContext,
): Record<string, Source> | undefined {
  let good = true;
  const names = engine.input.map((field) => field.name);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const hint = context.nearest(name, names);
    context.problem(`with.${name}`, `Engine '${engine.name}' has no input '${name}'`, {
      expected: names.join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
    good = false;
  }
  const inputs: Record<string, Source> = {};
  for (const field of engine.input) {
    const from = normalise(Object.hasOwn(given, field.name) ? given[field.name] : undefined, field.name);
    inputs[field.name] = from;
    const at = `with.${field.name}`;
    if ('value' in from) {
      if (literalFits(from.value, field.type)) continue;
      context.problem(at, `Input '${field.name}' of engine '${engine.name}' can't be ${JSON.stringify(from.value)}`, {
        expected: describeType(field.type),
      });
      good = false;
      continue;
    }
    const type = context.fieldType(from.field, at);
    if (type !== undefined && fieldFits(type, field.type)) continue;
    good = false;
    if (type !== undefined)
      context.problem(
        at,
        `Input '${field.name}' of engine '${engine.name}' is taken from '${from.field}', which is ${describeType(type)}`,
        { expected: describeType(field.type) },
      );
  }
  return good ? inputs : undefined;
}

export function normalise(given: string | number | boolean | Source | undefined, name: string): Source {
  if (given === undefined) return { field: name };
  if (typeof given === 'string') return { field: given };
  return typeof given === 'object' ? given : { value: given };
}

function literalFits(value: string | number | boolean, type: FieldType): boolean {
  const plain = typeof type === 'object' && 'optional' in type ? type.optional : type;
  if (plain === 'double') return typeof value === 'number';
  if (plain === 'long') return Number.isInteger(value) && Math.abs(Number(value)) <= LONG_LIMIT;
  return plain === typeof value;
}

/** The same type, a whole number for a decimal one, or a value where null would do; records may bring more fields than asked. */
function fieldFits(given: FieldType, wanted: FieldType): boolean {
  if (sameType(given, wanted) || (given === 'long' && wanted === 'double')) return true;
  if (typeof wanted === 'string') return false;
  if ('optional' in wanted) return fieldFits(given, wanted.optional);
  if (typeof given === 'string') return false;
  if ('array' in wanted) return 'array' in given && fieldFits(given.array, wanted.array);
  if ('map' in wanted) return 'map' in given && fieldFits(given.map, wanted.map);
  return 'record' in given && wanted.record.every((field) => fieldFits(fieldOf(given.record, field.name)?.type ?? 'bytes', field.type));
}
