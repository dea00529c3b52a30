/** Every number of the Kafka log that somebody may want to know or change, with its reason. */

/** `max.message.bytes` of every topic: the largest batch on disk. Brokers take requests up to 100 MiB (`socket.request.max.bytes`). */
export const MESSAGE_LIMIT_BYTES = 8 * 1024 * 1024;
/** Largest key + value + headers of one entry: what is left of a message after batch header, lengths and offsets. */
export const ENTRY_LIMIT_BYTES = MESSAGE_LIMIT_BYTES - 16 * 1024;
/** Largest sum over one commit: one transaction carries it within its time-out even at 5 MB/s. */
export const COMMIT_LIMIT_BYTES = 64 * 1024 * 1024;
/** Entries are joined into batches of this size; a larger entry has a batch of its own. A reader gets whole batches, so not the largest possible. */
export const BATCH_BYTES = 2 * 1024 * 1024;
/** Batches of one produce request together: one for each partition, as the protocol demands, until this is passed. */
export const PRODUCE_BYTES = 16 * 1024 * 1024;

/** Buffers kept for the next commits of one handle. */
export const POOL_BYTES = 64 * 1024 * 1024;

/** A network and a dot stand before each topic: 48 + 1 + 200 characters are what Kafka allows (249). */
export const NETWORK_LIMIT_CHARACTERS = 48;

export const READ_DEFAULT_ENTRIES = 1_000;
export const READ_DEFAULT_BYTES = 8 * 1024 * 1024;
/** A fetch asks for at least this: records that were not asked for wait in memory for the next read. */
export const FETCH_LEAST_BYTES = 256 * 1024;
export const FETCH_MOST_BYTES = 8 * 1024 * 1024;
/** No answer is larger: a fetch brings what it asked for, or one batch, and few clusters take batches of more than some megabytes. */
export const ANSWER_LIMIT_BYTES = 256 * 1024 * 1024;
/** What one read of a connection can bring. */
export const RECEIVE_BYTES = 128 * 1024;
/** Fetched records that no read has taken yet, over all partitions of one handle; the oldest are dropped and fetched again when wanted. */
export const READ_AHEAD_BYTES = 64 * 1024 * 1024;

/** How long opening a log looks for a broker: longer only hides a wrong address. */
export const OPEN_DEADLINE_MS = 10_000;
/** TCP, TLS and authentication of one connection. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** The answer to one request. A broker that is alive answers in milliseconds; a commit that waits for replicas, in seconds. */
export const REQUEST_TIMEOUT_MS = 15_000;
/** How long reads, waits and topics go on trying while brokers are away: a restart takes 2 to 20 s, a move to other brokers 10 to 15. */
export const RETRY_DEADLINE_MS = 60_000;
/** Pauses between tries double from the first to the last. */
export const RETRY_PAUSE_MS = [5, 250] as const;

/** After this the broker aborts the transaction of a writer that fell silent. Readers are held up for as long (and up to 10 s more: the broker looks that often). */
export const TRANSACTION_TIMEOUT_MS = 15_000;
/** How long a commit that was decided is repeated until somebody knows its outcome. Longer than a broker's restart. */
export const SETTLE_DEADLINE_MS = 45_000;
/** How long opening a writer waits for what earlier writers left: above the largest time in which a broker ends other owners' dead transactions. */
export const TAKEOVER_DEADLINE_MS = 60_000;
/**
 * How long an undecided transaction of somebody else may hide what was committed behind it, before that is told: brokers end those of our own long before,
 * within TRANSACTION_TIMEOUT_MS and the 10 s between their looks.
 */
export const HELD_UP_DEADLINE_MS = 60_000;
/** A commit whose marker is missing in a partition for so long is ended there once more: markers take milliseconds, and seconds while a partition moves. */
export const END_AGAIN_MS = 5_000;
/** Between two looks whether the transaction before is over: its markers take 1 to 8 ms, longer only while brokers are away. */
export const TRANSACTION_PAUSE_MS = [1, 20] as const;

/** A broker answers a waiting fetch after this at the latest; then it is asked again. */
export const WAIT_FETCH_MS = 5_000;
/** What a waiting fetch may bring along for the next read. */
export const WAIT_FETCH_BYTES = 1024 * 1024;
/** Connections for waiting, for each broker: one carries any number of partitions, but one that waits can't be told of another partition. */
export const WAIT_CONNECTIONS = 12;
/** With all connections but this many in use, further waits are asked for short times, so that new partitions soon find a free one. */
export const WAIT_CONNECTIONS_SPARE = 4;
export const WAIT_SHORT_FETCH_MS = 50;

/** How long a topic just made elsewhere may stay unknown to a broker, before it counts as missing. Clusters of one broker know at once. */
export const TOPIC_GRACE_MS = 500;
/** Replicas of a topic when the caller names no number, on clusters that have as many brokers. */
export const REPLICAS_DEFAULT = 3;
