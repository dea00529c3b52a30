/** What a topic, an owner and a commit must look like before anything is touched (law 10); the same for every log. */
import { MizuError } from './errors.ts';
import type { Append, LogLimits, TopicSpec } from './log.ts';

/** Partitions of one topic (TopicSpec). */
const TOPIC_LIMIT_PARTITIONS = 1024;
const TOPIC_PATTERN = /^[A-Za-z0-9._-]{1,200}$/;
const OWNER_PATTERN = /^[A-Za-z0-9._/-]{1,200}$/;

/** @throws USAGE */
export function checkTopicSpec(spec: TopicSpec): void {
  if (!TOPIC_PATTERN.test(spec.name) || spec.name === '.' || spec.name === '..') {
    throw usage(
      `'${spec.name.slice(0, 80)}' is not a topic name`,
      'Use 1 to 200 of the characters A-Z a-z 0-9 . _ - (and not just . or ..).',
    );
  }
  if (!Number.isInteger(spec.partitions) || spec.partitions < 1 || spec.partitions > TOPIC_LIMIT_PARTITIONS) {
    throw usage(`Topic ${spec.name} can't have ${spec.partitions} partitions`, `Give a whole number from 1 to ${TOPIC_LIMIT_PARTITIONS}.`);
  }
  if (spec.cleanup !== 'keep' && spec.cleanup !== 'compact') {
    throw usage(`Topic ${spec.name}: cleanup '${String(spec.cleanup)}' is not known`, "Give 'keep' or 'compact'.");
  }
}

/** @throws USAGE when the topic is there with another spec. */
export function checkSameSpec(existing: TopicSpec, asked: TopicSpec): void {
  if (existing.partitions === asked.partitions && existing.cleanup === asked.cleanup) return;
  throw usage(
    `Topic ${asked.name} exists with ${existing.partitions} partitions and cleanup '${existing.cleanup}', not ${asked.partitions} and '${asked.cleanup}'`,
    'A topic keeps its spec for ever: use the same one, or another name.',
  );
}

/** @throws USAGE */
export function checkOwner(owner: string): void {
  if (!OWNER_PATTERN.test(owner))
    throw usage(`'${owner.slice(0, 80)}' is not an owner's name`, 'Use 1 to 200 of the characters A-Z a-z 0-9 . _ / -');
}

/** An append whose headers are encoded and whose size is known. */
export interface Admitted {
  readonly append: Append;
  readonly headers: string;
  readonly bytes: number;
}

/** @throws LOG_LIMIT, or USAGE for headers that are not well-formed text. */
export function admit(appends: readonly Append[], limits: LogLimits): Admitted[] {
  let total = 0;
  // Appends of one step share their headers.
  let of: Append['headers'];
  let headers = '';
  let headerBytes = 0;
  return appends.map((append) => {
    if (append.headers !== of) {
      of = append.headers;
      headers = encodeHeaders(append);
      headerBytes = Buffer.byteLength(headers);
    }
    const bytes = (append.key?.length ?? 0) + append.value.length + headerBytes;
    if (bytes > limits.entryBytes) throw overLimit(`An entry of ${bytes} bytes for ${place(append)}`, limits.entryBytes, 'an entry');
    total += bytes;
    if (total > limits.commitBytes) throw overLimit(`A commit of ${total} bytes or more`, limits.commitBytes, 'a commit');
    return { append, headers, bytes };
  });
}

/** @throws NOT_FOUND for a partition the topic does not have, USAGE for a missing key. */
export function checkPlace(topic: TopicSpec, append: Append): void {
  checkPartition(topic, append.partition);
  if (topic.cleanup === 'compact' && append.key === undefined) {
    throw usage(
      `An entry of the compacted topic ${topic.name} has no key`,
      'Compaction keeps the newest entry of each key, so every entry there needs one.',
    );
  }
}

/** @throws NOT_FOUND */
export function checkPartition(topic: TopicSpec, partition: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < topic.partitions) return;
  throw new MizuError('NOT_FOUND', `Topic ${topic.name} has no partition ${partition}`, {
    component: topic.name,
    hint: `Its partitions are 0 to ${topic.partitions - 1}.`,
  });
}

/** Lone surrogates are no Unicode text: another log could not carry them. */
function encodeHeaders(append: Append): string {
  const headers = Object.entries(append.headers ?? {});
  if (headers.length === 0) return '';
  for (const [name, value] of headers) {
    if (!name.isWellFormed() || !value.isWellFormed())
      throw usage(`Header ${JSON.stringify(name)} for ${place(append)} is not well-formed text`, 'Encode bytes as base64 or hexadecimal.');
  }
  return JSON.stringify(append.headers);
}

function place(append: Append): string {
  return `${append.topic}/${append.partition}`;
}

function overLimit(what: string, limit: number, unit: string): MizuError {
  return new MizuError('LOG_LIMIT', `${what} is above the limit of ${limit} bytes for ${unit}; nothing was written`, {
    hint: 'Use smaller tasks or shorter records, or split the value over several entries.',
  });
}

function usage(message: string, hint: string): MizuError {
  return new MizuError('USAGE', message, { hint });
}
