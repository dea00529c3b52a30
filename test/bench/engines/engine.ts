/** What a benchmark on Kafka needs of an engine that runs W1: the same of Mizu and of its peers. */
import type { BenchOptions } from '../harness/bench.ts';
import type { BenchKafka } from '../harness/kafka.ts';

export interface W1Run {
  readonly kafka: BenchKafka;
  readonly options: BenchOptions;
  /** Unique in the benchmark; in the name of every topic that the engine makes. */
  readonly id: string;
  /** Topic with the input lines, in 8 partitions. */
  readonly input: string;
  /** Whether the run ends with the records that are in the topic when it starts. */
  readonly finite: boolean;
}

export interface RunningEngine {
  /** Published records. */
  readonly output: string;
  readonly deadLetters: string;
  /** Roots of the engine's process trees. */
  pids(): readonly number[];
  /** When it took the first record, ms since 1970. @throws when a process ended. */
  startedAt(): Promise<number>;
  /** @throws when a process that should run has ended. */
  check(): void;
  /** kill -9 of what computes (of a peer: everything), and another one in its place. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

export interface W1Engine {
  /** As it stands in results. */
  readonly name: string;
  readonly side: 'mizu' | 'peer';
  /** How `output` writes a record: JSON text, or Avro in the Confluent wire format. */
  readonly form: 'json' | 'avro';
  start(run: W1Run): Promise<RunningEngine>;
}
