/** A stopped or busy process never hangs others: they are told LOG_BUSY with its number, and go on when it is gone. */
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { codeOf, commitVisibly, note, outcomeCode, readTexts, rejection } from '../support/log-tools.ts';
import { temporaryFolder, withLog } from '../support/log-embedded.ts';
import { startLogProcess } from '../support/log-process.ts';

describe('a log whose lock is held', () => {
  it('answers LOG_BUSY naming the stopped process, keeps serving reads and the event loop, and goes on when it is gone', async () => {
    await withLog(
      async (log, directory) => {
        await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
        const writer = await log.openWriter('w');
        await commitVisibly(writer, [note('t', 0, 'before')]);
        const holder = startLogProcess({ act: 'hold', directory });
        await holder.hasTold(1);
        holder.process.kill('SIGSTOP');
        try {
          let turns = 0;
          const turning = setInterval(() => turns++, 1);
          const outcome = await writer.commit([note('t', 0, 'lost')]);
          clearInterval(turning);
          expect(outcome).toMatchObject({ status: 'aborted', writerDead: false });
          expect(outcomeCode(outcome)).toBe('LOG_BUSY');
          if (outcome.status !== 'committed') expect(outcome.error.message).toContain(`process ${holder.process.pid}`);
          expect(turns).toBeGreaterThan(10);
          expect(codeOf(await rejection(log.openWriter('other')))).toBe('LOG_BUSY');
          expect(codeOf(await rejection(log.createTopic({ name: 'u', partitions: 1, cleanup: 'keep' })))).toBe('LOG_BUSY');
          expect(await readTexts(log, 't', 0)).toEqual(['before']);
        } finally {
          holder.process.kill('SIGKILL');
          await holder.ended;
        }
        await commitVisibly(writer, [note('t', 0, 'after')]);
        expect(await readTexts(log, 't', 0)).toEqual(['before', 'after']);
      },
      { lockDeadlineMs: 150 },
    );
  });
});

describe('several processes', () => {
  it('write and read one log at once, and each sees all that the others committed', async () => {
    const directory = temporaryFolder();
    try {
      const log = await openEmbeddedLog({ directory });
      await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
      const writers = ['a', 'b', 'c'].map((owner) => startLogProcess({ act: 'write', directory, owner, padding: 2_000, count: 25 }));
      const waiter = startLogProcess({ act: 'wait', directory, position: 149 });
      const mine = await log.openWriter('parent');
      for (let n = 0; n < 25; n++) await commitVisibly(mine, [note('t', 1, `parent ${n}`)]);
      await Promise.all([...writers.map(({ ended }) => ended), waiter.ended]);
      expect(waiter.told.at(-1)).toEqual({ reached: 150 });
      const texts = await readTexts(log, 't', 1);
      for (const owner of ['a', 'b', 'c', 'parent']) {
        expect(texts.filter((value) => value.startsWith(`${owner} `)).map((value) => value.split(' ')[1])).toEqual(
          Array.from({ length: 25 }, (_, n) => String(n)),
        );
      }
      await log.close();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('fence each other: a writer in another process ends the one here', async () => {
    await withLog(async (log, directory) => {
      await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
      const writer = await log.openWriter('same');
      await commitVisibly(writer, [note('t', 1, 'here')]);
      const thief = startLogProcess({ act: 'write', directory, owner: 'same', padding: 1, count: 1 });
      await thief.ended;
      expect(await writer.commit([note('t', 1, 'stale')])).toMatchObject({ status: 'aborted', writerDead: true });
      expect((await readTexts(log, 't', 1)).map((value) => value.slice(0, 6))).toEqual(['here', 'same 0']);
    });
  });

  it('see topics as they were at one moment, while others make them', async () => {
    await withLog(async (log, directory) => {
      const count = 300;
      const maker = startLogProcess({ act: 'topics', directory, count });
      let looks = 0;
      for (let seen = 0; seen < count; looks++) {
        seen = (await log.topics('made-')).length;
        await new Promise(setImmediate);
      }
      await maker.ended;
      expect(looks).toBeGreaterThan(count);
    });
  });

  it('open a log that is not there at the same time, and agree on one', async () => {
    const directory = temporaryFolder();
    try {
      const logs = await Promise.all([1, 2, 3].map(() => openEmbeddedLog({ directory })));
      const writers = ['a', 'b'].map((owner) => startLogProcess({ act: 'write', directory, owner, padding: 1, count: 3 }));
      await Promise.all(writers.map(({ ended }) => ended));
      for (const log of logs) {
        expect(await readTexts(log, 't', 1)).toHaveLength(6);
        await log.close();
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
