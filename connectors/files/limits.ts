/** Every limit of file sources and exports, named once. */

/** Largest record of a source, bytes, path included: it must fit a frame, and it bounds what an unending line can take. */
export const RECORD_BYTES_LIMIT = 16 * 2 ** 20;
/** Bytes read from a file at once. */
export const CHUNK_BYTES = 1024 * 2 ** 10;
/** Records a source shows to the compiler … */
export const SAMPLE_RECORDS = 1_000;
/** … and their bytes together; the first record is always shown. */
export const SAMPLE_BYTES = 32 * 2 ** 20;
/** Files of one text source: their names are held in memory, sorted. */
export const TEXT_FILES_LIMIT = 1_000_000;
/** Files of a text source read ahead of the consumer: at most this many records are held. */
export const TEXT_FILES_AHEAD = 8;
/** Positions a source remembers in order to start in its middle; when full, every second one is forgotten. */
export const SEEK_POINTS = 1_024;
/** Bytes between two marks of a source, at which whoever reads it again can tell that it is the same: what it holds until then it holds in memory. */
export const MARK_BYTES = 4 * 2 ** 20;
/** Marks of a source; when there are more, every second one is forgotten, and the next ones lie twice as far apart. */
export const MARKS_LIMIT = 16_384;
/** Largest uncompressed row group of a Parquet source: one is held in memory at a time. */
export const ROW_GROUP_SOURCE_BYTES = 512 * 2 ** 20;
/** A Parquet export closes a row group at this many rows … */
export const ROW_GROUP_ROWS = 10_000;
/** … or at about this many bytes. */
export const ROW_GROUP_BYTES = 16 * 2 ** 20;
/** Bytes gathered before an export writes to its file. */
export const WRITE_BYTES = 2 ** 20;
