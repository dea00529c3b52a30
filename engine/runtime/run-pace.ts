/** How fast a run goes, measured by the ticks of its control log: the same from any machine, and time without an orchestrator does not count. */
import type { ControlBody } from '../dispatch/control-entry.ts';
import { TICK_MS } from './run-context.ts';

/** Ticks over which the present rate is taken, and those before it with which it is compared: 10 s and 50 s. */
const RECENT_TICKS = 20;
const EARLIER_TICKS = 100;
/** Rates nearer to each other than this are steady: tasks end in bursts. */
const STEADY_SHARE = 0.15;

export interface RunRate {
  /** Candidates of accepted tasks per second, over the last RECENT_TICKS. */
  readonly perSecond: number;
  readonly trend: 'rising' | 'falling' | 'steady' | 'unknown';
}

export class RunPace {
  /** Candidates accepted when each of the last ticks came. */
  private readonly at: number[] = [];
  private candidates = 0;

  take(body: ControlBody): void {
    if (body.type !== 'tick') return;
    this.at.push(this.candidates);
    if (this.at.length > RECENT_TICKS + EARLIER_TICKS + 1) this.at.shift();
  }

  accepted(candidates: number): void {
    this.candidates += candidates;
  }

  /** Undefined before there were two ticks. */
  get rate(): RunRate | undefined {
    const { at } = this;
    if (at.length < 2) return undefined;
    const newest = at.length - 1;
    const middle = Math.max(0, newest - RECENT_TICKS);
    const recent = this.between(middle, newest);
    if (middle < RECENT_TICKS / 2) return { perSecond: recent, trend: 'unknown' };
    const earlier = this.between(Math.max(0, middle - EARLIER_TICKS), middle);
    if (Math.abs(recent - earlier) <= STEADY_SHARE * Math.max(recent, earlier)) return { perSecond: recent, trend: 'steady' };
    return { perSecond: recent, trend: recent > earlier ? 'rising' : 'falling' };
  }

  private between(from: number, to: number): number {
    return (((this.at[to] ?? 0) - (this.at[from] ?? 0)) * 1_000) / ((to - from) * TICK_MS);
  }
}
