/**
 * Law 4 on Kafka: processes are killed, stopped and doubled, the broker dies, and the network between is cut, slowed and silent, by a seeded plan. Each plan has a
 * broker of its own; `npm run faults -- --log kafka --seeds A..B` plays more.
 */
import { expect, it } from 'vitest';
import { describePart } from '../support/parts/describe-part.ts';
import { planOf, planText } from './network/plan.ts';
import { play } from './network/play.ts';

const SEEDS = [0, 1];
const PLAY_LIMIT_MS = 600_000;

describePart('a network on Kafka loses nothing, repeats nothing and ends with the root of an undisturbed run', 'own-kafka', 'kafka', () => {
  it.each(SEEDS)(
    'whatever seed %i does to it',
    async (seed) => {
      const plan = planOf(seed, 'kafka');
      const played = await play(plan, () => {});
      expect(played.problems, planText(plan)).toEqual([]);
      expect(played.met).toBeGreaterThan(0);
      expect(played.records).toBeGreaterThan(1_000);
    },
    PLAY_LIMIT_MS,
  );
});
