/**
 * Unpacks an LZ4 frame (lz4/lz4, doc/lz4_Frame_format.md and lz4_Block_format.md), as Kafka producers write it. The frame's own
 * checksums are not compared: the batch around it has one. Node has no decoder of its own. Throws BYTES_INVALID.
 */
import { MizuError } from '#engine';
import { copyBack } from './snappy.ts';

const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 16;
const FLAG_CONTENT_SIZE = 8;
const FLAG_DICTIONARY = 1;
const UNCOMPRESSED = 0x8000_0000;
const SMALLEST_MATCH = 4;
/** Block size codes 4 to 7 mean 64 KiB to 4 MiB. */
const largestBlock = (code: number): number => 2 ** (8 + 2 * code);

export function unpackLz4(packed: Buffer, limitBytes: number): Buffer {
  if (packed.readUInt32LE(0) !== MAGIC) throw damaged('it is no LZ4 frame');
  const flags = packed.readUInt8(4);
  if ((flags & FLAG_DICTIONARY) !== 0) throw damaged('it needs a dictionary');
  const blockBytes = largestBlock((packed.readUInt8(5) >>> 4) & 7);
  let from = (flags & FLAG_CONTENT_SIZE) === 0 ? 7 : 15;
  let out = Buffer.allocUnsafe(blockBytes);
  let to = 0;
  for (;;) {
    const size = packed.readUInt32LE(from);
    from += 4;
    if (size === 0) return out.subarray(0, to);
    const end = from + (size % UNCOMPRESSED);
    if (end > packed.length) throw damaged('a block is cut off');
    if (to + blockBytes > limitBytes) throw damaged(`it has more than ${limitBytes} bytes`);
    // Blocks may refer to those before them, so all are unpacked into one buffer.
    if (to + blockBytes > out.length) out = Buffer.concat([out.subarray(0, to)], out.length * 2 + blockBytes);
    const block = packed.subarray(from, end);
    to = size >= UNCOMPRESSED ? to + block.copy(out, to) : unpackBlock(block, out, to);
    from = end + ((flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
}

function unpackBlock(block: Buffer, out: Buffer, start: number): number {
  let [from, to] = [0, start];
  const more = (length: number): number => {
    let total = length;
    if (length < 15) return total;
    for (let byte = 255; byte === 255; total += byte) byte = block.readUInt8(from++);
    return total;
  };
  while (from < block.length) {
    const token = block.readUInt8(from++);
    const literals = more(token >>> 4);
    if (from + literals > block.length || to + literals > out.length) throw damaged('literals are too long');
    block.copy(out, to, from, from + literals);
    from += literals;
    to += literals;
    // The last sequence of a block has no match.
    if (from === block.length) return to;
    const distance = block.readUInt16LE(from);
    from += 2;
    to = copyBack(out, to, distance, more(token & 15) + SMALLEST_MATCH);
  }
  return to;
}

function damaged(problem: string): MizuError {
  return new MizuError('BYTES_INVALID', `Compressed bytes are damaged: ${problem}`);
}
