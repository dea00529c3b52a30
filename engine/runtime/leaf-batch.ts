/** Leaves of one task or step travel as one entry of the proofs topic: few, larger messages. Form: per leaf u32 big-endian length ‖ bytes. */
import { MizuError } from '../contract/errors.ts';

export function encodeLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  const out = Buffer.allocUnsafe(leaves.reduce((sum, leaf) => sum + 4 + leaf.length, 0));
  let at = 0;
  for (const leaf of leaves) {
    at = out.writeUInt32BE(leaf.length, at);
    out.set(leaf, at);
    at += leaf.length;
  }
  return out;
}

/** @throws BYTES_INVALID when the lengths do not add up. */
export function decodeLeaves(bytes: Uint8Array): Uint8Array[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < buffer.length; ) {
    const end = at + 4 <= buffer.length ? at + 4 + buffer.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > buffer.length) throw new MizuError('BYTES_INVALID', `A batch of leaves ends in the middle of one, at byte ${at}`);
    leaves.push(buffer.subarray(at + 4, end));
    at = end;
  }
  return leaves;
}
