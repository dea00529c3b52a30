/**
 * Runs a simulator that answers over HTTP (documents/simulators.md). The question is canonical JSON with a seed drawn for the candidate, so the same candidate, step and
 * parameters are the same question ever after; the signed answer is an input (law 7), and a replay needs no simulator.
 */
import type { Field, Json, PlanContext, Row, Schema, Value } from '#kernel';
import { canonicalBytes, defineOperator, LONG_LIMIT, REQUEST_LIMIT_BYTES, toHex } from '#kernel';
import { z } from 'zod';
import { newField, openParams, planWrite, rootOf, toJson } from '../fields.ts';
import { engineInputs, normalise, planInputs, planSettings, readerOf, type Source, source } from './engine-inputs.ts';
import { readSimulation } from './simulation-answer.ts';

/** Most inputs and outputs of a simulator that this installation does not know. */
const FIELDS_LIMIT = 64;
/** One unit of output gas is charged for so many bytes of an answer. */
const GAS_OUTPUT_BYTES = 64;
const scalarType = z.enum(['double', 'long', 'string', 'boolean']);
const outputs = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a field name'), scalarType);

const params = z.strictObject({
  host: z.string().min(1).max(128).describe('Name of the host under `models` of the workflow.'),
  engine: z.string().min(1).max(128).describe('Name of the simulator at the host.'),
  as: newField('Record field that receives the output; without it, each output field stands by itself.').optional(),
  with: engineInputs,
  params: z.record(z.string(), z.unknown()).default({}).describe('Settings of the simulator, the same for every record.'),
  output: outputs
    .refine((fields) => Object.keys(fields).length <= FIELDS_LIMIT, `at most ${FIELDS_LIMIT} fields`)
    .optional()
    .describe(
      'Output fields and their types (double, long, string, boolean), for a simulator that this installation does not know; its inputs are then those of `with`.',
    ),
  draw: z.int().min(0).max(1_000_000).default(0).describe('Number of the draw: another one has another seed.'),
});

type Params = z.infer<typeof params>;

const planned = z.strictObject({
  host: z.string(),
  engine: z.string(),
  version: z.int().optional(),
  as: z.string().optional(),
  with: z.record(z.string(), source),
  params: z.json(),
  output: z.array(z.strictObject({ name: z.string(), type: scalarType })),
  draw: z.int(),
});

const FALL = { host: 'falls', engine: 'free-fall' };
const answered = (output: { readonly [name: string]: Json }): { readonly response: Json } => ({
  response: { engine: 'free-fall', output, version: 1 },
});

export const simulateHosted = defineOperator({
  name: 'simulate-hosted',
  version: 1,
  group: 'generate',
  kind: 'external',
  summary: 'Run a simulator that answers over HTTP on each record.',
  description:
    'Gives a hosted simulator its inputs from fields or fixed values and a seed drawn for the candidate, and adds its outputs to the record. The answer is recorded with its signature before it is used, and the same question is never asked ' +
    'twice. An input that makes no sense to the simulator fails the record with the code that it gives; an answer that is none fails it with RESPONSE_MALFORMED, or the code of the failure at the host.',
  params,
  examples: [
    {
      title: 'a simulator that this installation knows',
      params: { ...FALL, params: { gravity: 2 } },
      models: ['falls'],
      schema: [{ name: 'height', type: 'double' }],
      input: [{ height: 0.5 }],
      answers: [answered({ seconds: 0.5, impactSpeed: 1, steps: 1 })],
      output: [{ row: { height: 0.5, seconds: 0.5, impactSpeed: 1, steps: 1 } }],
    },
    {
      title: 'one that it does not know: inputs and outputs are declared',
      params: {
        host: 'wind',
        engine: 'tunnel',
        as: 'air',
        with: { speed: 'wind', shape: { value: 'ball' } },
        output: { drag: 'double', laminar: 'boolean' },
      },
      models: ['wind'],
      input: [{ wind: 12.5 }],
      answers: [{ response: { engine: 'tunnel', output: { drag: 0.47, laminar: false } } }],
      output: [{ row: { wind: 12.5, air: { drag: 0.47, laminar: false } } }],
    },
    {
      title: 'an input without sense, an answer of another simulator, and a failure at the host fail their records',
      params: { ...FALL, with: { height: 'metres' } },
      models: ['falls'],
      schema: [{ name: 'metres', type: 'double' }],
      input: [{ metres: -1 }, { metres: 1 }, { metres: 2 }, { metres: 3 }],
      answers: [
        { response: { fault: { code: 'HEIGHT_NEGATIVE', message: 'a fall starts at a height of 0 m or more, not -1' } } },
        { response: { engine: 'rise', output: {}, version: 1 } },
        answered({ seconds: 'long', impactSpeed: 1, steps: 1 }),
        { failure: 'UPSTREAM_REFUSED', message: 'HTTP 400' },
      ],
      output: [
        { failed: 'HEIGHT_NEGATIVE' },
        { failed: 'RESPONSE_MALFORMED' },
        { failed: 'RESPONSE_MALFORMED' },
        { failed: 'UPSTREAM_REFUSED' },
      ],
    },
  ],
  gas: { perRecord: 50, per64Bytes: 2 },
  defaultId: (p) => p.as ?? `simulate-${p.engine}`,
  plan(p, context) {
    const known = context.models.includes(p.host);
    if (!known) {
      const hint = context.nearest(p.host, context.models) ?? `declare it: \`models: { ${p.host}: { url: "http://…/v1" } }\``;
      const expected = context.models.length === 0 ? {} : { expected: context.models.join(', ') };
      context.problem('host', `There is no host '${p.host}' under \`models\``, { ...expected, hint });
    }
    const shape = planShape(p, context);
    if (shape === undefined) return [];
    const writes: Schema = p.as === undefined ? shape.output : [{ name: p.as, type: { record: shape.output } }];
    const fits = writes.map((field) => planWrite(context, field.name, field.type, p.as === undefined ? 'engine' : 'as'));
    if (!known || fits.includes(false)) return [];
    const reads = Object.values(shape.inputs).flatMap((input) => ('field' in input ? [rootOf(input.field)] : []));
    const { engine, as, draw } = p;
    const { version, settings, inputs, output } = shape;
    return [
      {
        params: toJson({ host: p.host, engine, version, as, with: inputs, params: settings, output, draw }),
        reads: [...new Set(reads)],
        writes,
      },
    ];
  },
  open(op, env) {
    const p = openParams(planned, op.params, 'simulate-hosted');
    const inputs = Object.entries(p.with).map(([name, from]) => ({ name, read: readerOf(from) }));
    return {
      question(input, row, out) {
        const candidate = input.candidate(row);
        const given: Record<string, Json> = {};
        for (const { name, read } of inputs) {
          const value = jsonOf(read(input, row));
          if (value === undefined) {
            out.fail(row, 'INPUT_UNSENDABLE', `input '${name}' is no text, number, truth value or record of them`);
            return undefined;
          }
          given[name] = value;
        }
        const seed = toHex(env.draws.bytes(candidate, 'seed', p.draw));
        const { host: model, engine, version } = p;
        const request = canonicalBytes({
          model,
          engine,
          ...(version === undefined ? {} : { version }),
          params: p.params,
          input: given,
          seed,
        });
        if (request.length > REQUEST_LIMIT_BYTES) {
          out.fail(row, 'REQUEST_TOO_LARGE', `the request has ${request.length} bytes, at most ${REQUEST_LIMIT_BYTES} can be asked`);
          return undefined;
        }
        return { step: op.id, opDigest: env.questionDigest, candidate, draw: p.draw, model, request, api: 'simulations' };
      },
      answer(_input, row, answer, out) {
        const read = answer.kind === 'failure' ? answer : readSimulation(answer.response, p);
        if ('code' in read) {
          out.fail(row, read.code, read.message);
          return;
        }
        out.charge(Math.ceil(answer.response.length / GAS_OUTPUT_BYTES));
        if (p.as !== undefined) out.setValue(p.as, row, read.output);
        else for (const { name } of p.output) out.setValue(name, row, read.output[name] ?? null);
      },
    };
  },
});

interface Shape {
  readonly version: number | undefined;
  readonly settings: unknown;
  readonly inputs: Record<string, Source>;
  readonly output: readonly Field[];
}

/** Of a simulator that is known here, or as the author declares it; undefined when something was reported. */
function planShape(p: Params, context: PlanContext): Shape | undefined {
  const engine = context.engines.find((known) => known.name === p.engine);
  if (engine !== undefined && p.output === undefined) {
    const settings = planSettings(engine, p.params, context);
    const inputs = planInputs(engine, p.with, context);
    const scalars = engine.output.every(({ type }) => scalarType.safeParse(type).success);
    if (!scalars) context.problem('engine', `Engine '${engine.name}' gives fields that are no scalars, and can't be hosted`);
    if (settings === undefined || inputs === undefined || !scalars) return undefined;
    return { version: engine.version, settings: settings.params, inputs, output: engine.output };
  }
  if (p.output === undefined || Object.keys(p.output).length === 0) {
    const hint =
      context.nearest(
        p.engine,
        context.engines.map(({ name }) => name),
      ) ?? 'declare what it gives: `output: { field: double }`, and its inputs under `with`';
    context.problem('output', `The simulator '${p.engine}' is not known here, and its output is not declared`, { hint });
    return undefined;
  }
  const inputs: Record<string, Source> = {};
  let good = true;
  for (const [name, from] of Object.entries(p.with)) {
    const input = normalise(from, name);
    inputs[name] = input;
    if ('field' in input && context.fieldType(input.field, `with.${name}`) === undefined) good = false;
  }
  if (!good) return undefined;
  return { version: undefined, settings: p.params, inputs, output: Object.entries(p.output).map(([name, type]) => ({ name, type })) };
}

/** As JSON holds it exactly; undefined for what it can't hold. */
function jsonOf(value: Value): Json | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number')
    return Number.isFinite(value) && (!Number.isInteger(value) || Math.abs(value) <= LONG_LIMIT) ? value : undefined;
  if (value instanceof Uint8Array) return undefined;
  if (Array.isArray(value)) {
    const items = value.map(jsonOf);
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  if (typeof value !== 'object') return undefined;
  const fields: Record<string, Json> = {};
  for (const [name, inner] of Object.entries(value as Row)) {
    const json = jsonOf(inner);
    if (json === undefined) return undefined;
    fields[name] = json;
  }
  return fields;
}
