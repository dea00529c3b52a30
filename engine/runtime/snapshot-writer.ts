/**
 * Collects what the steps of one partition add to its state, and says when a snapshot is due. Memory: the deltas since the last snapshot, which the
 * limits below bound, and a few numbers for each segment that will be forgotten one day.
 */
import { invariant } from '../contract/errors.ts';
import type { LogLimits } from '../contract/log.ts';
import type { OpSnapshot } from '../datavm/keyed-state.ts';
import type { StepMachine } from '../datavm/step-machine.ts';
import { STATE_START } from '../datavm/keyed-state.ts';
import { utf8 } from '../proof/sha256.ts';
import type { Committer } from './committer.ts';
import { partAppends } from './frame-parts.ts';
import type { Snapshot } from './snapshot.ts';
import { encodeSnapshot } from './snapshot.ts';

/** S of P14: steps between two snapshots, and so the most deltas that a successor reads. One commit more may follow before it is written. */
export const SNAPSHOT_STEPS = 256;
/** Or so many bytes of deltas: 120,000 keys of dedup. Hashing and writing that takes some 20 ms. */
export const SNAPSHOT_BYTES = 4 * 1024 * 1024;

export interface SnapshotPlace {
  readonly topic: string;
  readonly partition: number;
  readonly limits: LogLimits;
}

export interface SnapshotLimits {
  readonly steps: number;
  readonly bytes: number;
}

interface Segment {
  readonly slot: number;
  readonly next: number;
  readonly at: number;
}

export class SnapshotWriter {
  private readonly machine: StepMachine;
  private readonly limits: SnapshotLimits;
  /** Segments that a successor needs, oldest first. For ops that never forget only the first one stands here. */
  private live: Segment[] = [];
  /** Segments written so far, for ops that never forget. */
  private count = 0;
  private first = 0;
  private before: readonly Uint8Array[] = [];
  private steps: (readonly Uint8Array[])[] = [];
  private bytes = 0;

  constructor(machine: StepMachine, limits: SnapshotLimits = { steps: SNAPSHOT_STEPS, bytes: SNAPSHOT_BYTES }) {
    this.machine = machine;
    this.limits = limits;
  }

  /** What a step added, in order of k. Kept as copies: a small delta is a view, which would hold all of Node's pool (64 KiB) that it was cut from. */
  add(deltas: readonly Uint8Array[]): void {
    this.steps.push(deltas.map((delta) => new Uint8Array(delta)));
    for (const delta of deltas) this.bytes += delta.length;
  }

  private get due(): boolean {
    return this.steps.length >= this.limits.steps || this.bytes >= this.limits.bytes;
  }

  /** Commits a snapshot if one is due. By itself, after the steps: without it, a successor reads some deltas more. */
  async writeIfDue(committer: Committer, to: SnapshotPlace, at: { readonly resumeAt: number; readonly stateAt: number }): Promise<void> {
    if (!this.due) return;
    const snapshot = this.take(at);
    const append = {
      topic: to.topic,
      partition: to.partition,
      // The slot: compaction lets a segment go once its slot is used again.
      key: utf8(String(snapshot.slot)),
      value: encodeSnapshot(snapshot),
      headers: { first: String(snapshot.first), next: String(snapshot.next) },
    };
    const [first] = await committer.commit(partAppends(append, to.limits));
    invariant(first !== undefined, 'a snapshot has an entry');
    this.committed(snapshot, first);
  }

  private take(place: { readonly resumeAt: number; readonly stateAt: number }): Snapshot {
    const { machine } = this;
    const wholes = machine.state.wholeStates();
    const ops = machine.state.chained.map((after, n): OpSnapshot => {
      const whole = wholes[n];
      const content = whole === undefined ? { deltas: this.steps.map((deltas) => deltas[n] ?? new Uint8Array(0)) } : { whole };
      return { before: this.before[n] ?? STATE_START, after, content };
    });
    this.forget();
    return { first: this.first, next: machine.state.next, ...place, oldestAt: this.live[0]?.at, slot: this.freeSlot(), ops };
  }

  /** A snapshot stands on the log, its first entry at `at`. Called for each segment that is read back, too. */
  committed(snapshot: Snapshot, at: number): void {
    this.count = Math.max(this.count, snapshot.slot + 1);
    if (this.machine.state.forgets || this.live.length === 0) this.live.push({ slot: snapshot.slot, next: snapshot.next, at });
    this.first = snapshot.next;
    this.before = snapshot.ops.map((op) => op.after);
    this.steps = [];
    this.bytes = 0;
  }

  private freeSlot(): number {
    if (!this.machine.state.forgets) return this.count;
    const taken = new Set(this.live.map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot++;
    return slot;
  }

  private forget(): void {
    const { horizon } = this.machine.state;
    this.live = this.live.filter((segment) => segment.next > horizon);
  }
}
