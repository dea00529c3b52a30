/**
 * A process of its own that uses a log, for suites that kill, stop or race it. Started as `node log-child.ts`, with its
 * orders as one JSON argument; tells what happened in lines of JSON on standard output.
 */
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedLog } from '#connectors/embedded';
import { offset } from '#engine';
import { bytes, committedOffsets, note } from './log-tools.ts';

export type ChildOrders =
  /** Commits numbered, padded notes to partitions 0 and 1 of topic `t` until killed, or `count` of them. */
  | { readonly act: 'write'; readonly directory: string; readonly owner: string; readonly padding: number; readonly count?: number }
  /** Takes SQLite's write lock and keeps it until killed. */
  | { readonly act: 'hold'; readonly directory: string }
  /** Opens the log for reading only and tells the length of partition 0 of `t` and what error writing gives. */
  | { readonly act: 'read-only'; readonly directory: string; readonly uid?: number }
  /** Creates `count` topics, one after another. */
  | { readonly act: 'topics'; readonly directory: string; readonly count: number }
  /** Waits until partition 0 of `t` has passed `position`. */
  | { readonly act: 'wait'; readonly directory: string; readonly position: number };

/** Written at once: a killed process loses what a stream has buffered. */
function tell(line: unknown): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function write(orders: Extract<ChildOrders, { act: 'write' }>): Promise<void> {
  const log = await openEmbeddedLog({ directory: orders.directory });
  await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
  const writer = await log.openWriter(orders.owner);
  for (let n = 0; n < (orders.count ?? Number.POSITIVE_INFINITY); n++) {
    const value = `${orders.owner} ${n} ${'x'.repeat(orders.padding)}`;
    committedOffsets(await writer.commit([note('t', 0, value), note('t', 1, value), note('t', 0, value)]));
    tell({ committed: n });
    await new Promise(setImmediate);
  }
  await log.close();
}

async function readOnly(directory: string): Promise<void> {
  const log = await openEmbeddedLog({ directory, readOnly: true });
  const { entries } = await log.read('t', 0, offset(0));
  const refused = await log.openWriter('w').then(
    () => 'opened',
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'odd'),
  );
  tell({ entries: entries.length, refused });
  await log.close();
}

async function wait(directory: string, position: number): Promise<void> {
  const log = await openEmbeddedLog({ directory });
  await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
  tell({ waiting: position });
  await log.waitBeyond('t', 0, offset(position), new AbortController().signal);
  tell({ reached: await log.end('t', 0) });
  await log.close();
}

async function topics(directory: string, count: number): Promise<void> {
  const log = await openEmbeddedLog({ directory });
  for (let n = 0; n < count; n++) await log.createTopic({ name: `made-${n}`, partitions: 1, cleanup: 'keep' });
  await log.close();
}

async function hold(directory: string): Promise<void> {
  const log = await openEmbeddedLog({ directory });
  const db = new DatabaseSync(`${directory}/log.db`);
  db.exec('BEGIN IMMEDIATE');
  tell({ holding: bytes(log.network).length > 0 });
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}

async function obey(orders: ChildOrders): Promise<void> {
  switch (orders.act) {
    case 'write':
      return write(orders);
    case 'hold':
      return hold(orders.directory);
    case 'topics':
      return topics(orders.directory, orders.count);
    case 'wait':
      return wait(orders.directory, orders.position);
    case 'read-only':
      if (orders.uid !== undefined) process.setuid?.(orders.uid);
      return readOnly(orders.directory).catch((error: unknown) => {
        tell({
          error: error instanceof Error && 'code' in error ? error.code : String(error),
          message: error instanceof Error ? error.message : '',
        });
      });
  }
}

if (import.meta.main) await obey(JSON.parse(process.argv[2] ?? '{}') as ChildOrders);
