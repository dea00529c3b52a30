/** Collects the verdicts of one keyed op over one step; a duplicate names its winner (law 5). */
import { invariant } from '../contract/errors.ts';
import type { KeyedSink, Measured } from '../contract/executor.ts';
import type { Winner } from '../contract/storage.ts';
import type { Drop, Effect } from '../proof/effect.ts';
import { VERDICT } from '../proof/effect.ts';
import type { Batch } from './batch.ts';

export class KeyedRecorder implements KeyedSink {
  /** By row: 1 where the record left. */
  readonly gone: Uint8Array;
  private readonly batch: Batch;
  private readonly rowsBefore: Uint32Array;
  private readonly place: { readonly stage: number; readonly op: number; readonly step: string; readonly rule: string };
  private readonly drops = new Map<number, Drop>();
  private charged = 0;

  constructor(batch: Batch, place: { readonly stage: number; readonly op: number; readonly step: string; readonly rule: string }) {
    this.batch = batch;
    this.rowsBefore = batch.rows;
    this.place = place;
    this.gone = new Uint8Array(batch.length);
  }

  duplicate(row: number, winner: Winner): void {
    this.drop(row, { kind: 'duplicate', rule: '', measured: undefined, limit: undefined, winner });
  }

  reject(
    row: number,
    why: { readonly rule?: string; readonly measured?: Measured | undefined; readonly limit?: Measured | undefined },
  ): void {
    this.drop(row, { kind: 'rejected', rule: why.rule ?? this.place.rule, measured: why.measured, limit: why.limit, winner: undefined });
  }

  charge(gas: number): void {
    invariant(Number.isSafeInteger(gas) && gas >= 0, `gas is a whole number, not ${gas}`);
    this.charged += gas;
  }

  private drop(row: number, why: Pick<Drop, 'kind' | 'rule' | 'measured' | 'limit' | 'winner'>): void {
    this.gone[row] = 1;
    const { stage, op, step } = this.place;
    this.drops.set(row, { ...why, i: this.batch.candidate(row), stage, op, step, code: '', message: '', record: this.batch.record(row) });
  }

  finish(delta: Uint8Array): Effect {
    const verdicts = new Uint8Array(this.rowsBefore.length);
    const drops: Drop[] = [];
    this.rowsBefore.forEach((row, position) => {
      const drop = this.drops.get(row);
      if (drop === undefined) return;
      verdicts[position] = VERDICT[drop.kind];
      drops.push(drop);
    });
    return { verdicts, drops, changes: [], answers: new Uint8Array(0), delta, charge: this.charged };
  }
}
