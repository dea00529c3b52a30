/**
 * The leaves of a run in canonical order (k, stage, partition, block, op), read from the proofs topic: for task k those of its
 * accepted attempt, then those of every keyed step. Holds early ones only, which the window bounds.
 */
import { MizuError } from '../contract/errors.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { Program } from '../contract/program.ts';
import { keyOfValue, PartJoiner } from './frame-parts.ts';
import { decodeLeaves } from './leaf-batch.ts';
import { LogCursor } from './log-cursor.ts';
import { PROOF_PARTITIONS } from './topics.ts';

export interface LeafGroup {
  readonly stage: number;
  /** −1 for a task. */
  readonly partition: number;
  /** Encoded leaves in order of block and op. */
  readonly leaves: readonly Uint8Array[];
}

export class LeafStream {
  private readonly cursors: readonly LogCursor[];
  private readonly held = new Map<number, Map<string, Uint8Array>>();
  private readonly topic: string;
  private readonly joiner: PartJoiner;
  private readonly groups: readonly { readonly stage: number; readonly partition: number }[];

  constructor(log: Log, topic: string, program: Program) {
    this.topic = topic;
    this.joiner = new PartJoiner(topic);
    this.cursors = Array.from({ length: PROOF_PARTITIONS }, (_, partition) => new LogCursor(log, topic, partition));
    this.groups = program.stages.flatMap((stage) =>
      stage.kind === 'source'
        ? [{ stage: 0, partition: -1 }]
        : Array.from({ length: stage.partitions }, (_, partition) => ({ stage: stage.index, partition })),
    );
  }

  /** All leaves of task k, waiting for those that are not committed yet; undefined when the signal aborts. */
  async task(k: number, attempt: number, signal: AbortSignal): Promise<LeafGroup[] | undefined> {
    const cursor = this.cursors[k % PROOF_PARTITIONS] as LogCursor;
    const names = this.groups.map(({ stage, partition }) => `${stage}/${partition}/${k}/${stage === 0 ? attempt : 0}`);
    for (;;) {
      const held = this.held.get(k);
      if (held !== undefined && names.every((name) => held.has(name))) {
        this.held.delete(k);
        return this.groups.map((group, n) => ({ ...group, leaves: decodeLeaves(held.get(names[n] as string) as Uint8Array) }));
      }
      const entry = await cursor.take();
      if (entry !== undefined) this.hold(entry, k);
      else if (!(await cursor.wait(signal))) return undefined;
    }
  }

  private hold(entry: LogEntry, k: number): void {
    const name = keyOfValue(entry);
    const parts = name.split('/');
    const owner = Number(parts[2]);
    if (parts.length !== 4 || !Number.isSafeInteger(owner))
      throw new MizuError('LOG_CORRUPT', `${this.topic}: an entry has the key '${name.slice(0, 80)}', expected stage/partition/k/attempt`);
    if (owner < k) return;
    const whole = this.joiner.take(name, entry);
    if (whole === undefined) return;
    const group = this.held.get(owner) ?? new Map<string, Uint8Array>();
    if (!group.has(name)) group.set(name, whole.value);
    this.held.set(owner, group);
  }
}
