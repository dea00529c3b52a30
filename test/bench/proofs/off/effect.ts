/** Effects that nothing commits to. */
import { NO_DIGEST } from './nothing.ts';

export * from '../../../../engine/proof/effect.ts';

export function hashEffect(): Uint8Array {
  return NO_DIGEST;
}
