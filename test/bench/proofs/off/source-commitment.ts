/** Where records come from is not committed to. */
import type { SourceCommitment } from '../../../../engine/datavm/source-commitment.ts';
import { NO_DIGEST } from './nothing.ts';

export * from '../../../../engine/datavm/source-commitment.ts';

export function sourceCommitment(): SourceCommitment {
  return { input: NO_DIGEST, effectHash: NO_DIGEST };
}
