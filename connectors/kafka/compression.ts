/** The codecs of record batches. Written is zstd or nothing; read is whatever others wrote, as far as Node can. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { MizuError } from '#engine';

export const CODEC_MASK = 7;
export const CODEC_ZSTD = 4;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
/** Records of one batch, unpacked: a batch that claims more is refused, not unpacked until memory ends. */
const UNPACKED_LIMIT_BYTES = 256 * 1024 * 1024;

/** @throws LOG_CORRUPT for bytes that are no such compression, USAGE for a codec that Node lacks. */
export function unpack(codec: number, packed: Buffer, place: string): Buffer {
  const name = CODECS[codec];
  try {
    if (name === 'gzip') return gunzipSync(packed, { maxOutputLength: UNPACKED_LIMIT_BYTES });
    if (name === 'zstd') return zstdDecompressSync(packed, { maxOutputLength: UNPACKED_LIMIT_BYTES });
  } catch (error) {
    throw new MizuError('LOG_CORRUPT', `${place}: a batch compressed with ${name} can't be unpacked`, { component: place, cause: error });
  }
  throw new MizuError('USAGE', `${place}: a batch is compressed with ${name ?? `codec ${codec}`}, which is not read here`, {
    component: place,
    hint: 'Let its producer use zstd, gzip or no compression.',
  });
}
