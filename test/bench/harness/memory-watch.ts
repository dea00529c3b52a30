/** Samples the memory of processes, and what a run holds on the broker's disk, as series in MB. */
import type { BenchKafka } from './kafka.ts';
import { memoryOf } from './process-tree.ts';
import type { RoleMetrics } from './role-metrics.ts';
import { Series } from './series.ts';

const MEMORY_EVERY_MS = 1_000;
/** Asking costs the process some milliseconds. */
const HEAP_EVERY_MS = 5_000;
const DISK_EVERY_MS = 10_000;
const MEGABYTE = 1e6;
/** Topics of a run that forget by its retention. */
const FORGETS = /\.(?:frames-\d+|state-\d+|verified|rejected|failed|duplicates)$/;

export interface Watched {
  readonly pid: number;
  /** Of a process that plays roles. */
  readonly metrics: RoleMetrics | undefined;
}

export class MemoryWatch {
  /** By process: resident memory. */
  readonly resident = new Map<string, Series>();
  /** What else is worth seeing: JavaScript's part of it, and disk. */
  readonly others = new Map<string, Series>();
  private readonly kafka: BenchKafka;
  private readonly watched: ReadonlyMap<string, Watched>;
  private readonly isSource: (topic: string) => boolean;
  private readonly due = { memory: 0, heap: 0, disk: 0 };

  constructor(kafka: BenchKafka, watched: ReadonlyMap<string, Watched>, isSource: (topic: string) => boolean) {
    this.kafka = kafka;
    this.watched = watched;
    this.isSource = isSource;
  }

  /** Samples what is due. */
  async look(): Promise<void> {
    const now = performance.now();
    if (this.isDue('memory', now, MEMORY_EVERY_MS))
      for (const [name, { pid }] of this.watched) add(this.resident, name, now, memoryOf(pid));
    if (this.isDue('heap', now, HEAP_EVERY_MS)) await this.lookAtHeaps(now);
    if (this.isDue('disk', now, DISK_EVERY_MS)) await this.lookAtDisk(now);
  }

  private isDue(what: keyof typeof this.due, now: number, everyMs: number): boolean {
    if (now < this.due[what]) return false;
    this.due[what] = now + everyMs;
    return true;
  }

  private async lookAtHeaps(now: number): Promise<void> {
    for (const [name, { metrics }] of this.watched) {
      if (metrics === undefined) continue;
      const read = await metrics.read('nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes');
      add(this.others, `${name}: JS heap, main thread`, now, read.nodejs_heap_size_used_bytes);
      add(this.others, `${name}: outside the JS heap`, now, read.nodejs_external_memory_bytes);
    }
  }

  private async lookAtDisk(now: number): Promise<void> {
    const sizes = Object.entries(await this.kafka.tool.ask<Readonly<Record<string, number>>>('sizes', this.kafka.id));
    const sum = (keep: (topic: string) => boolean): number => sizes.reduce((all, [topic, bytes]) => all + (keep(topic) ? bytes : 0), 0);
    const forgets = (topic: string): boolean => this.isSource(topic) || FORGETS.test(topic);
    add(this.others, 'disk: source', now, sum(this.isSource));
    add(
      this.others,
      'disk: frames to published',
      now,
      sum((topic) => FORGETS.test(topic)),
    );
    add(
      this.others,
      'disk: kept for ever',
      now,
      sum((topic) => !forgets(topic)),
    );
  }
}

function add(series: Map<string, Series>, name: string, at: number, bytes: number): void {
  const one = series.get(name) ?? new Series();
  series.set(name, one);
  one.add(at, bytes / MEGABYTE);
}
