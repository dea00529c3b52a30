/** CPU time and memory of a process and all its descendants, from /proc (Linux only; elsewhere everything is 0). */
import { readdirSync, readFileSync } from 'node:fs';

/** sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
const KILOBYTE = 1024;

interface Stat {
  readonly parent: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name, in brackets, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [parent, user, system, pages] = [fields[1], fields[11], fields[12], fields[21]].map(Number);
    return { parent: parent ?? 0, cpuSeconds: ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND, bytes: (pages ?? 0) * PAGE_BYTES };
  } catch {
    return undefined;
  }
}

function treeOf(root: number): ReadonlyMap<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of proc()) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat !== undefined) stats.set(Number(name), stat);
  }
  const isBelow = (pid: number): boolean => pid === root || (pid > 1 && isBelow(stats.get(pid)?.parent ?? 0));
  return new Map([...stats].filter(([pid]) => isBelow(pid)));
}

function proc(): readonly string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

/** CPU of one process alone, seconds since it started. */
export function cpuSecondsOf(pid: number): number {
  return statOf(pid)?.cpuSeconds ?? 0;
}

/** Resident memory of one process alone, bytes. */
export function memoryOf(pid: number): number {
  return statOf(pid)?.bytes ?? 0;
}

/** The most resident memory that one process alone ever had, bytes. */
export function peakMemoryOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * KILOBYTE;
  } catch {
    return 0;
  }
}

/** Follows process trees; processes that ended keep what they used at the last look. */
export class TreeMeter {
  private readonly roots: readonly number[];
  private readonly used = new Map<number, number>();
  peakBytes = 0;

  constructor(roots: readonly number[]) {
    this.roots = roots;
  }

  /** CPU seconds of all processes seen so far. */
  look(): number {
    let bytes = 0;
    for (const root of this.roots) {
      for (const [pid, stat] of treeOf(root)) {
        this.used.set(pid, Math.max(stat.cpuSeconds, this.used.get(pid) ?? 0));
        bytes += stat.bytes;
      }
    }
    this.peakBytes = Math.max(this.peakBytes, bytes);
    return [...this.used.values()].reduce((sum, seconds) => sum + seconds, 0);
  }
}
