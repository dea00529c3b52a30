/** The settings of every Kafka topic that this log makes: one table, for the broker and for the documents. */
import type { TopicSpec } from '#engine';
import { MESSAGE_LIMIT_BYTES } from './limits.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MIB = 1024 * 1024;
/** Segments are what retention deletes and compaction takes: four to a bound, so that a bound is kept within a quarter. */
const SEGMENTS_IN_BOUND = 4;

export interface TopicSetting {
  readonly name: string;
  readonly value: (spec: TopicSpec, minInsync: number) => string | undefined;
  readonly reason: string;
}

const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(Math.floor(value), least), most);

export const TOPIC_SETTINGS: readonly TopicSetting[] = [
  {
    name: 'cleanup.policy',
    value: ({ cleanup }) => (cleanup === 'compact' ? 'compact' : 'delete'),
    reason: 'what `cleanup` of the topic says',
  },
  { name: 'max.message.bytes', value: () => String(MESSAGE_LIMIT_BYTES), reason: 'the largest batch, so the largest entry' },
  { name: 'compression.type', value: () => 'producer', reason: 'batches are kept as they were written' },
  { name: 'unclean.leader.election.enable', value: () => 'false', reason: 'a committed entry is never given up for availability' },
  {
    name: 'min.insync.replicas',
    value: (_, minInsync) => String(minInsync),
    reason: 'how many replicas hold an entry before it is committed',
  },
  { name: 'message.timestamp.type', value: () => 'CreateTime', reason: 'the time of the commit; retention goes by it, nothing else does' },
  {
    name: 'retention.ms',
    value: ({ cleanup, retention }) => (cleanup === 'keep' ? String(retention?.ms ?? -1) : undefined),
    reason: 'kept topics forget nothing unless their spec says so',
  },
  {
    name: 'retention.bytes',
    value: ({ cleanup, retention }) => (cleanup === 'keep' ? String(retention?.bytes ?? -1) : undefined),
    reason: 'the same, by size of a partition',
  },
  {
    name: 'segment.bytes',
    value: ({ cleanup, retention }) => {
      if (cleanup === 'compact') return String(64 * MIB);
      return retention?.bytes === undefined
        ? undefined
        : String(clamp(retention.bytes / SEGMENTS_IN_BOUND, 2 * MESSAGE_LIMIT_BYTES, 1024 * MIB));
    },
    reason: 'the newest segment is neither deleted nor compacted, so segments are small where that matters',
  },
  {
    name: 'segment.ms',
    value: ({ cleanup, retention }) => {
      if (cleanup === 'compact') return String(DAY_MS);
      return retention?.ms === undefined ? undefined : String(clamp(retention.ms / SEGMENTS_IN_BOUND, MINUTE_MS, 7 * DAY_MS));
    },
    reason: 'the same, for topics that grow slowly',
  },
  {
    name: 'min.cleanable.dirty.ratio',
    value: ({ cleanup }) => (cleanup === 'compact' ? '0.2' : undefined),
    reason: 'compacted topics are tables that readers read whole: a fifth of old values at most',
  },
];

export function settingsOf(spec: TopicSpec, minInsync: number): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const { name, value } of TOPIC_SETTINGS) {
    const text = value(spec, minInsync);
    if (text !== undefined) settings[name] = text;
  }
  return settings;
}

/** Settings that follow from the retention of a kept topic. */
export const RETENTION_SETTINGS = ['retention.ms', 'retention.bytes', 'segment.bytes', 'segment.ms'] as const;

/** Settings that tell the spec of a topic that exists. */
export const SPEC_SETTINGS = ['cleanup.policy', 'retention.ms', 'retention.bytes'] as const;

export function specOf(name: string, partitions: number, settings: ReadonlyMap<string, string>): TopicSpec {
  if (settings.get('cleanup.policy')?.includes('compact')) return { name, partitions, cleanup: 'compact' };
  const ms = bound(settings.get('retention.ms'));
  const bytes = bound(settings.get('retention.bytes'));
  if (ms === undefined && bytes === undefined) return { name, partitions, cleanup: 'keep' };
  return {
    name,
    partitions,
    cleanup: 'keep',
    retention: { ...(bytes === undefined ? {} : { bytes }), ...(ms === undefined ? {} : { ms }) },
  };
}

function bound(text: string | undefined): number | undefined {
  const value = Number(text ?? -1);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}
