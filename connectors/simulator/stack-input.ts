/**
 * What a stack is made of, and the checks on it: the physics runs only on numbers inside these documented limits, anything else
 * fails the record, never the attempt.
 */
import { RecordFault } from '#kernel';
import type { Row, Schema } from '#kernel';

export const SHAPE_KINDS = ['box', 'cylinder', 'ball'] as const;
export type ShapeKind = (typeof SHAPE_KINDS)[number];

/** Most bodies in one stack: contacts, and so time, grow with them. */
export const BODIES_LIMIT = 32;

interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** Inclusive. Outside of them the solver's accuracy is not known, or the unit was probably mistaken. */
export const INPUT_RANGES = {
  density: { min: 1, max: 30_000, unit: 'kg/m³' },
  friction: { min: 0, max: 2, unit: 'coefficient' },
  restitution: { min: 0, max: 1, unit: 'coefficient' },
  width: { min: 0.02, max: 10, unit: 'm' },
  height: { min: 0.02, max: 10, unit: 'm' },
  depth: { min: 0.02, max: 10, unit: 'm' },
  bodies: { min: 1, max: BODIES_LIMIT, unit: 'bodies' },
  drop: { min: 0, max: 5, unit: 'm' },
  offset: { min: 0, max: 1, unit: 'of the width' },
  tilt: { min: 0, max: 0.5, unit: 'slope' },
} as const satisfies Record<string, Range>;

type NumberField = keyof typeof INPUT_RANGES;

export interface StackInput extends Readonly<Record<NumberField, number>> {
  readonly shape: ShapeKind;
}

/** Fields that a record brings. Sizes in metres; `drop` is the gap below each body; `offset` and `tilt` bound the seeded disorder. */
export const STACK_INPUT: Schema = [
  { name: 'density', type: 'double' },
  { name: 'friction', type: 'double' },
  { name: 'restitution', type: 'double' },
  { name: 'shape', type: 'string' },
  { name: 'width', type: 'double' },
  { name: 'height', type: 'double' },
  { name: 'depth', type: 'double' },
  { name: 'bodies', type: 'long' },
  { name: 'drop', type: 'double' },
  { name: 'offset', type: 'double' },
  { name: 'tilt', type: 'double' },
];

/** @throws RecordFault INPUT_OUT_OF_RANGE, INPUT_NOT_WHOLE or SHAPE_UNKNOWN, naming field, value and what was expected. */
export function readStackInput(row: Row): StackInput {
  const number = (name: NumberField): number => readNumber(row, name);
  const bodies = number('bodies');
  if (!Number.isInteger(bodies)) {
    throw new RecordFault('INPUT_NOT_WHOLE', `bodies is ${bodies}, expected a whole number`, { field: 'bodies', value: bodies });
  }
  return {
    density: number('density'),
    friction: number('friction'),
    restitution: number('restitution'),
    shape: readShape(row),
    width: number('width'),
    height: number('height'),
    depth: number('depth'),
    bodies,
    drop: number('drop'),
    offset: number('offset'),
    tilt: number('tilt'),
  };
}

function readNumber(row: Row, name: NumberField): number {
  const value = row[name];
  const { min, max, unit } = INPUT_RANGES[name];
  // Written so that NaN fails too.
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new RecordFault('INPUT_OUT_OF_RANGE', `${name} is ${String(value)}, expected ${min} to ${max} (${unit})`, {
      field: name,
      value: String(value),
      min,
      max,
    });
  }
  return value;
}

function readShape(row: Row): ShapeKind {
  const shape = SHAPE_KINDS.find((kind) => kind === row['shape']);
  if (shape === undefined) {
    throw new RecordFault('SHAPE_UNKNOWN', `shape is '${String(row['shape'])}', expected one of ${SHAPE_KINDS.join(', ')}`, {
      field: 'shape',
      value: String(row['shape']),
    });
  }
  return shape;
}
