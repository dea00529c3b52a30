/**
 * The state of the keyed ops of one partition: the fold of the deltas of its steps (P14), each chained into the state that the leaves commit to. It is rebuilt
 * from deltas, from snapshots, or from both.
 */
import { invariant, MizuError } from '../contract/errors.ts';
import type { KeyedExecutor } from '../contract/executor.ts';
import { equalBytes, sha256 } from '../proof/sha256.ts';

/** State of a keyed op before its first step. */
export const STATE_START = new Uint8Array(32);

/** A keyed op of the stage: its step id, and what computes it. */
export interface KeyedPart {
  readonly id: string;
  readonly executor: KeyedExecutor;
}

/** What a snapshot of steps first … next−1 holds of one keyed op: its whole state after them, or the delta of each. */
export interface OpSnapshot {
  /** Chained state before `first` and after `next`−1, as the leaves commit to it. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly content: { readonly whole: Uint8Array } | { readonly deltas: readonly Uint8Array[] };
}

export class KeyedState {
  /** In order of execution. */
  private readonly parts: readonly KeyedPart[];
  private states: Uint8Array[];
  /** The next k this partition takes. Moved on by the machine that executes its steps. */
  next = 0;

  constructor(parts: readonly KeyedPart[]) {
    this.parts = parts;
    this.states = parts.map(() => STATE_START);
  }

  /** Takes over what the n-th keyed op did in a step. @returns its chained state. */
  apply(n: number, delta: Uint8Array): Uint8Array {
    this.parts[n]?.executor.apply(delta);
    const state = chainState(this.states[n] ?? STATE_START, delta);
    this.states[n] = state;
    return state;
  }

  /** Rebuilds the state from what was committed: the deltas of steps 0 … n−1. */
  restore(k: number, deltas: readonly Uint8Array[]): void {
    invariant(k === this.next, `deltas are applied in order: ${k} after ${this.next - 1}`);
    for (const [n, { id }] of this.parts.entries()) {
      const delta = deltas[n];
      if (delta === undefined) throw new MizuError('BYTES_INVALID', `State of step ${k}: the delta of '${id}' is missing`);
      this.apply(n, delta);
    }
    this.next = k + 1;
  }

  /** Chained state of each keyed op, in order. */
  get chained(): readonly Uint8Array[] {
    return this.states;
  }

  /** Step ids of the keyed ops, in order. */
  get ids(): readonly string[] {
    return this.parts.map((part) => part.id);
  }

  /** The whole state of each keyed op that can give it (P14); undefined for those that are rebuilt from deltas. */
  wholeStates(): readonly (Uint8Array | undefined)[] {
    return this.parts.map(({ executor }) => executor.snapshot?.());
  }

  /** The first step whose deltas a successor still needs; `next` itself if it needs none. */
  get horizon(): number {
    return Math.min(this.next, ...this.growing().map((executor) => Math.max(0, executor.horizon?.(this.next) ?? 0)));
  }

  /** Whether the horizon moves on with the steps, so that old snapshots are needed no more. */
  get forgets(): boolean {
    return this.growing().every((executor) => executor.horizon !== undefined);
  }

  /**
   * Takes a snapshot over, before the first step or after the snapshot that ends where this one begins. Deltas must lead from the state before
   * to the one after; a whole state is taken from the last snapshot alone. @throws BYTES_INVALID, and then the machine is of no more use.
   */
  restoreSnapshot(first: number, next: number, ops: readonly OpSnapshot[], isLast: boolean): void {
    const { parts } = this;
    if (ops.length !== parts.length)
      throw new MizuError(
        'BYTES_INVALID',
        `Snapshot of steps ${first} to ${next - 1}: it is of ${ops.length} ops, the stage has ${parts.length}`,
      );
    invariant(this.next === 0 || this.next === first, `snapshots are applied in order: ${first} after ${this.next - 1}`);
    for (const [n, { before, after, content }] of ops.entries()) {
      const executor = parts[n]?.executor;
      invariant(executor !== undefined, `there is a keyed op ${n}`);
      if (this.next > 0 && !equalBytes(before, this.states[n] ?? STATE_START)) throw foreignSnapshot(first, next, n);
      if ('deltas' in content) {
        let state = before;
        for (const delta of content.deltas) {
          executor.apply(delta);
          state = chainState(state, delta);
        }
        if (content.deltas.length !== next - first || !equalBytes(state, after)) throw foreignSnapshot(first, next, n);
      } else if (executor.restore === undefined) throw foreignSnapshot(first, next, n);
      else if (isLast) executor.restore(content.whole);
    }
    this.states = ops.map((op) => op.after);
    this.next = next;
  }

  /** Those whose snapshots are deltas. */
  private growing(): KeyedExecutor[] {
    return this.parts.map(({ executor }) => executor).filter((executor) => executor.snapshot === undefined);
  }
}

/** The state that a leaf commits to: H(state before ‖ H(delta)). */
export function chainState(state: Uint8Array, delta: Uint8Array): Uint8Array {
  return sha256(state, sha256(delta));
}

function foreignSnapshot(first: number, next: number, op: number): MizuError {
  return new MizuError(
    'BYTES_INVALID',
    `Snapshot of steps ${first} to ${next - 1}: the state of keyed op ${op} does not follow from the one before`,
  );
}
