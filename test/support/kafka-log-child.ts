/**
 * A process of its own that writes to a Kafka log, for suites that kill, stop or race it. Started as `node kafka-log-child.ts`, with its orders as
 * one JSON argument; tells what happened in lines of JSON on standard output.
 */
import { writeSync } from 'node:fs';
import { openKafkaLog } from '#connectors/kafka';
import { messageOf } from '#engine';
import { appendsOf } from './kafka-log-history.ts';
import { insideTransaction } from './kafka-log-inside.ts';

export interface ChildOrders {
  /** `write`: commits until killed. `hang`: begins a transaction, writes, and stays inside it until killed. */
  readonly act: 'write' | 'hang';
  readonly address: string;
  readonly owner: string;
}

const PADDING = 2_000;
const TRANSACTION_MS = 15_000;

/** Written at once: a killed process loses what a stream has buffered. */
function tell(line: unknown): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function write({ address, owner }: ChildOrders): Promise<void> {
  const log = await openKafkaLog({ address });
  const writer = await log.openWriter(owner);
  for (let n = 0; ; n++) {
    tell({ trying: n });
    const outcome = await writer.commit(appendsOf(`${owner} ${n}`, PADDING));
    tell(outcome.status === 'committed' ? { n, ...outcome } : { n, ...outcome, error: messageOf(outcome.error) });
    if (outcome.status === 'unknown' || (outcome.status === 'aborted' && outcome.writerDead)) break;
  }
  await log.close();
}

async function hang({ address, owner }: ChildOrders): Promise<void> {
  const { batches } = await insideTransaction(address, owner, TRANSACTION_MS, []);
  tell({ inside: batches.length });
}

if (import.meta.main) {
  const orders = JSON.parse(process.argv[2] ?? '{}') as ChildOrders;
  await (orders.act === 'write' ? write(orders) : hang(orders));
}
