/**
 * The smallest data engine: a mass falls without air, in fixed steps (semi-implicit Euler). It is plain arithmetic, so it shows
 * what an engine has to uphold, and serves the examples of `simulate` and quick tests.
 */
import { defineEngine, RecordFault } from '#kernel';
import { z } from 'zod';

/** Most steps of one fall: a day at 60 steps a second. */
export const FALL_STEP_LIMIT = 5_184_000;

const params = z.strictObject({
  gravity: z.number().positive().default(9.81).describe('Acceleration, m/s².'),
  stepsPerSecond: z.int().min(1).max(100_000).default(1000).describe('Steps of the integration per second.'),
});

export const freeFall = defineEngine({
  name: 'free-fall',
  version: 1,
  summary: 'A mass falls from a height without air.',
  description: 'Integrates in fixed steps until the ground is reached. Fails a record with HEIGHT_NEGATIVE or FALL_TOO_LONG.',
  params,
  input: [{ name: 'height', type: 'double' }],
  output: [
    { name: 'seconds', type: 'double' },
    { name: 'impactSpeed', type: 'double' },
    { name: 'steps', type: 'long' },
  ],
  check: {
    params: {},
    input: { height: 12.3 },
    seed: '00'.repeat(32),
    output: { seconds: 1.584, impactSpeed: 15.539039999999837, steps: 1584 },
  },
  async open({ gravity, stepsPerSecond }) {
    return {
      run(input) {
        let left = typeof input['height'] === 'number' ? input['height'] : Number.NaN;
        if (!(left >= 0)) throw new RecordFault('HEIGHT_NEGATIVE', `a fall starts at a height of 0 m or more, not ${left}`);
        let speed = 0;
        let steps = 0;
        while (left > 0) {
          if (steps === FALL_STEP_LIMIT) throw new RecordFault('FALL_TOO_LONG', `the fall takes more than ${FALL_STEP_LIMIT} steps`);
          speed += gravity / stepsPerSecond;
          left -= speed / stepsPerSecond;
          steps++;
        }
        return { output: { seconds: steps / stepsPerSecond, impactSpeed: speed, steps }, gas: steps };
      },
    };
  },
});
