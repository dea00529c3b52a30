/** Model servers on virtual time, as gateways call them: a token bucket that says 429, with an answer time of its own. Counts what it did. */
import type { CallResult, ServerCall, Transport } from '#connectors/inference';
import { utf8 } from '#engine';
import { completion } from './model-peer.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface BucketOptions {
  /** Calls that it allows per second, and how many it saves up. */
  readonly perSecond: number;
  readonly burst: number;
  /** Time of an answer, milliseconds: a fixed part, and one that is drawn. */
  readonly answerMs: readonly [least: number, most: number];
  /** Says when to come back, in whole seconds. */
  readonly saysWhen?: boolean;
}

export class BucketServer {
  /** Moments of good answers. */
  readonly answered: number[] = [];
  /** Moments of calls that were put off. */
  readonly putOff: number[] = [];
  mostAtOnce = 0;
  perSecond: number;
  private readonly options: BucketOptions;
  private readonly time: VirtualTime;
  private tokens: number;
  private filledAt = 0;
  private running = 0;

  constructor(time: VirtualTime, options: BucketOptions) {
    this.time = time;
    this.options = options;
    this.tokens = options.burst;
    this.perSecond = options.perSecond;
  }

  readonly call: Transport = async ({ signal }: ServerCall): Promise<CallResult> => {
    const { burst, answerMs, saysWhen } = this.options;
    const now = this.time.now();
    this.tokens = Math.min(burst, this.tokens + ((now - this.filledAt) / 1_000) * this.perSecond);
    this.filledAt = now;
    if (this.tokens < 1) {
      this.putOff.push(now);
      const seconds = Math.ceil((1 - this.tokens) / this.perSecond);
      await this.time.sleep(REFUSAL_MS, signal);
      return response(429, '{"error":{"message":"too many requests"}}', saysWhen === true ? String(seconds) : null);
    }
    this.tokens--;
    this.running++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    const [least, most] = answerMs;
    await this.time.sleep(least + this.time.random() * (most - least), signal);
    this.running--;
    this.answered.push(this.time.now());
    return response(200, completion('m', 'Yes.'));
  };

  /** Good answers in a span of time, as a part of what is allowed in it. */
  part(fromMs: number, toMs: number): number {
    return this.answered.filter((at) => at >= fromMs && at < toMs).length / ((this.perSecond * (toMs - fromMs)) / 1_000);
  }
}

/** A refusal costs a server little. */
const REFUSAL_MS = 5;

export function response(status: number, body: string, retryAfter: string | null = null): CallResult {
  return { kind: 'response', status, retryAfter, body: utf8(body), cut: false, isEventStream: false, servedAs: null };
}
