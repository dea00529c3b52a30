/** Starts a process that uses a log (log-child.ts) and reads what it tells, line by line. */
import type { ChildOrders } from './log-child.ts';
import { startTelling, type TellingProcess } from './telling-process.ts';

export interface LogProcess extends Pick<TellingProcess<Record<string, unknown>>, 'process' | 'told' | 'ended'> {
  /** Resolves when that many lines were told; rejects with its standard error when it ended before. */
  hasTold(count: number): Promise<void>;
}

export function startLogProcess(orders: ChildOrders): LogProcess {
  const { process, told, errors, until, ended } = startTelling<Record<string, unknown>>([
    new URL('./log-child.ts', import.meta.url).pathname,
    JSON.stringify(orders),
  ]);
  const hasTold = async (count: number): Promise<void> => {
    if (await until(({ length }) => length >= count)) return;
    throw new Error(`The process ended after telling ${told.length} of ${count} lines. ${errors()}`);
  };
  return { process, told, hasTold, ended };
}
