/** Frames whose records carry no digest of their own, unless it is what they are spread by. */
import { FrameBuilder as Builder } from '../../../../engine/datavm/frame-builder.ts';
import { sha256 } from '../../../../engine/proof/sha256.ts';
import { NO_DIGEST } from './nothing.ts';

export * from '../../../../engine/datavm/frame-builder.ts';

export class FrameBuilder extends Builder {
  override addRecord(i: number, record: Uint8Array, key: Uint8Array | undefined): void {
    super.addRecord(i, record, key, key === undefined ? sha256(record) : NO_DIGEST);
  }
}
