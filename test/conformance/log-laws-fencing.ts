/** Laws of fencing (P2): one owner has one living writer, and taking over settles what the earlier one did. */
import { describe, expect, it } from 'vitest';
import type { CommitOutcome, LogWriter } from '#engine';
import { commitVisibly, note, readTexts } from '../support/log-tools.ts';
import type { LogAdapter } from './log-laws.ts';

/** Far more than any log can do before a writer is opened. */
const MOST_COMMITS = 3_000;
const SPEC = { name: 't', partitions: 2, cleanup: 'keep' } as const;

export function describeFencing(adapter: LogAdapter): void {
  describe('fencing', () => {
    it('a new writer of an owner ends the earlier one, in the same handle or another', async () => {
      const log = await adapter.open();
      await log.createTopic(SPEC);
      const other = await adapter.reopen(log);
      const first = await log.openWriter('owner');
      await commitVisibly(first, [note('t', 0, 'first')]);
      const second = await other.openWriter('owner');
      expect(await first.commit([note('t', 0, 'stale'), note('t', 1, 'stale')])).toMatchObject({ status: 'aborted', writerDead: true });
      await commitVisibly(second, [note('t', 0, 'second')]);
      const third = await other.openWriter('owner');
      expect(await second.commit([note('t', 0, 'stale')])).toMatchObject({ status: 'aborted', writerDead: true });
      expect(await first.commit([note('t', 0, 'stale')])).toMatchObject({ status: 'aborted', writerDead: true });
      await commitVisibly(third, [note('t', 0, 'third')]);
      expect(await readTexts(log, 't', 0)).toEqual(['first', 'second', 'third']);
      expect(await readTexts(other, 't', 1)).toEqual([]);
    });

    it('a writer that never committed is fenced as well', async () => {
      const log = await adapter.open();
      await log.createTopic(SPEC);
      const idle = await log.openWriter('owner');
      await log.openWriter('owner');
      expect(await idle.commit([note('t', 0, 'stale')])).toMatchObject({ status: 'aborted', writerDead: true });
      expect(await readTexts(log, 't', 0)).toEqual([]);
    });

    it('owners do not fence each other', async () => {
      const log = await adapter.open();
      await log.createTopic(SPEC);
      const writers = [await log.openWriter('a'), await log.openWriter('a/b'), await log.openWriter('A')];
      for (const [n, writer] of writers.entries()) await commitVisibly(writer, [note('t', 0, String(n))]);
      for (const [n, writer] of writers.entries()) await commitVisibly(writer, [note('t', 0, String(n))]);
      expect(await readTexts(log, 't', 0)).toEqual(['0', '1', '2', '0', '1', '2']);
    });

    it('a commit of an earlier writer is readable when openWriter resolves, or never', async () => {
      const log = await adapter.open();
      await log.createTopic(SPEC);
      const other = await adapter.reopen(log);
      for (let round = 0; round < 4; round++) {
        const outcomes = new Map<string, CommitOutcome>();
        const committing = commitUntilDead(await log.openWriter('owner'), round, outcomes);
        if (round % 2 === 1) await other.waitBeyond('t', 0, await other.end('t', 0), new AbortController().signal);
        await other.openWriter('owner');
        const visible = await readTexts(other, 't', 0);
        await committing;
        expect(await readTexts(other, 't', 0)).toEqual(visible);
        for (const [value, { status }] of outcomes) {
          if (status === 'committed') expect(visible).toContain(value);
          if (status === 'aborted') expect(visible).not.toContain(value);
        }
        expect(await readTexts(other, 't', 1)).toEqual(visible);
      }
    });
  });
}

/** Commits numbered notes to both partitions until the writer is told that it is dead. */
async function commitUntilDead(writer: LogWriter, round: number, outcomes: Map<string, CommitOutcome>): Promise<void> {
  for (let n = 0; n < MOST_COMMITS; n++) {
    const value = `${round}.${n}`;
    const outcome = await writer.commit([note('t', 0, value), note('t', 1, value)]);
    outcomes.set(value, outcome);
    if (outcome.status === 'unknown' || (outcome.status === 'aborted' && outcome.writerDead)) return;
  }
  throw new Error(`The earlier writer could still commit after ${MOST_COMMITS} commits`);
}
