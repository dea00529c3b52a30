/** Frames without trees over their entries. */
import { NO_DIGEST } from './nothing.ts';

export * from '../../../../engine/proof/frame.ts';

export function frameRoot(): Uint8Array {
  return NO_DIGEST;
}

export function rootOfFrames(): Uint8Array {
  return NO_DIGEST;
}

export class EntryTree {
  addPassed(): void {}
  addPublished(): void {}
  addDrop(): void {}
  finish(): Uint8Array {
    return NO_DIGEST;
  }
}
