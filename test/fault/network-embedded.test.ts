/** Law 4 on one machine: processes on an embedded log are killed, stopped and doubled by a seeded plan; `npm run faults -- --log embedded --seeds A..B` plays more. */
import { describe, expect, it } from 'vitest';
import { kindsOf, planOf, planText } from './network/plan.ts';
import { play } from './network/play.ts';

const SEEDS = [3_507, 17_655];
/** What these seeds hold between them; which others do, `kindsOf` tells. */
const KINDS = [
  ...['kill orchestrator', 'kill checkpointer', 'kill node', 'kill twice', 'freeze', 'double', 'rivals', 'disk'],
  ...['old control', 'counted', 'filed'],
];
const PLAY_LIMIT_MS = 600_000;

describe('a network on an embedded log loses nothing, repeats nothing and ends with the root of an undisturbed run', () => {
  it('under every kind of fault that there is without a broker', () => {
    const kinds = new Set(SEEDS.flatMap((seed) => kindsOf(planOf(seed, 'embedded'))));
    expect(KINDS.filter((kind) => !kinds.has(kind))).toEqual([]);
  });

  it.each(SEEDS)(
    'whatever seed %i does to it',
    async (seed) => {
      const plan = planOf(seed, 'embedded');
      const played = await play(plan, () => {});
      expect(played.problems, planText(plan)).toEqual([]);
      expect(played.met).toBe(plan.faults.length);
      expect(played.records).toBeGreaterThan(1_000);
    },
    PLAY_LIMIT_MS,
  );
});
