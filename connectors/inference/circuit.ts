/**
 * Whether a model is given up for now. When most calls fail, or all are put off for long, whoever waits is told so at once instead of trying
 * thousands of times. After a pause one call tries again; its good answer ends it.
 */
import { MizuError } from '#engine';
import {
  CIRCUIT_FAILED,
  CIRCUIT_PAUSE_MS,
  CIRCUIT_SILENCE_MS,
  CIRCUIT_TRIES,
  HOPELESS_TRIES,
  PUT_OFF_LIMIT_MS,
  RETRY_AFTER_LIMIT_MS,
} from './limits.ts';
import type { Timing } from './timing.ts';

export class Circuit {
  private readonly model: string;
  private readonly shown: string;
  private readonly timing: Timing;
  private opened: { readonly error: MizuError; readonly until: number } | undefined;
  /** The last tries that were not put off, true for a failed one. */
  private readonly tries: boolean[] = [];
  /** Since when nothing came but failures, or none but put-offs. */
  private badSince: number | undefined;

  /** @param shown its address, as errors show it. */
  constructor(model: string, shown: string, timing: Timing) {
    this.model = model;
    this.shown = shown;
    this.timing = timing;
  }

  get state(): 'closed' | 'open' | 'probing' {
    if (this.opened === undefined) return 'closed';
    return this.timing.now() < this.opened.until ? 'open' : 'probing';
  }

  /** The error for whoever asks now; undefined if it may try. */
  refusal(): MizuError | undefined {
    return this.state === 'open' ? this.opened?.error : undefined;
  }

  /** Nothing but failures of late, whatever their kind: no time for more calls at once. */
  get hopeless(): boolean {
    return this.tries.length >= HOPELESS_TRIES && this.tries.slice(-HOPELESS_TRIES).every((bad) => bad);
  }

  good(): void {
    this.opened = undefined;
    this.badSince = undefined;
    this.note(false);
  }

  /** @returns the error for all who wait, once the model is given up. */
  failed(reason: string): MizuError | undefined {
    this.note(true);
    const silentMs = this.silence();
    if (this.opened !== undefined) return this.open(`its trial call failed: ${reason}`);
    const failed = this.tries.filter((bad) => bad).length;
    if (failed < CIRCUIT_FAILED || silentMs < CIRCUIT_SILENCE_MS) return undefined;
    const said = `${failed} of its last ${this.tries.length} calls failed, and none was answered for ${Math.round(silentMs / 1_000)} s`;
    return this.open(`${said}; the last: ${reason}`);
  }

  putOff({ reason, retryAfterMs }: { readonly reason: string; readonly retryAfterMs: number | undefined }): MizuError | undefined {
    const silentMs = this.silence();
    if ((retryAfterMs ?? 0) > RETRY_AFTER_LIMIT_MS)
      return this.open(`${reason}; the server asks to wait ${Math.ceil((retryAfterMs ?? 0) / 1_000)} s`);
    // It lives: others may try, one call at a time.
    if (this.opened !== undefined && silentMs < PUT_OFF_LIMIT_MS) return undefined;
    return silentMs < PUT_OFF_LIMIT_MS ? undefined : this.open(`it put off every call for ${Math.round(silentMs / 1_000)} s: ${reason}`);
  }

  private note(failed: boolean): void {
    this.tries.push(failed);
    if (this.tries.length > CIRCUIT_TRIES) this.tries.shift();
  }

  private silence(): number {
    const now = this.timing.now();
    this.badSince ??= now;
    return now - this.badSince;
  }

  private open(why: string): MizuError {
    const error = new MizuError('UPSTREAM_UNREACHABLE', `Model '${this.model}' at ${this.shown} is given up for now: ${why}`, {
      component: this.model,
      hint: 'No record is lost or failed by this: check the server and its address, then run again with the same log.',
    });
    this.opened = { error, until: this.timing.now() + CIRCUIT_PAUSE_MS };
    return error;
  }
}
