/** What every benchmark is: options in, a result out; what it made is undone by the cleanup it was given. */
import type { Cleanup } from './cleanup.ts';
import type { BenchResult } from './result.ts';

export interface BenchOptions {
  /** Input records; each benchmark has a default. */
  readonly records: number | undefined;
  /** Runs of each side; sides take turns, medians are shown. */
  readonly repeat: number;
  readonly nodes: number;
  /** Worker threads of each node. */
  readonly workers: number;
  /** `host:port` of a broker that is there already, and its process, for its CPU time. */
  readonly broker: { readonly address: string; readonly pid: number | undefined } | undefined;
  /** Sides to run: `mizu`, `peer` or both. */
  readonly sides: ReadonlySet<'mizu' | 'peer'>;
  /** latency, memory: records offered per second; each has its own meaning of none. */
  readonly rate: number | undefined;
  /** memory: measured time. */
  readonly minutes: number;
  readonly cleanup: Cleanup;
  /** Tells people what is going on. */
  note(text: string): void;
}

export type Bench = (options: BenchOptions) => Promise<BenchResult>;
