/**
 * How far each stage of a run has come, and what holds it up. A keyed stage's partitions take tasks in order, so the slowest one tells how
 * far it is; what lies between two stages is what the later one lags behind. Memory is bounded by the tasks that are not complete (law 6).
 */
import type { Program } from '../contract/program.ts';
import type { ControlBody, StepResult } from '../dispatch/control-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';

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
}

export class StageProgress {
  private readonly program: Program;
  private readonly fold: ControlFold;
  /** STAGE/PARTITION → steps below this are done. */
  private readonly next = new Map<string, number>();
  /** Tick at which each task that is not complete was cut, and accepted. */
  private readonly cutAt = new Map<number, number>();
  private readonly acceptedAt = new Map<number, number>();
  private accepted = 0;
  /** Tasks below it are complete in every stage. */
  private complete = 0;

  constructor(program: Program, fold: ControlFold) {
    this.program = program;
    this.fold = fold;
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
    const stages: StageStatus[] = [];
    const { finish } = this.fold;
    // What was cut beyond the end of the run is never taken by its keyed stages.
    let before = Math.min(this.accepted, finish === undefined ? Number.POSITIVE_INFINITY : finish.last + 1);
    for (const { index, kind, partitions } of this.program.stages) {
      const status = kind === 'source' ? this.source(index) : this.keyed(index, kind, partitions, before);
      if (kind !== 'source') before = status.done;
      stages.push(status);
    }
    return stages;
  }

  private source(index: number): StageStatus {
    let working = 0;
    let lag = 0;
    for (const k of this.cutAt.keys()) {
      if ((this.fold.tasks.get(k)?.live.length ?? 0) > 0) working++;
      else lag++;
    }
    return { index, kind: 'source', partitions: 1, done: this.accepted, working, lag, oldest: this.oldest(this.cutAt) };
  }

  private keyed(index: number, kind: 'keyed' | 'last', partitions: number, before: number): StageStatus {
    const nexts = Array.from({ length: partitions }, (_, partition) =>
      Math.max(this.complete, this.next.get(`${index}/${partition}`) ?? 0),
    );
    const done = Math.min(...nexts);
    const begun = Math.max(...nexts);
    const since = this.acceptedAt.get(done);
    return {
      index,
      kind,
      partitions,
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
