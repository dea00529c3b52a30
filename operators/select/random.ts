/** A drawn value: whole number, decimal number, yes or no, or one of a few. The draw belongs to candidate, step and field (law 1). */
import type { Draws, FieldType, Value } from '#kernel';
import { defineOperator, LONG_LIMIT } from '#kernel';
import { z } from 'zod';
import { newField, openParams, planWrite, toJson } from '../fields.ts';
import { randomParam } from './random-param.ts';

/** Widest range of `integer`, values. */
export const INTEGER_SPAN_LIMIT = 2 ** 40;
/** Most values that `choice` may list. */
export const CHOICE_LIMIT = 1000;

/** 10^0 … 10^9. */
const POWERS_OF_TEN = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const whole = z.int().min(-LONG_LIMIT).max(LONG_LIMIT);
const params = z
  .strictObject({
    as: newField('Field that receives the value.'),
    random: randomParam,
    integer: z.tuple([whole, whole]).optional().describe('Whole number between these two, both included.'),
    number: z
      .tuple([z.number(), z.number()])
      .optional()
      .describe('Number between these two: lowest plus a fraction in [0, 1) of the width.'),
    decimals: z.int().min(0).max(9).optional().describe('With `number`: rounds to this many decimal places (0 to 9).'),
    chance: z.number().min(0).max(1).optional().describe('true with this probability, else false.'),
    choice: z
      .union([
        z.array(z.string()).min(1).max(CHOICE_LIMIT),
        z.array(z.number()).min(1).max(CHOICE_LIMIT),
        z.array(z.boolean()).min(1).max(CHOICE_LIMIT),
      ])
      .optional()
      .describe('One of these, all equally likely: texts, numbers, or true and false.'),
  })
  .refine((p) => [p.integer, p.number, p.chance, p.choice].filter((kind) => kind !== undefined).length === 1, {
    error: 'give exactly one of `integer`, `number`, `chance` and `choice`',
  })
  .refine((p) => p.decimals === undefined || p.number !== undefined, { error: '`decimals` goes with `number`' });

type Params = z.infer<typeof params>;

export const random = defineOperator({
  name: 'random',
  version: 1,
  group: 'select',
  kind: 'row',
  summary: 'Draw a random value from the workflow seed.',
  description:
    'Every value is HMAC-SHA-256 of the workflow seed, the step id, the candidate and the field, so it is the same on every machine and unchanged by later steps. ' +
    'Whole numbers and choices are uniform by rejection; numbers have 53 random bits.',
  params,
  examples: [
    {
      title: 'a range of one value',
      params: { as: 'n', integer: [-3, -3] },
      input: [{ id: 1 }],
      output: [{ row: { id: 1, n: -3 } }],
    },
    {
      title: 'certain and impossible',
      params: { as: 'yes', chance: 1 },
      input: [{ id: 1 }, { id: 2 }],
      output: [{ row: { id: 1, yes: true } }, { row: { id: 2, yes: true } }],
    },
    {
      title: 'a choice of one text beyond the BMP',
      params: { as: 'sign', choice: ['𝄞'] },
      input: [{ id: 1 }],
      output: [{ row: { id: 1, sign: '𝄞' } }],
    },
    {
      title: 'numbers are rounded to the asked places',
      params: { as: 'x', number: [0.1, 0.1], decimals: 1 },
      input: [{ id: 1 }],
      output: [{ row: { id: 1, x: 0.1 } }],
    },
  ],
  gas: { perRecord: 4, per64Bytes: 0 },
  defaultId: (p) => p.as,
  plan(p, context) {
    for (const kind of ['integer', 'number'] as const) {
      const range = p[kind];
      if (range === undefined || range[0] <= range[1]) continue;
      context.problem(kind, `The range goes from ${range[0]} down to ${range[1]}`, { expected: '[lowest, highest]' });
      return [];
    }
    if (p.integer !== undefined && p.integer[1] - p.integer[0] >= INTEGER_SPAN_LIMIT) {
      context.problem('integer', `The range holds ${p.integer[1] - p.integer[0] + 1} values`, { expected: 'at most 2^40' });
      return [];
    }
    if (p.number !== undefined && !Number.isFinite(p.number[1] - p.number[0])) {
      context.problem('number', 'The range is wider than a number can say', { expected: 'a finite width' });
      return [];
    }
    if (!planWrite(context, p.as, typeOf(p))) return [];
    const { random: source, ...drawn } = p;
    const random = source === 'vrf' ? 'vrf' : undefined;
    return [{ params: toJson(drawn), reads: [], writes: [{ name: p.as, type: typeOf(p) }], random }];
  },
  open(op, env) {
    const p = openParams(params, op.params, 'random');
    return {
      execute(input, out) {
        const draw = drawer(p, env.drawsFor(input));
        for (const row of input.rows) out.setValue(p.as, row, draw(input.candidate(row)));
      },
    };
  },
});

function typeOf(p: Params): FieldType {
  if (p.integer !== undefined) return 'long';
  if (p.number !== undefined) return 'double';
  if (p.chance !== undefined) return 'boolean';
  const choices: readonly Value[] = p.choice ?? [];
  if (choices.every((value) => typeof value === 'string')) return 'string';
  if (choices.every((value) => typeof value === 'boolean')) return 'boolean';
  return choices.every((value) => Number.isInteger(value) && Math.abs(Number(value)) <= LONG_LIMIT) ? 'long' : 'double';
}

function drawer(p: Params, draws: Draws): (candidate: number) => Value {
  const { as, integer, number, decimals, chance } = p;
  if (integer !== undefined) return (candidate) => integer[0] + draws.below(integer[1] - integer[0] + 1, candidate, as);
  if (number !== undefined) {
    const scale = POWERS_OF_TEN[decimals ?? 0] ?? 1;
    return (candidate) => {
      const value = number[0] + draws.unit(candidate, as) * (number[1] - number[0]);
      return decimals === undefined ? value : Math.round(value * scale) / scale;
    };
  }
  if (chance !== undefined) return (candidate) => draws.unit(candidate, as) < chance;
  const choices: readonly Value[] = p.choice ?? [];
  return (candidate) => choices[draws.below(choices.length, candidate, as)] ?? null;
}
