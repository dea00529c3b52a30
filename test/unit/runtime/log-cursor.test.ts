/** One cursor over one partition: it holds what it read, and asks the log for nothing that it is about to read. */
import { expect, it } from 'vitest';
import type { Log } from '#engine';
import { LogCursor } from '../../../engine/runtime/log-cursor.ts';
import { LimitedLog } from '../../support/limited-log.ts';
import { withLog } from '../../support/log-embedded.ts';
import { commitVisibly, note, text } from '../../support/log-tools.ts';

const NEVER = new AbortController().signal;

class CountingLog extends LimitedLog {
  waits = 0;

  override waitBeyond(...args: Parameters<Log['waitBeyond']>): Promise<boolean> {
    this.waits++;
    return super.waitBeyond(...args);
  }
}

async function withCursor(use: (cursor: LogCursor, log: CountingLog, write: (value: string) => Promise<unknown>) => Promise<void>) {
  await withLog(async (beneath) => {
    await beneath.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
    const writer = await beneath.openWriter('w');
    const log = new CountingLog(beneath);
    await use(new LogCursor(log, 't', 0), log, (value) => commitVisibly(writer, [note('t', 0, value)]));
  });
}

it('waits for entries once: until they are read, whoever waits again is told at once', async () => {
  await withCursor(async (cursor, log, write) => {
    expect(await cursor.takeArrived()).toBeUndefined();
    await write('a');
    expect(await cursor.wait(NEVER)).toBe(true);
    expect(await cursor.wait(NEVER)).toBe(true);
    expect(log.waits).toBe(1);
    expect(text((await cursor.takeArrived())?.value)).toBe('a');
    expect(await cursor.takeArrived()).toBeUndefined();
    await write('b');
    expect(await cursor.wait(NEVER)).toBe(true);
    expect(log.waits).toBe(2);
    expect(text((await cursor.next(NEVER))?.value)).toBe('b');
  });
});

it('waits for nothing before its first read, nor while it holds entries', async () => {
  await withCursor(async (cursor, log, write) => {
    expect(await cursor.wait(NEVER)).toBe(true);
    await write('a');
    await write('b');
    expect(text((await cursor.take())?.value)).toBe('a');
    expect(await cursor.wait(NEVER)).toBe(true);
    expect(log.waits).toBe(0);
  });
});

it('ends a wait that is aborted, before and after its first read, and misses nothing that is there', async () => {
  await withCursor(async (cursor, _, write) => {
    const stop = new AbortController();
    stop.abort();
    expect(await cursor.next(stop.signal)).toBeUndefined();
    await write('a');
    expect(text((await cursor.next(stop.signal))?.value)).toBe('a');
    expect(await cursor.next(stop.signal)).toBeUndefined();
  });
});
