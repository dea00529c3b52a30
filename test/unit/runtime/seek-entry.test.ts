/** Looking for a place in an ordered partition: nothing that is wanted lies before it, and what is read to find it does not grow with the partition. */
import { describe, expect, it } from 'vitest';
import { seekEntry } from '../../../engine/runtime/seek-entry.ts';
import { LimitedLog } from '../../support/limited-log.ts';
import { commitVisibly, note, readAll, text } from '../../support/log-tools.ts';
import { withQuickLog } from '../../support/run-support.ts';

const ENTRIES = 5_000;
/** Each number stands so many times: entries of one task follow each other. */
const TIMES = 3;

describe('seekEntry', () => {
  it.each([0, 2_100])('finds any place of a partition that begins at %i', async (begin) => {
    await withQuickLog(async (real) => {
      const log = new LimitedLog(real);
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      await commitVisibly(
        writer,
        Array.from({ length: ENTRIES }, (_, n) => note('t', 0, String(Math.floor(n / TIMES)))),
      );
      await writer.close();
      log.forget('t', 0, begin);
      const all = await readAll(log, 't', 0);
      for (const wanted of [0, 1, 333, 700, 701, 1_200, 1_666, 9_999]) {
        log.reads.clear();
        const from = await seekEntry(log, 't', 0, ({ value }) => Number(text(value)) < wanted);
        expect(log.reads.get('t') ?? 0).toBeLessThanOrEqual(4);
        const first = all.find(({ value }) => Number(text(value)) >= wanted)?.offset ?? ENTRIES;
        expect(from).toBeGreaterThanOrEqual(begin);
        expect(from).toBeLessThanOrEqual(first);
        expect(first - from).toBeLessThanOrEqual(1_000);
      }
    });
  });
});
