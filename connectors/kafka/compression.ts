/** The codecs of record batches. Written is zstd or nothing; read is whatever others wrote. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { MizuError } from '#engine';
import { unpackLz4 } from './lz4.ts';
import { unpackSnappy } from './snappy.ts';

export const CODEC_MASK = 7;
export const CODEC_ZSTD = 4;
const UNPACK: readonly (readonly [name: string, unpack: (packed: Buffer) => Buffer] | undefined)[] = [
  undefined,
  ['gzip', (packed) => gunzipSync(packed, { maxOutputLength: UNPACKED_LIMIT_BYTES })],
  ['snappy', (packed) => unpackSnappy(packed, UNPACKED_LIMIT_BYTES)],
  ['lz4', (packed) => unpackLz4(packed, UNPACKED_LIMIT_BYTES)],
  ['zstd', (packed) => zstdDecompressSync(packed, { maxOutputLength: UNPACKED_LIMIT_BYTES })],
];
/** Records of one batch, unpacked: a batch that claims more is refused, not unpacked until memory ends. */
const UNPACKED_LIMIT_BYTES = 256 * 1024 * 1024;

/** @throws LOG_CORRUPT for bytes that are no such compression, USAGE for a codec that is newer than this. */
export function unpack(codec: number, packed: Buffer, place: string): Buffer {
  const known = UNPACK[codec];
  if (known === undefined) {
    throw new MizuError('USAGE', `${place}: a batch is compressed with codec ${codec}, which is not known here`, {
      component: place,
      hint: 'Let its producer use zstd, lz4, snappy, gzip or no compression.',
    });
  }
  const [name, unpackWith] = known;
  try {
    return unpackWith(packed);
  } catch (error) {
    throw new MizuError('LOG_CORRUPT', `${place}: a batch compressed with ${name} can't be unpacked`, { component: place, cause: error });
  }
}
