/** Law 4 on one machine: processes on an embedded log are killed, stopped and doubled by a seeded plan; `npm run faults -- --log embedded --seeds A..B` plays more. */
import { describe, expect, it } from 'vitest';
import { planOf, planText } from './network/plan.ts';
import { play } from './network/play.ts';

/** Between them: old control, a file with lines that can't be read, kills of all at once and twice, zombies, rivals, doubles, a full disk. */
const SEEDS = [0, 3];
const PLAY_LIMIT_MS = 420_000;

describe('a network on an embedded log loses nothing, repeats nothing and ends with the root of an undisturbed run', () => {
  it.each(SEEDS)(
    'whatever seed %i does to it',
    async (seed) => {
      const plan = planOf(seed, 'embedded');
      const played = await play(plan, () => {});
      expect(played.problems, planText(plan)).toEqual([]);
      expect(played.met).toBeGreaterThan(0);
      expect(played.records).toBeGreaterThan(1_000);
    },
    PLAY_LIMIT_MS,
  );
});
