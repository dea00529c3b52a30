/** A chain without leaves. */
import { NO_DIGEST } from './nothing.ts';

export class LeafChain {
  readonly commitment = NO_DIGEST;

  link(): void {}
}
