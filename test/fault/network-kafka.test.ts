/**
 * Law 4 on Kafka: processes are killed, also inside transactions, stopped and doubled, their disk is full, the broker dies, and the network between is cut, slowed
 * and silent, by a seeded plan. Each plan has a broker of its own; `npm run faults -- --log kafka --seeds A..B` plays more. The gateway: gateway-kill.test.ts.
 */
import { expect, it } from 'vitest';
import { describePart } from '../support/parts/describe-part.ts';
import { kindsOf, planOf, planText } from './network/plan.ts';
import { play } from './network/play.ts';

const SEEDS = [53_574, 55_094];
/** What these seeds hold between them; which others do, `kindsOf` tells. */
const KINDS = [
  ...[
    'kill orchestrator',
    'kill checkpointer',
    'kill node',
    'kill twice',
    'kill-inside node',
    'kill-inside step',
    'freeze',
    'double',
    'rivals',
  ],
  ...['disk', 'broker kill', 'cut', 'slow', 'silence', 'old control', 'registry down', 'topic', 'counted'],
];
const PLAY_LIMIT_MS = 600_000;

describePart('a network on Kafka loses nothing, repeats nothing and ends with the root of an undisturbed run', 'own-kafka', 'kafka', () => {
  it('under every kind of fault', () => {
    const kinds = new Set(SEEDS.flatMap((seed) => kindsOf(planOf(seed, 'kafka'))));
    expect(KINDS.filter((kind) => !kinds.has(kind))).toEqual([]);
  });

  it.each(SEEDS)(
    'whatever seed %i does to it',
    async (seed) => {
      const plan = planOf(seed, 'kafka');
      const played = await play(plan, () => {});
      expect(played.problems, planText(plan)).toEqual([]);
      expect(played.met).toBe(plan.faults.length);
      expect(played.records).toBeGreaterThan(1_000);
    },
    PLAY_LIMIT_MS,
  );
});
