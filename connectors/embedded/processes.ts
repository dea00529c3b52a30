/** What can be told about another process of this machine by its id. */
import { readFileSync } from 'node:fs';

/** State `T` in proc(5) `stat`; systems without /proc just don't say. */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  } catch {
    return false;
  }
}
