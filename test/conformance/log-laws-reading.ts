/** Laws of reading: pulled, bounded, committed only, and waking up. */
import { describe, expect, it } from 'vitest';
import type { Log } from '#engine';
import { commitVisibly, note, readAll, readTexts, START, text } from '../support/log-tools.ts';
import type { LogAdapter } from './log-laws.ts';

async function logWith(adapter: LogAdapter, values: readonly string[]): Promise<Log> {
  const log = await adapter.open();
  await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
  const writer = await log.openWriter('setup');
  if (values.length > 0)
    await commitVisibly(
      writer,
      values.map((value) => note('t', 0, value)),
    );
  await writer.close();
  return log;
}

export function describeReading(adapter: LogAdapter): void {
  describe('reading', () => {
    it('an empty partition gives an empty list and stays where the reader is', async () => {
      const log = await logWith(adapter, []);
      expect(await log.read('t', 1, START)).toEqual({ entries: [], next: START });
      const end = await log.end('t', 1);
      expect(await log.read('t', 1, end)).toEqual({ entries: [], next: end });
    });

    it('a read goes on where the last one ended, whatever its bounds, and gives every entry once', async () => {
      const values = Array.from({ length: 23 }, (_, n) => `value ${n}`);
      const log = await logWith(adapter, values);
      for (const options of [{}, { maxEntries: 1 }, { maxEntries: 7 }, { maxBytes: 20 }, { maxEntries: 3, maxBytes: 1 }]) {
        const read = await readAll(log, 't', 0, options);
        expect(read.map(({ value }) => text(value))).toEqual(values);
      }
    });

    it('a read never gives more than maxEntries, and stops after the entry that passes maxBytes', async () => {
      const log = await logWith(
        adapter,
        Array.from({ length: 10 }, (_, n) => String(n).repeat(1_000)),
      );
      expect((await log.read('t', 0, START, { maxEntries: 4 })).entries).toHaveLength(4);
      const { entries, next } = await log.read('t', 0, START, { maxBytes: 2_500 });
      expect(entries).toHaveLength(3);
      expect(next).toBeGreaterThan(entries.at(-1)?.offset ?? -1);
    });

    it('one entry is always delivered, however small maxBytes is', async () => {
      const log = await logWith(adapter, ['x'.repeat(50_000), 'y']);
      const { entries } = await log.read('t', 0, START, { maxBytes: 1 });
      expect(entries.map(({ value }) => value.length)).toEqual([50_000]);
    });

    it('offsets increase and a read starts at the offset asked for, or at the next one there is', async () => {
      const log = await logWith(adapter, ['a', 'b', 'c', 'd']);
      const all = await readAll(log, 't', 0);
      for (let n = 1; n < all.length; n++) expect(all[n]?.offset).toBeGreaterThan(all[n - 1]?.offset ?? Number.POSITIVE_INFINITY);
      for (const [n, entry] of all.entries()) {
        const { entries } = await log.read('t', 0, entry.offset);
        expect(entries.map(({ value }) => text(value))).toEqual(['a', 'b', 'c', 'd'].slice(n));
      }
    });

    it('every committed entry lies below the end, and reading from the end gives nothing until the next commit', async () => {
      const log = await logWith(adapter, ['a', 'b']);
      const end = await log.end('t', 0);
      for (const entry of await readAll(log, 't', 0)) expect(entry.offset).toBeLessThan(end);
      expect((await log.read('t', 0, end)).entries).toEqual([]);
      await commitVisibly(await log.openWriter('w'), [note('t', 0, 'c')]);
      expect(await log.end('t', 0)).toBeGreaterThan(end);
      expect((await log.read('t', 0, end)).entries.map(({ value }) => text(value))).toEqual(['c']);
      expect(await log.end('t', 1)).toBe(await (await adapter.reopen(log)).end('t', 1));
    });

    it('a commit through one handle is read through another, and both ways', async () => {
      const log = await logWith(adapter, []);
      const other = await adapter.reopen(log);
      await commitVisibly(await log.openWriter('one'), [note('t', 0, 'from one')]);
      expect(await readTexts(other, 't', 0)).toEqual(['from one']);
      await commitVisibly(await other.openWriter('two'), [note('t', 0, 'from two')]);
      expect(await readTexts(log, 't', 0)).toEqual(['from one', 'from two']);
    });

    it('neither commits nor reads in a loop keep other work of the process from running', async () => {
      const log = await logWith(adapter, []);
      const writer = await log.openWriter('w');
      let turns = 0;
      let looping = true;
      const turn = (): void => {
        turns++;
        if (looping) setImmediate(turn);
      };
      setImmediate(turn);
      for (let n = 0; n < 20; n++) await commitVisibly(writer, [note('t', 0, String(n))]);
      const afterCommits = turns;
      expect(await readAll(log, 't', 0, { maxEntries: 1 })).toHaveLength(20);
      looping = false;
      expect(afterCommits).toBeGreaterThan(10);
      expect(turns - afterCommits).toBeGreaterThan(10);
    });

    it('what was committed is there after every handle was closed', async () => {
      const log = await logWith(adapter, ['kept']);
      const other = await adapter.reopen(log);
      await log.close();
      await other.close();
      const again = await adapter.reopen(log);
      expect(await readTexts(again, 't', 0)).toEqual(['kept']);
      expect(again.network).toBe(log.network);
      expect(await again.topics()).toEqual([{ name: 't', partitions: 2, cleanup: 'keep' }]);
    });
  });

  describe('waiting', () => {
    it('a wait below the end is over at once', async () => {
      const log = await logWith(adapter, ['a']);
      expect(await log.waitBeyond('t', 0, START, new AbortController().signal)).toBe(true);
    });

    it('a commit wakes those who wait for its partition, through any handle', async () => {
      const log = await logWith(adapter, ['a']);
      const other = await adapter.reopen(log);
      const end = await log.end('t', 0);
      const { signal } = new AbortController();
      const waiting = [log.waitBeyond('t', 0, end, signal), other.waitBeyond('t', 0, end, signal), other.waitBeyond('t', 0, end, signal)];
      await commitVisibly(await log.openWriter('w'), [note('t', 0, 'b')]);
      expect(await Promise.all(waiting)).toEqual([true, true, true]);
      expect((await other.read('t', 0, end)).entries.map(({ value }) => text(value))).toEqual(['b']);
    });

    it('one signal serves many waits', async () => {
      const log = await logWith(adapter, []);
      const warnings: Error[] = [];
      const warned = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', warned);
      const controller = new AbortController();
      const waiting = Array.from({ length: 30 }, (_, n) => log.waitBeyond('t', n % 2, START, controller.signal));
      await commitVisibly(await log.openWriter('w'), [note('t', 0, 'wakes half of them')]);
      expect(await Promise.all(waiting.filter((_, n) => n % 2 === 0))).toEqual(Array.from({ length: 15 }, () => true));
      controller.abort();
      expect(await Promise.all(waiting.filter((_, n) => n % 2 === 1))).toEqual(Array.from({ length: 15 }, () => false));
      await new Promise(setImmediate);
      process.off('warning', warned);
      expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
    });

    it('an aborted signal ends a wait with false, before it began or during it, and no commit elsewhere ends it', async () => {
      const log = await logWith(adapter, ['a']);
      const end = await log.end('t', 0);
      expect(await log.waitBeyond('t', 0, end, AbortSignal.abort())).toBe(false);
      const controller = new AbortController();
      let over = false;
      const waiting = log.waitBeyond('t', 0, end, controller.signal).finally(() => {
        over = true;
      });
      await commitVisibly(await log.openWriter('w'), [note('t', 1, 'another partition')]);
      expect(await log.waitBeyond('t', 1, START, controller.signal)).toBe(true);
      expect(over).toBe(false);
      controller.abort();
      expect(await waiting).toBe(false);
    });

    it('a wait that is over when its log is closed does not hang', async () => {
      const log = await logWith(adapter, ['a']);
      const end = await log.end('t', 0);
      const waiting = log
        .waitBeyond('t', 0, end, new AbortController().signal)
        .then(String, (error: unknown) => (error instanceof Error ? 'error' : 'odd'));
      await log.close();
      expect(['false', 'error']).toContain(await waiting);
    });
  });
}
