/** Laws of topics, names and addresses. */
import { describe, expect, it } from 'vitest';
import { START, codeOf, note, outcomeCode, rejection } from '../support/log-tools.ts';
import type { LogAdapter } from './log-laws.ts';

export function describeTopics(adapter: LogAdapter): void {
  describe('topics', () => {
    it('the same spec again is fine, another spec of the same name is refused', async () => {
      const log = await adapter.open();
      const spec = { name: 'orders', partitions: 2, cleanup: 'keep' } as const;
      await log.createTopic(spec);
      await log.createTopic(spec);
      const other = await adapter.reopen(log);
      await other.createTopic(spec);
      expect(codeOf(await rejection(other.createTopic({ ...spec, partitions: 3 })))).toBe('USAGE');
      expect(codeOf(await rejection(other.createTopic({ ...spec, cleanup: 'compact' })))).toBe('USAGE');
      expect(await log.topics()).toEqual([spec]);
    });

    it('topics are listed in order of name, by prefix, with their spec, by every handle', async () => {
      const log = await adapter.open();
      for (const name of ['b.two', 'a', 'b.one']) await log.createTopic({ name, partitions: name.length, cleanup: 'compact' });
      const other = await adapter.reopen(log);
      expect((await other.topics()).map(({ name }) => name)).toEqual(['a', 'b.one', 'b.two']);
      expect(await other.topics('b.')).toEqual([
        { name: 'b.one', partitions: 5, cleanup: 'compact' },
        { name: 'b.two', partitions: 5, cleanup: 'compact' },
      ]);
      expect(await other.topics('c')).toEqual([]);
    });

    it('two handles that make the same topic at once agree on one', async () => {
      const log = await adapter.open();
      const other = await adapter.reopen(log);
      const spec = { name: 'shared', partitions: 3, cleanup: 'keep' } as const;
      await Promise.all([log.createTopic(spec), other.createTopic(spec), log.createTopic(spec)]);
      expect(await log.topics()).toEqual([spec]);
    });

    it.each([
      ['an empty name', { name: '', partitions: 1 }],
      ['a slash in the name', { name: 'a/b', partitions: 1 }],
      ['a name of 201 characters', { name: 'x'.repeat(201), partitions: 1 }],
      ['no partitions', { name: 'a', partitions: 0 }],
      ['1,025 partitions', { name: 'a', partitions: 1025 }],
      ['half a partition', { name: 'a', partitions: 1.5 }],
    ])('a topic with %s is refused and not made', async (_, spec) => {
      const log = await adapter.open();
      expect(codeOf(await rejection(log.createTopic({ ...spec, cleanup: 'keep' })))).toBe('USAGE');
      expect(await log.topics()).toEqual([]);
    });

    it.each(['', 'with space', 'ü', 'x'.repeat(201)])('the owner name %j is refused', async (owner) => {
      const log = await adapter.open();
      expect(codeOf(await rejection(log.openWriter(owner)))).toBe('USAGE');
    });

    it('an unknown topic or partition is NOT_FOUND, and the error names what there is', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 'verified', partitions: 2, cleanup: 'keep' });
      const misspelt = await rejection(log.read('verifed', 0, START));
      expect(codeOf(misspelt)).toBe('NOT_FOUND');
      expect(misspelt.hint).toContain('verified');
      const signal = AbortSignal.abort();
      for (const partition of [2, -1, 0.5]) {
        expect(codeOf(await rejection(log.read('verified', partition, START)))).toBe('NOT_FOUND');
        expect(codeOf(await rejection(log.end('verified', partition)))).toBe('NOT_FOUND');
        expect(codeOf(await rejection(log.waitBeyond('verified', partition, START, signal)))).toBe('NOT_FOUND');
      }
    });

    it('a commit to an unknown topic or partition is aborted as a whole and leaves its writer alive', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 'known', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      for (const bad of [note('unknown', 0, 'x'), note('known', 1, 'x')]) {
        const outcome = await writer.commit([note('known', 0, 'lost'), bad]);
        expect(outcome).toMatchObject({ status: 'aborted', writerDead: false });
        expect(outcomeCode(outcome)).toBe('NOT_FOUND');
      }
      expect((await writer.commit([note('known', 0, 'kept')])).status).toBe('committed');
      await writer.waitVisible();
      expect((await log.read('known', 0, START)).entries).toHaveLength(1);
    });

    it('size tells bytes that grow with what is committed', async () => {
      const log = await adapter.open();
      await log.createTopic({ name: 'grow', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const before = (await log.size()).bytes;
      await writer.commit([{ topic: 'grow', partition: 0, value: new Uint8Array(500_000).fill(7) }]);
      await writer.waitVisible();
      expect((await log.size()).bytes - before).toBeGreaterThan(400_000);
    });
  });
}
