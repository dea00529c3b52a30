/**
 * Data engine `stacks`: drops a stack of equal bodies on a floor, watches it for a number of steps, and says what became of it.
 * One world per run, freed at its end; nothing is kept between runs, so a result depends on input and seed alone (law 1).
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { defineEngine, RecordFault } from '#kernel';
import type { EngineCheck, Row, Schema } from '#kernel';
import { readStackInput, STACK_INPUT } from './stack-input.ts';
import type { StackWorld } from './stack-world.ts';

/** Two seconds at rapier's 1/60 s: a stack that falls has fallen. */
export const STEPS_DEFAULT = 120;
export const STEPS_LIMIT = 3_600;
/** Below both speeds for this many steps on end, a stack has settled. */
export const SETTLE_STEPS = 12;
/** m/s. */
export const SETTLE_SPEED = 0.05;
/** rad/s. */
export const SETTLE_SPIN = 0.1;
/** A body has fallen when its centre is lower than its place by this part of its height … */
export const FALLEN_DEPTH = 0.5;
/** … or its axis leans by more than 45°: the cosine of that. */
export const FALLEN_UPRIGHTNESS = Math.SQRT1_2;
/** A stack leans when its top has moved away from over its base by this part of the width. */
export const LEANING_PART = 0.15;
/** Speeds, energy and overlap are looked at after every so many steps, and after the last one. */
export const MEASURE_EVERY = 4;
/** Results are rounded to a millionth: far below what they mean, and short in every export. */
export const ROUNDING = 1e6;

export const STACK_OUTPUT: Schema = [
  { name: 'outcome', type: 'string' },
  { name: 'settled', type: 'boolean' },
  { name: 'settleStep', type: 'long' },
  { name: 'height', type: 'double' },
  { name: 'topDisplacement', type: 'double' },
  { name: 'fallen', type: 'long' },
  { name: 'maxPenetration', type: 'double' },
  { name: 'energyStart', type: 'double' },
  { name: 'kineticEnergy', type: 'double' },
  { name: 'energyGain', type: 'double' },
  { name: 'snapshot', type: 'string' },
];

/** A stack in the middle of its fall: contacts, friction and rotation are all at work. */
const STACK_CHECK: EngineCheck = {
  params: { steps: 60 },
  input: {
    density: 700,
    friction: 0.6,
    restitution: 0.2,
    shape: 'box',
    width: 0.4,
    height: 0.3,
    depth: 0.5,
    bodies: 3,
    drop: 0.05,
    offset: 0.3,
    tilt: 0.1,
  },
  seed: '6d697a75'.repeat(8),
  output: {
    outcome: 'collapses',
    settled: false,
    settleStep: 60,
    height: 0.576126,
    topDisplacement: 0.460135,
    fallen: 1,
    maxPenetration: 0.038125,
    energyStart: 902.323787,
    kineticEnergy: 67.445862,
    energyGain: 0.001033,
    snapshot: '965d98bc1ca2360656aed17f614c949e3c9271198e2f84b31c84e328e08d824e',
  },
};

const PARAMS = z.strictObject({
  steps: z.number().int().min(1).max(STEPS_LIMIT).default(STEPS_DEFAULT).describe(`Simulated steps of 1/60 s each, 1 to ${STEPS_LIMIT}.`),
});

export const stacks = defineEngine<z.infer<typeof PARAMS>>({
  name: 'stacks',
  version: 1,
  summary: 'Drops a stack of bodies on a floor and says whether it stands, leans or collapses.',
  description: [
    'A stack of equal boxes, cylinders or balls falls on a floor under 9.81 m/s² and is watched for `steps` steps of 1/60 s (rapier, deterministic build).',
    '`drop` is the gap below each body in metres; `offset` (part of the width) and `tilt` (slope) bound how far the seed moves and tilts each body.',
    'Results: `outcome` is `collapses` when a body has fallen (half its height below its place, or leaning by more than 45°), `leans` when the top stands',
    `away from over the base by more than ${LEANING_PART} of the width, else \`stands\`; \`fallen\` counts those bodies. \`settled\` says that all bodies were slower than ${SETTLE_SPEED} m/s and`,
    `${SETTLE_SPIN} rad/s for the last ${SETTLE_STEPS} steps or more, seen every ${MEASURE_EVERY} steps, after \`settleStep\` (= steps when not settled). \`height\` is that of the highest centre, \`topDisplacement\` how far the top body`,
    'is from over the base, `maxPenetration` the deepest overlap seen, all in metres. `energyStart` is the total energy at the start, `kineticEnergy` what still moves at the',
    "end, in joules; `energyGain` the largest rise of the total energy, as a part of that at the start: nothing drives the stack, so all of it is the solver's error. `snapshot` is the SHA-256 of the final world.",
    'Gas: steps × bodies.',
  ].join(' '),
  params: PARAMS,
  input: STACK_INPUT,
  output: STACK_OUTPUT,
  check: STACK_CHECK,
  async open({ steps }) {
    // Loaded for a program that simulates: the physics is two megabytes.
    const { StackWorld, startPhysics } = await import('./stack-world.ts');
    await startPhysics();
    return {
      run(row, seed) {
        const input = readStackInput(row);
        const world = new StackWorld(input, seed);
        try {
          return { output: watch(world, steps, input.bodies, input.width), gas: steps * input.bodies };
        } finally {
          world.free();
        }
      },
    };
  },
});

/** Runs the steps and measures. @throws RecordFault SIMULATION_DIVERGED when a measure is no finite number. */
function watch(world: StackWorld, steps: number, bodies: number, width: number): Row {
  const start = world.energy().total;
  let lowest = start;
  let gain = 0;
  let maxPenetration = 0;
  let lastFastStep = 0;
  for (let step = 1; step <= steps; step += 1) {
    world.step();
    if (step % MEASURE_EVERY !== 0 && step !== steps) continue;
    const { linear, angular } = world.fastest();
    if (linear > SETTLE_SPEED * SETTLE_SPEED || angular > SETTLE_SPIN * SETTLE_SPIN) lastFastStep = step;
    const { total } = world.energy();
    lowest = Math.min(lowest, total);
    gain = Math.max(gain, total - lowest);
    maxPenetration = Math.max(maxPenetration, world.penetration());
  }
  const settled = steps - lastFastStep >= SETTLE_STEPS;
  const { fallen, height } = fallenBodies(world, bodies);
  const topDisplacement = displacement(world, bodies - 1);
  const measured = {
    height: rounded(height),
    topDisplacement: rounded(topDisplacement),
    maxPenetration: rounded(maxPenetration),
    energyStart: rounded(start),
    kineticEnergy: rounded(world.energy().kinetic),
    energyGain: rounded(gain / start),
  };
  for (const [field, value] of Object.entries(measured)) {
    if (!Number.isFinite(value))
      throw new RecordFault('SIMULATION_DIVERGED', `${field} is ${value} after ${steps} steps`, { field, steps });
  }
  return {
    outcome: fallen > 0 ? 'collapses' : topDisplacement > LEANING_PART * width ? 'leans' : 'stands',
    settled,
    settleStep: settled ? lastFastStep : steps,
    fallen,
    ...measured,
    snapshot: createHash('sha256').update(world.snapshot()).digest('hex'),
  };
}

function fallenBodies(world: StackWorld, bodies: number): { readonly fallen: number; readonly height: number } {
  let fallen = 0;
  let height = 0;
  for (let i = 0; i < bodies; i += 1) {
    const { y } = world.centre(i);
    height = Math.max(height, y);
    const low = y < world.restingHeight(i) - FALLEN_DEPTH * world.bodyHeight;
    if (low || world.uprightness(i) < FALLEN_UPRIGHTNESS) fallen += 1;
  }
  return { fallen, height };
}

/** Horizontal distance of the centre of body i from that of the base, m. */
function displacement(world: StackWorld, i: number): number {
  const top = world.centre(i);
  const base = world.centre(0);
  const dx = top.x - base.x;
  const dz = top.z - base.z;
  return Math.sqrt(dx * dx + dz * dz);
}

/** To a millionth; never −0, which exports would show. */
function rounded(value: number): number {
  return Math.round(value * ROUNDING) / ROUNDING + 0;
}
