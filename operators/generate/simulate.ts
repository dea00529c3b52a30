/** Runs a data engine (a simulator) on each record. Same input and seed, same output, on every platform (law 1). */
import type { BlockView, DataEngine, EngineInstance, FieldType, PlanContext, Row, Value } from '#engine';
import { defineOperator, describeType, fieldOf, LONG_LIMIT, MizuError, RecordFault, sameType } from '#engine';
import { z } from 'zod';
import { existingField, newField, openParams, planWrite, readPath, rootOf, toJson } from '../fields.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const source = z.union([z.strictObject({ field: z.string() }), z.strictObject({ value: scalar })]);

const params = z.strictObject({
  engine: z.string().min(1).describe('Name of the data engine.'),
  as: newField('Record field that receives the output; without it, each output field stands by itself.').optional(),
  with: z
    .record(z.string(), z.union([z.number(), z.boolean(), existingField('Field path.'), source]))
    .default({})
    .describe(
      'Where each input of the engine comes from: a field path, a number, true or false, or { value: "text" }. An input that is not named is the field of the same name.',
    ),
  params: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Settings of the engine, the same for every record; see the reference of the engine.'),
});

const planned = z.strictObject({
  engine: z.string(),
  version: z.int(),
  as: z.string().optional(),
  with: z.record(z.string(), source),
  params: z.unknown(),
});

type Source = z.infer<typeof source>;

export const simulate = defineOperator({
  name: 'simulate',
  version: 1,
  group: 'generate',
  kind: 'row',
  summary: 'Run a simulator or another data engine on each record.',
  description:
    'Gives the engine its inputs from fields or fixed values and a seed drawn for the candidate, and adds its outputs to the record. ' +
    'An input that makes no sense to the engine fails the record with the code that the engine gives.',
  params,
  examples: [
    {
      title: 'inputs from fields of the same name',
      params: { engine: 'free-fall', params: { stepsPerSecond: 2, gravity: 2 } },
      schema: [{ name: 'height', type: 'double' }],
      input: [{ height: 0.5 }, { height: 0 }],
      output: [
        { row: { height: 0.5, seconds: 0.5, impactSpeed: 1, steps: 1 } },
        { row: { height: 0, seconds: 0, impactSpeed: 0, steps: 0 } },
      ],
    },
    {
      title: 'inputs from a path and a fixed value, output in one record',
      params: { engine: 'free-fall', as: 'fall', with: { height: 'drop.metres' }, params: { stepsPerSecond: 1, gravity: 1 } },
      schema: [{ name: 'drop', type: { record: [{ name: 'metres', type: 'double' }] } }],
      input: [{ drop: { metres: 3 } }],
      output: [{ row: { drop: { metres: 3 }, fall: { seconds: 2, impactSpeed: 2, steps: 2 } } }],
    },
    {
      title: 'an input without sense fails the record',
      params: { engine: 'free-fall', with: { height: -1 } },
      input: [{ id: 1 }],
      output: [{ failed: 'HEIGHT_NEGATIVE' }],
    },
  ],
  gas: { perRecord: 10, per64Bytes: 1 },
  defaultId: (p) => p.as ?? `simulate-${p.engine}`,
  plan(p, context) {
    const engine = context.engines.find((known) => known.name === p.engine);
    if (engine === undefined) {
      const names = context.engines.map((known) => known.name);
      const hint = context.nearest(p.engine, names);
      context.problem('engine', `There is no data engine '${p.engine}'`, {
        expected: names.join(', '),
        ...(hint === undefined ? {} : { hint }),
      });
      return [];
    }
    const settings = planSettings(engine, p.params, context);
    const inputs = planInputs(engine, p.with, context);
    const writes = p.as === undefined ? engine.output : [{ name: p.as, type: { record: engine.output } }];
    const fits = writes.map((field) => planWrite(context, field.name, field.type, p.as === undefined ? 'engine' : 'as'));
    if (settings === undefined || inputs === undefined || fits.includes(false)) return [];
    const reads = Object.values(inputs).flatMap((input) => ('field' in input ? [rootOf(input.field)] : []));
    return [
      {
        params: toJson({ engine: engine.name, version: engine.version, as: p.as, with: inputs, params: settings.params }),
        reads: [...new Set(reads)],
        writes,
      },
    ];
  },
  async open(op, env) {
    const p = openParams(planned, op.params, 'simulate');
    const engine = env.engines.find((known) => known.name === p.engine && known.version === p.version);
    if (engine === undefined) {
      throw new MizuError(
        'NOT_FOUND',
        `The program needs the data engine '${p.engine}' version ${p.version}, which this process does not have`,
        {
          component: op.id,
          hint: 'run it with the version of Mizu that compiled it, or compile the workflow again',
        },
      );
    }
    const instance = await engine.open(openParams(engine.params, toJson(p.params), p.engine));
    const inputs = Object.entries(p.with).map(([name, from]) => ({ name, read: readerOf(from) }));
    return {
      execute(input, out) {
        for (const row of input.rows) {
          try {
            const result = runOnce(instance, inputs, input, row, env.draws.bytes(input.candidate(row), 'seed'));
            out.charge(result.gas);
            if (p.as !== undefined) out.setValue(p.as, row, result.output);
            else for (const field of engine.output) out.setValue(field.name, row, result.output[field.name] ?? null);
          } catch (error) {
            if (!(error instanceof RecordFault)) throw error;
            out.fail(row, error.code, error.message);
          }
        }
      },
    };
  },
});

type InputReader = (view: BlockView, row: number) => Value;

function readerOf(from: Source): InputReader {
  return 'field' in from ? readPath(from.field) : () => from.value;
}

function runOnce(
  instance: EngineInstance,
  inputs: readonly { name: string; read: InputReader }[],
  view: BlockView,
  row: number,
  seed: Uint8Array,
): ReturnType<EngineInstance['run']> {
  const given: Record<string, Value> = {};
  for (const input of inputs) given[input.name] = input.read(view, row);
  const record: Row = given;
  return instance.run(record, seed);
}

function planSettings(
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

function planInputs(
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

function normalise(given: string | number | boolean | Source | undefined, name: string): Source {
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
