/** Laws of commits: all or nothing, binary-exact, within limits. */
import { describe, expect, it } from 'vitest';
import type { Append } from '#engine';
import { bytes, commitVisibly, note, outcomeCode, readAll, readTexts, text } from '../support/log-tools.ts';
import type { LogAdapter } from './log-laws.ts';

export function describeCommits(adapter: LogAdapter): void {
  describe('commits', () => {
    it('a commit to many topics and partitions is readable as a whole, at the offsets it was told', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 'frames', partitions: 3, cleanup: 'keep' });
      await log.createTopic({ name: 'leaves', partitions: 1, cleanup: 'compact' });
      const writer = await log.openWriter('node-1');
      const appends: Append[] = [
        note('frames', 2, 'f2'),
        { topic: 'leaves', partition: 0, key: bytes('k1'), value: bytes('l1') },
        note('frames', 0, 'f0'),
        note('frames', 2, 'f2 again'),
      ];
      const offsets = await commitVisibly(writer, appends);
      expect(offsets).toHaveLength(appends.length);
      const other = await adapter.reopen(log);
      for (const [n, append] of appends.entries()) {
        const entry = (await readAll(other, append.topic, append.partition)).find((candidate) => candidate.offset === offsets[n]);
        expect(text(entry?.value)).toBe(text(append.value));
      }
      expect(await readTexts(other, 'frames', 1)).toEqual([]);
    });

    it('appends of one commit to one partition keep their order, and so do commits', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const offsets = [];
      for (let n = 0; n < 5; n++) offsets.push(...(await commitVisibly(writer, [note('t', 0, `${n}a`), note('t', 0, `${n}b`)])));
      expect(await readTexts(log, 't', 0)).toEqual(['0a', '0b', '1a', '1b', '2a', '2b', '3a', '3b', '4a', '4b']);
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
    });

    it('an aborted commit is never readable, and the next one is', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 'a', partitions: 2, cleanup: 'keep' });
      await log.createTopic({ name: 'tables', partitions: 1, cleanup: 'compact' });
      const writer = await log.openWriter('w');
      const keyless = await writer.commit([
        note('a', 0, 'lost'),
        note('a', 1, 'lost'),
        note('tables', 0, 'an entry of a compacted topic needs a key'),
      ]);
      expect(keyless).toMatchObject({ status: 'aborted', writerDead: false });
      expect(outcomeCode(keyless)).toBe('USAGE');
      await commitVisibly(writer, [note('a', 1, 'kept')]);
      expect(await readTexts(log, 'a', 0)).toEqual([]);
      expect(await readTexts(log, 'a', 1)).toEqual(['kept']);
      expect(await readTexts(log, 'tables', 0)).toEqual([]);
    });

    it('an empty list is committed at once and writes nothing', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      expect(await writer.commit([])).toEqual({ status: 'committed', offsets: [] });
      await writer.waitVisible();
      expect(await readTexts(log, 't', 0)).toEqual([]);
    });

    it('keys, values and headers come back as the bytes and the text they were', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const every = Uint8Array.from({ length: 256 }, (_, n) => n);
      const headers = {
        'content-type': 'avro',
        Ключ: 'значение',
        日本語: '水',
        emoji: '🌊\u0000\ufeff"\\',
        empty: '',
        __proto: 'x',
        '10': 'b',
        '2': 'a',
      };
      const appends: Append[] = [
        { topic: 't', partition: 0, key: every, value: every, headers },
        { topic: 't', partition: 0, value: new Uint8Array(0) },
        { topic: 't', partition: 0, key: new Uint8Array(0), value: bytes('an empty key is a key') },
        { topic: 't', partition: 0, value: every.subarray(100, 103), headers: {} },
      ];
      await commitVisibly(writer, appends);
      const read = await readAll(await adapter.reopen(log), 't', 0);
      expect(read.map(({ key, value }) => [key && [...key], [...value]])).toEqual(
        appends.map(({ key, value }) => [key && [...key], [...value]]),
      );
      expect(read.map((entry) => ({ ...entry.headers }))).toEqual([headers, {}, {}, {}]);
    });

    it('a committed value is not changed when the writer uses its buffer again', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const buffer = bytes('first');
      await commitVisibly(writer, [{ topic: 't', partition: 0, value: buffer }]);
      buffer.fill(0);
      expect(await readTexts(log, 't', 0)).toEqual(['first']);
    });

    it('an entry or a commit above the limits is refused before anything is written', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const tooLarge = new Uint8Array(log.limits.entryBytes + 1);
      const single = await writer.commit([note('t', 0, 'lost'), { topic: 't', partition: 0, value: tooLarge }]);
      expect(single).toMatchObject({ status: 'aborted', writerDead: false });
      expect(outcomeCode(single)).toBe('LOG_LIMIT');
      const fits = tooLarge.subarray(0, log.limits.entryBytes);
      const copies = Math.floor(log.limits.commitBytes / log.limits.entryBytes) + 1;
      const many = await writer.commit(Array.from({ length: copies }, () => ({ topic: 't', partition: 0, value: fits })));
      expect(many).toMatchObject({ status: 'aborted', writerDead: false });
      expect(outcomeCode(many)).toBe('LOG_LIMIT');
      await commitVisibly(writer, [note('t', 0, 'small')]);
      expect(await readTexts(log, 't', 0)).toEqual(['small']);
    });

    it('an entry of a megabyte comes back whole', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const value = Uint8Array.from({ length: Math.min(1_048_576, log.limits.entryBytes) }, (_, n) => (n * 31) ^ (n >> 8));
      await commitVisibly(await log.openWriter('w'), [{ topic: 't', partition: 0, value }]);
      const [entry] = await readAll(log, 't', 0);
      expect(Buffer.compare(entry?.value ?? new Uint8Array(0), value)).toBe(0);
    });

    it('a compacted topic keeps at least the newest entry of each key', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 'table', partitions: 1, cleanup: 'compact' });
      const writer = await log.openWriter('w');
      for (const [key, value] of [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ] as const) {
        await commitVisibly(writer, [{ topic: 'table', partition: 0, key: bytes(key), value: bytes(value) }]);
      }
      const table = new Map((await readAll(log, 'table', 0)).map(({ key, value }) => [text(key), text(value)]));
      expect(Object.fromEntries(table)).toEqual({ a: '3', b: '2' });
    });

    it('a closed writer commits nothing more', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      await commitVisibly(writer, [note('t', 0, 'before')]);
      await writer.close();
      await writer.close();
      expect(await writer.commit([note('t', 0, 'after')])).toMatchObject({ status: 'aborted', writerDead: true });
      expect(await readTexts(log, 't', 0)).toEqual(['before']);
    });
  });
}
