/**
 * How far each stage of a run has come, what holds it up, and what it cost. A keyed stage's partitions take tasks in order, so the slowest one tells how
 * far it is; what lies between two stages is what the later one lags behind. Memory is bounded by the tasks that are not complete (law 6).
 */
import type { Program } from '../contract/program.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import type { StepResult } from '../dispatch/member-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { OVER_COUNT } from '../datavm/accept-op.ts';
import type { RunTotals } from './run-totals.ts';

export interface StageStatus {
  readonly index: number;
  readonly kind: 'source' | 'keyed' | 'last';
  readonly partitions: number;
  /** Tasks accepted; of a keyed stage those that all its partitions have done. */
  readonly done: number;
  /** Tasks that members are at; of a keyed stage those that some of its partitions have done. */
  readonly working: number;
  /** Tasks that the stage could have and has not begun: cut and given to nobody, or done by the stage before and by no partition of this one. */
  readonly lag: number;
  /** The first task that is not done though the stage could have it, and the ticks that it has waited; null when there is none. */
  readonly oldest: { readonly k: number; readonly ticks: number } | null;
  /** Of complete tasks, since the run began: what the stage took, and the records that left the stream in it. */
  readonly gas: number;
  readonly bytes: { readonly local: number; readonly global: number };
  readonly rejected: number;
  readonly duplicates: number;
  readonly failed: number;
}

type StageWork = Pick<StageStatus, 'done' | 'working' | 'lag' | 'oldest'>;

export class StageProgress {
  private readonly program: Program;
  private readonly fold: ControlFold;
  private readonly totals: Pick<RunTotals, 'stages' | 'sum'>;
  /** STAGE/PARTITION → steps below this are done. */
  private readonly next = new Map<string, number>();
  /** Tick at which each task that is not complete was cut, and accepted. */
  private readonly cutAt = new Map<number, number>();
  private readonly acceptedAt = new Map<number, number>();
  private accepted = 0;
  /** Tasks below it are complete in every stage. */
  private complete = 0;

  constructor(program: Program, fold: ControlFold, totals: Pick<RunTotals, 'stages' | 'sum'>) {
    this.program = program;
    this.fold = fold;
    this.totals = totals;
  }

  /** Sees each control entry, after the fold took it. */
  take(body: ControlBody): void {
    if (body.type === 'cut') this.cutAt.set(body.k, this.fold.tick);
    if (body.type === 'mark') this.forgetBelow(body.published);
    if (body.type !== 'accept' || !this.cutAt.delete(body.k)) return;
    this.accepted++;
    this.acceptedAt.set(body.k, this.fold.tick);
  }

  step({ stage, partition, k }: StepResult): void {
    const name = `${stage}/${partition}`;
    this.next.set(name, Math.max(this.next.get(name) ?? 0, k + 1));
  }

  get stages(): StageStatus[] {
    return this.program.stages.map(({ index, kind, partitions }) => {
      const work = kind === 'source' ? this.source() : this.keyed(this.nexts(index, partitions), this.offered(index));
      return { index, kind, partitions, ...work, ...this.took(index) };
    });
  }

  /** Tasks that a partition of a keyed stage could have taken and has not. */
  lagOf(stage: number, partition: number): number {
    return Math.max(0, this.offered(stage) - this.nextOf(stage, partition));
  }

  /** Tasks that the stage before has done, of those that the run comes to. */
  private offered(stage: number): number {
    const before = this.program.stages[stage - 1];
    if (before !== undefined && before.kind !== 'source') return Math.min(...this.nexts(before.index, before.partitions));
    const { finish } = this.fold;
    // What was cut beyond the end of the run is never taken by its keyed stages.
    return Math.min(this.accepted, finish === undefined ? Number.POSITIVE_INFINITY : finish.last + 1);
  }

  private nextOf(stage: number, partition: number): number {
    return Math.max(this.complete, this.next.get(`${stage}/${partition}`) ?? 0);
  }

  private nexts(stage: number, partitions: number): number[] {
    return Array.from({ length: partitions }, (_, partition) => this.nextOf(stage, partition));
  }

  private took(index: number): Pick<StageStatus, 'gas' | 'bytes' | 'rejected' | 'duplicates' | 'failed'> {
    const { gas = 0, localBytes = 0, globalBytes = 0, duplicates = 0, failed = 0 } = this.totals.stages[index] ?? {};
    const { stages } = this.program;
    const steps = (stages[index]?.ops ?? []).map(({ id }) => id);
    if (index === stages.length - 1) steps.push(OVER_COUNT);
    const rejected = steps.reduce((sum, step) => sum + (this.totals.sum.rejected[step] ?? 0), 0);
    return { gas, bytes: { local: localBytes, global: globalBytes }, rejected, duplicates, failed };
  }

  private source(): StageWork {
    let working = 0;
    let lag = 0;
    for (const k of this.cutAt.keys()) {
      if ((this.fold.tasks.get(k)?.live.length ?? 0) > 0) working++;
      else lag++;
    }
    return { done: this.accepted, working, lag, oldest: this.oldest(this.cutAt) };
  }

  private keyed(nexts: readonly number[], before: number): StageWork {
    const done = Math.min(...nexts);
    const begun = Math.max(...nexts);
    const since = this.acceptedAt.get(done);
    return {
      done,
      working: begun - done,
      lag: Math.max(0, before - begun),
      oldest: before > done && since !== undefined ? { k: done, ticks: this.fold.tick - since } : null,
    };
  }

  private oldest(waiting: ReadonlyMap<number, number>): StageStatus['oldest'] {
    let oldest: StageStatus['oldest'] = null;
    for (const [k, tick] of waiting) if (oldest === null || k < oldest.k) oldest = { k, ticks: this.fold.tick - tick };
    return oldest;
  }

  private forgetBelow(k: number): void {
    this.complete = Math.max(this.complete, k);
    for (const known of this.acceptedAt.keys()) if (known < k) this.acceptedAt.delete(known);
  }
}
