/**
 * kill -9 of writing processes at random moments (law 4): nothing that was told to be committed is lost, no commit is torn.
 * MIZU_KILLS sets how many kills, MIZU_SEED replays their moments.
 */
import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { readTexts } from '../support/log-tools.ts';
import { temporaryFolder } from '../support/log-embedded.ts';
import { startLogProcess } from '../support/log-process.ts';

const KILLS = Number(process.env['MIZU_KILLS'] ?? 5);
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

describe(`a killed writer (seed ${SEED})`, () => {
  it(`loses nothing committed and tears nothing, in ${KILLS} kills beside another writer`, async () => {
    const directory = temporaryFolder();
    const moments = fc.sample(
      fc.record({
        lines: fc.integer({ min: 1, max: 60 }),
        padding: fc.constantFrom(10, 3_000, 200_000),
        delay: fc.integer({ min: 0, max: 3 }),
      }),
      { seed: SEED, numRuns: KILLS },
    );
    try {
      for (const [round, { lines, padding, delay }] of moments.entries()) {
        const victim = startLogProcess({ act: 'write', directory, owner: `victim-${round}`, padding });
        const beside = startLogProcess({ act: 'write', directory, owner: `beside-${round}`, padding: 50, count: 20 });
        await victim.hasTold(lines);
        setTimeout(() => victim.process.kill('SIGKILL'), delay);
        await Promise.all([victim.ended, beside.ended]);
        expect(victim.process.signalCode).toBe('SIGKILL');
        expect(beside.told).toHaveLength(20);
        await expectWhole(directory, [`victim-${round}`, victim.told.length], [`beside-${round}`, 20]);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Each writer's commits are 0, 1, 2 … without a gap, at least as many as it told, twice in partition 0 and once in partition 1. */
async function expectWhole(directory: string, ...writers: readonly (readonly [owner: string, told: number])[]): Promise<void> {
  const log = await openEmbeddedLog({ directory });
  try {
    const [zero, one] = [await readTexts(log, 't', 0), await readTexts(log, 't', 1)];
    for (const [owner, told] of writers) {
      const numbers = (texts: readonly string[]): number[] =>
        texts.filter((value) => value.startsWith(`${owner} `)).map((value) => Number(value.split(' ')[1]));
      const committed = numbers(one);
      expect(committed).toEqual(Array.from({ length: committed.length }, (_, n) => n));
      expect(numbers(zero)).toEqual(committed.flatMap((n) => [n, n]));
      expect(committed.length).toBeGreaterThanOrEqual(told);
      // One commit may have been durable before it was told.
      expect(committed.length).toBeLessThanOrEqual(told + 1);
    }
  } finally {
    await log.close();
  }
}
