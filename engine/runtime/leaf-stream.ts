/**
 * The leaves of a run in canonical order (k, stage, partition, block, op), read from the proofs topic: for task k those of its
 * accepted attempt, then those of every keyed step. A partition is read as far as the task that is waited for needs it, so what is held are early leaves only: of tasks
 * that were cut while that task was not published, which the window bounds, however far behind the reader is.
 */
import { invariant, MizuError, messageOf } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { Program } from '../contract/program.ts';
import type { WholeValue } from './frame-parts.ts';
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
  /** By task: its values by name, of attempts that don't count, too. */
  private readonly held = new Map<number, Map<string, WholeValue>>();
  private readonly topic: string;
  /** By partition. */
  private readonly joiners: readonly PartJoiner[];
  private readonly groups: readonly { readonly stage: number; readonly partition: number }[];

  /** `from`: by partition, the offset from which all leaves that will be asked for are found. */
  constructor(log: Log, topic: string, program: Program, from: readonly Offset[] = []) {
    this.topic = topic;
    this.joiners = Array.from({ length: PROOF_PARTITIONS }, () => new PartJoiner(topic));
    this.cursors = this.joiners.map((_, partition) => new LogCursor(log, topic, partition, from[partition]));
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
        return this.groups.map((group, n) => ({ ...group, leaves: this.leavesOf(held, k, names[n]) }));
      }
      const entry = await cursor.next(signal);
      if (entry === undefined) return undefined;
      this.hold(entry, k);
    }
  }

  /** By partition, the offset from which all leaves of the tasks that were not given yet are found. */
  resumeAt(): Offset[] {
    const from = this.cursors.map(({ position, partition }) => Math.min(position, this.joiners[partition]?.earliest ?? position));
    for (const [k, values] of this.held)
      for (const value of values.values()) from[k % PROOF_PARTITIONS] = Math.min(from[k % PROOF_PARTITIONS] ?? 0, value.offset);
    return from.map(offset);
  }

  private hold(entry: LogEntry, k: number): void {
    const name = keyOfValue(entry);
    const parts = name.split('/');
    const owner = Number(parts[2]);
    if (parts.length !== 4 || !Number.isSafeInteger(owner))
      throw new MizuError('LOG_CORRUPT', `${this.topic}: an entry has the key '${name.slice(0, 80)}', expected stage/partition/k/attempt`);
    if (owner < k) return;
    const whole = this.joiners[owner % PROOF_PARTITIONS]?.take(name, entry);
    if (whole === undefined) return;
    const group = this.held.get(owner) ?? new Map<string, WholeValue>();
    if (!group.has(name)) group.set(name, whole);
    this.held.set(owner, group);
  }

  /** @throws LOG_CORRUPT for what is no batch of leaves. */
  private leavesOf(held: ReadonlyMap<string, WholeValue>, k: number, name = ''): Uint8Array[] {
    const whole = held.get(name);
    invariant(whole !== undefined, 'a task is given once all its leaves are held');
    try {
      return decodeLeaves(whole.value);
    } catch (error) {
      const where = `${this.topic}, partition ${k % PROOF_PARTITIONS}, offset ${whole.offset}`;
      throw new MizuError('LOG_CORRUPT', `${where}: the leaves of task ${k} (${name}): ${messageOf(error)}`, {
        cause: error,
        component: where,
      });
    }
  }
}
