/** Runs a data engine (a simulator) on each record. Same input and seed, same output, on every platform (law 1). */
import type { BlockView, EngineInstance, Row, Value } from '#kernel';
import { canonicalJson, defineOperator, engineDrift, MizuError, RecordFault } from '#kernel';
import { z } from 'zod';
import { newField, openParams, planWrite, rootOf, toJson } from '../fields.ts';
import { engineInputs, type InputReader, planInputs, planSettings, readerOf, source } from './engine-inputs.ts';

const params = z.strictObject({
  engine: z.string().min(1).describe('Name of the data engine.'),
  as: newField('Record field that receives the output; without it, each output field stands by itself.').optional(),
  with: engineInputs,
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
        engine,
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
    const drift = await engineDrift(engine);
    if (drift !== undefined) {
      throw new MizuError(
        'CHECK_FAILED',
        `The simulator '${engine.name}' computes other results on this machine: ${canonicalJson(drift.got)} in place of ${canonicalJson(drift.expected)}`,
        {
          component: op.id,
          hint: 'This machine can be no node for it; `mizu doctor` says more.',
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
