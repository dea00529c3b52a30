/**
 * Unpacks Snappy (google/snappy, format_description.txt), plain or in the frames of the Java library, which most Kafka producers write:
 * a header of 16 bytes, then blocks with their length before them. Node has no decoder of its own. Throws BYTES_INVALID.
 */
import { MizuError } from '#engine';

const FRAMED = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const FRAME_HEADER_BYTES = 16;

export function unpackSnappy(packed: Buffer, limitBytes: number): Buffer {
  if (!packed.subarray(0, FRAMED.length).equals(FRAMED)) return unpackBlock(packed, limitBytes);
  const blocks: Buffer[] = [];
  let bytes = 0;
  for (let at = FRAME_HEADER_BYTES; at < packed.length; ) {
    const end = at + 4 + packed.readUInt32BE(at);
    if (end > packed.length) throw damaged('a block is cut off');
    const block = unpackBlock(packed.subarray(at + 4, end), limitBytes - bytes);
    bytes += block.length;
    blocks.push(block);
    at = end;
  }
  return Buffer.concat(blocks);
}

function unpackBlock(packed: Buffer, limitBytes: number): Buffer {
  const [length, start] = readLength(packed);
  if (length > limitBytes) throw damaged(`it claims ${length} bytes`);
  const out = Buffer.allocUnsafe(length);
  let [from, to] = [start, 0];
  while (from < packed.length) {
    const tag = packed.readUInt8(from++);
    const kind = tag & 3;
    if (kind === 0) {
      let count = tag >>> 2;
      if (count >= 60) {
        const size = count - 59;
        count = packed.readUIntLE(from, size);
        from += size;
      }
      count++;
      if (from + count > packed.length || to + count > length) throw damaged('a literal is too long');
      packed.copy(out, to, from, from + count);
      from += count;
      to += count;
      continue;
    }
    const count = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const size = kind === 3 ? 4 : kind;
    const distance = kind === 1 ? ((tag >>> 5) << 8) | packed.readUInt8(from) : packed.readUIntLE(from, size);
    from += size;
    to = copyBack(out, to, distance, count);
  }
  if (to !== length) throw damaged(`it has ${to} bytes, not ${length}`);
  return out;
}

/** A varint of at most 32 bits. */
function readLength(packed: Buffer): readonly [length: number, at: number] {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = packed.readUInt8(at);
    length += (byte & 127) * 2 ** (7 * at);
    if (byte < 128) return [length, at + 1];
  }
  throw damaged('its length is not readable');
}

/** Repeats what was unpacked before; source and target may overlap. @returns where the output goes on */
export function copyBack(out: Buffer, to: number, distance: number, count: number): number {
  if (distance === 0 || distance > to || to + count > out.length) throw damaged('it refers to bytes that are not there');
  if (distance >= count) {
    out.copyWithin(to, to - distance, to - distance + count);
    return to + count;
  }
  for (let n = 0; n < count; n++) out[to + n] = out[to + n - distance] ?? 0;
  return to + count;
}

function damaged(problem: string): MizuError {
  return new MizuError('BYTES_INVALID', `Compressed bytes are damaged: ${problem}`);
}
