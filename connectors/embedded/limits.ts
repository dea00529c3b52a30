/** Every number of the embedded log that somebody may want to know or change, with its reason. */

/** Largest key + value + headers of one entry. Frames are cut well below it; SQLite's own limit is 1 GB. */
export const ENTRY_LIMIT_BYTES = 64 * 1024 * 1024;
/** Largest sum over one commit: it has to fit in memory and into the write-ahead file. */
export const COMMIT_LIMIT_BYTES = 256 * 1024 * 1024;
/** Entries of one partition. Entry ids are slot × 2^32 + offset, exact as a JavaScript number for 2^21 slots. */
export const PARTITION_LIMIT_ENTRIES = 2 ** 32;
/** Partitions of all topics of one log together, see above. */
export const SLOT_LIMIT = 2 ** 21;

/** How long a commit waits for another process to end its own, before it is refused with LOG_BUSY. */
export const LOCK_DEADLINE_MS = 10_000;
/** Bounds of the random pause between two tries for the write lock: even among writers where SQLite's own waiting starved one of four for 2.6 s. */
export const LOCK_RETRY_MS = [1, 3] as const;

/** A waiting reader looks for commits of other processes this often, slowing down while nothing happens. */
export const POLL_FIRST_MS = 2;
export const POLL_SLOWEST_MS = 20;
/** Factor from one idle look to the next. */
export const POLL_SLOWDOWN = 1.25;

export const READ_DEFAULT_ENTRIES = 1_000;
export const READ_DEFAULT_BYTES = 8 * 1024 * 1024;

/** Values of a commit go to a segment if so many bytes of them are large: a segment costs one more wait for the disk. */
export const SEGMENT_COMMIT_BYTES = 64 * 1024;
/** A row's value of so many bytes is large: the row of a small one is hardly more than where it would stand. */
export const SEGMENT_VALUE_BYTES = 512;
/** A segment that holds so much is closed, and another one is begun. */
export const SEGMENT_BYTES = 1024 * 1024 * 1024;
/** Where and in what lengths a file is written past the system's page cache: no device asks for larger ones (open(2), O_DIRECT). */
export const DIRECT_BLOCK_BYTES = 4096;
/** So much of a commit is written at once: a part of the buffer below. */
export const WRITE_PIECE_BYTES = 16 * 1024 * 1024;
/** Of the values that were written last, so many bytes stay in memory: frames are read soon after. */
export const WRITE_BUFFER_BYTES = 64 * 1024 * 1024;
/** Reads of segments past the page cache that are on their way at once. */
export const READ_BUFFERS = 4;
/** Values that stand together are read together, up to so many bytes: they share a buffer. */
export const SEGMENT_READ_BYTES = 1024 * 1024;

/** An entry below this shares a row with its neighbours: a reader of it reads them, too. */
export const PACKED_VALUE_BYTES = 16 * 1024;
/** A row that holds so many bytes takes no further entry. */
export const PACKED_BYTES = 128 * 1024;
/** Of the lengths of each entry in such a row. */
export const PACKED_ENTRY_BYTES = 12;

/** Measured beside 4 and 16 KiB: commits with frames of 100 KB need 10 % less CPU than with 4, control entries less than with 16. Set when a log is made. */
export const PAGE_BYTES = 8_192;
/** SQLite's page cache for each handle: a commit above it spills into the write-ahead file early, which costs a second write. */
export const CACHE_BYTES = 16 * 1024 * 1024;
/** The write-ahead file is cut back to this after a checkpoint. */
export const WAL_KEPT_BYTES = 64 * 1024 * 1024;
