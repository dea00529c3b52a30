/**
 * How fast one model is called. Algebra: a limit of calls at once, a moment before which none starts, and whether the model is given up for now. Good
 * answers raise the limit (additive increase), what says "too much" lowers it by a factor (multiplicative decrease), at most once for the calls that
 * were on their way together. Below one the limit is a pause: the next call starts 1/limit mean answer times after the last. State is owned by this
 * object, one for each model of a gateway.
 */
import type { MizuError } from '#engine';
import { Circuit } from './circuit.ts';
import {
  CALLS_AT_START,
  DECREASE,
  DECREASE_WHEN_LOST,
  INCREASE_DOUBLES_AFTER,
  INCREASE_FAR,
  INCREASE_NEAR,
  FAILED_PAUSE_MS,
  LEAST_GAP_MS,
  LEAST_LIMIT,
  NEAR,
  PUT_OFF_FIRST_MS,
  RETRY_AFTER_LIMIT_MS,
  BACKOFF_LIMIT_MS,
  SLOW_ANSWER_PART,
  SPREAD,
} from './limits.ts';
import type { Timing } from './timing.ts';

/**
 * What came of a call: an answer (also one that refuses the question: the server lives); put off (429); failed, `strained` if too much load may be why
 * (502, 503, 504, 408, time-outs, cut connections); left: it was ended from here and says nothing.
 */
export type CallEnd =
  | { readonly kind: 'good' }
  | { readonly kind: 'put-off'; readonly reason: string; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'failed'; readonly reason: string; readonly strained: boolean; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'left' };

/** The right to make one call; `end` is called once. */
export interface Turn {
  end(end: CallEnd): void;
}

/** As metrics show it. */
export interface PaceState {
  readonly limit: number;
  readonly running: number;
  readonly waiting: number;
  /** Milliseconds until calls may start again. */
  readonly heldMs: number;
  readonly givenUp: boolean;
}

interface Waiting {
  readonly begin: () => void;
  readonly fail: (error: MizuError) => void;
}

export interface PaceOptions {
  readonly model: string;
  /** Its address, as errors show it. */
  readonly shown: string;
  /** Most calls at once. */
  readonly ceiling: number;
  /** Longest that one call may take. */
  readonly callMs: number;
  readonly timing: Timing;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

export class ModelPace {
  private readonly options: PaceOptions;
  private readonly circuit: Circuit;
  private limit: number;
  /** Until the first sign of too much, each good answer raises the limit by one. */
  private starting = true;
  /** The limit at the last sign of too much: near it, it is raised slowly. */
  private mark: number;
  /** Calls that began before the last decrease say nothing new. */
  private epoch = 0;
  /** Good answers since the last decrease. */
  private goodInARow = 1;
  private lostInARow = 0;
  private running = 0;
  private heldUntil = 0;
  /** When the last call was to start. */
  private planned = 0;
  private meanMs = 0;
  private readonly again: Waiting[] = [];
  private readonly fresh: Waiting[] = [];
  private alarm: AbortController | undefined;
  private alarmAt = 0;

  constructor(options: PaceOptions) {
    this.options = options;
    this.limit = Math.min(CALLS_AT_START, options.ceiling);
    this.mark = options.ceiling;
    this.circuit = new Circuit(options.model, options.shown, options.timing);
  }

  get state(): PaceState {
    const { limit, running, heldUntil, again, fresh, circuit } = this;
    const heldMs = Math.max(0, heldUntil - this.options.timing.now());
    return { limit, running, waiting: again.length + fresh.length, heldMs, givenUp: circuit.state === 'open' };
  }

  /**
   * Resolves when a call may begin. First come, first served, and whoever was called off before is first (`again`).
   * @throws UPSTREAM_UNREACHABLE while the model is given up; the signal's reason when it aborts first.
   */
  turn(signal: AbortSignal, again: boolean): Promise<Turn> {
    signal.throwIfAborted();
    const refused = this.circuit.refusal();
    if (refused !== undefined) return Promise.reject(refused);
    return new Promise((resolve, reject) => {
      const queue = again ? this.again : this.fresh;
      const waiting: Waiting = {
        begin: () => {
          signal.removeEventListener('abort', leave);
          resolve(this.begun());
        },
        fail: (error) => {
          signal.removeEventListener('abort', leave);
          reject(error);
        },
      };
      const leave = (): void => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      queue.push(waiting);
      this.pump();
    });
  }

  private begun(): Turn {
    const { timing } = this.options;
    const began = timing.now();
    const { epoch } = this;
    let ended = false;
    return {
      end: (end) => {
        if (ended) return;
        ended = true;
        this.take(end, epoch, timing.now() - began);
        this.running--;
        this.pump();
      },
    };
  }

  private take(end: CallEnd, epoch: number, ms: number): void {
    if (end.kind === 'left') return;
    if (end.kind === 'good') {
      this.circuit.good();
      this.raise(ms);
      return;
    }
    // A longer pause is for nobody to wait: the model is given up.
    if (end.retryAfterMs !== undefined && end.retryAfterMs <= RETRY_AFTER_LIMIT_MS) this.hold(end.retryAfterMs);
    const givenUp = end.kind === 'put-off' ? this.circuit.putOff(end) : this.circuit.failed(end.reason);
    const tooMuch = end.kind === 'put-off' || end.strained || this.circuit.hopeless;
    if (tooMuch && epoch === this.epoch) this.lower(end);
    if (givenUp === undefined) return;
    this.starting = false;
    this.limit = Math.min(this.limit, 1);
    for (const waiting of [...this.again.splice(0), ...this.fresh.splice(0)]) waiting.fail(givenUp);
  }

  private raise(ms: number): void {
    this.meanMs = this.meanMs === 0 ? ms : this.meanMs + (ms - this.meanMs) / 8;
    this.goodInARow++;
    this.lostInARow = 0;
    const { ceiling, callMs } = this.options;
    const inUse = this.running >= Math.floor(this.limit) || this.again.length + this.fresh.length > 0;
    // Answers that slow: more calls at once would only wait in the server, until they are late.
    if (!inUse || ms > callMs * SLOW_ANSWER_PART) return;
    const near = INCREASE_NEAR * (1 + this.goodInARow / INCREASE_DOUBLES_AFTER);
    const step = this.limit < this.mark * NEAR ? INCREASE_FAR : Math.min(near, INCREASE_FAR);
    this.limit = Math.min(ceiling, this.limit + (this.starting ? 1 : step * Math.min(1, this.limit)));
  }

  private lower({ kind, retryAfterMs }: Exclude<CallEnd, { kind: 'good' | 'left' }>): void {
    const { timing } = this.options;
    this.epoch++;
    const lost = this.goodInARow === 0;
    if (this.goodInARow > 0) this.mark = this.limit;
    // A server that fails is asked one call at a time, and soon again: it may be back. One that puts off is not.
    const least = kind === 'put-off' ? Math.max(this.meanMs / BACKOFF_LIMIT_MS, LEAST_LIMIT) : Math.min(1, this.limit);
    const longest = kind === 'put-off' ? BACKOFF_LIMIT_MS : FAILED_PAUSE_MS;
    this.limit = Math.max(least, this.limit * (lost ? DECREASE_WHEN_LOST : DECREASE));
    if (retryAfterMs === undefined) this.hold(timing.random() * Math.min(longest, PUT_OFF_FIRST_MS * 2 ** this.lostInARow));
    this.lostInARow = Math.min(this.lostInARow + 1, 16);
    this.starting = false;
    this.goodInARow = 0;
  }

  private hold(ms: number): void {
    this.heldUntil = Math.max(this.heldUntil, this.options.timing.now() + ms);
  }

  /** Begins as many calls as may run now. */
  private pump(): void {
    const now = this.options.timing.now();
    while (this.again.length + this.fresh.length > 0) {
      const most = this.circuit.state === 'probing' ? 1 : Math.max(1, Math.floor(this.limit));
      if (this.running >= most) return;
      const gap = this.gap();
      const from = Math.max(this.heldUntil, gap === 0 ? 0 : this.planned + gap);
      if (from > now) {
        this.wake(from);
        return;
      }
      this.running++;
      // Who is late by a little may catch up; who was idle begins anew.
      this.planned = Math.max(from, now - gap);
      (this.again.shift() ?? this.fresh.shift())?.begin();
    }
  }

  /** Between two starts, milliseconds: calls are spread over the time of an answer, so that they don't come in bursts. */
  private gap(): number {
    if (this.limit < 1) return this.meanMs / this.limit;
    const gap = (SPREAD * this.meanMs) / this.limit;
    return gap < LEAST_GAP_MS ? 0 : gap;
  }

  /** Pumps again at that time. */
  private wake(at: number): void {
    const { timing, signal } = this.options;
    if (signal.aborted || (this.alarm !== undefined && this.alarmAt <= at)) return;
    this.alarm?.abort();
    const alarm = new AbortController();
    this.alarm = alarm;
    this.alarmAt = at;
    const done = (): void => {
      if (this.alarm !== alarm) return;
      this.alarm = undefined;
      this.pump();
    };
    timing.sleep(Math.max(1, Math.ceil(at - timing.now())), AbortSignal.any([signal, alarm.signal])).then(done, () => undefined);
  }
}
