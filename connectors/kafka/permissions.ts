/** The least permissions (ACLs) of a Kafka user, by what it does: one table, for the documents and for the test that grants nothing else. */

export interface KafkaPermission {
  /** Whom it is for: who only reads, who also writes, who also makes topics (deploy), who also asks for the size of the log. */
  readonly need: 'read' | 'write' | 'create' | 'size';
  readonly resource: 'topic' | 'transactional id' | 'cluster';
  readonly operation: 'DESCRIBE' | 'DESCRIBE_CONFIGS' | 'READ' | 'WRITE' | 'CREATE' | 'ALTER_CONFIGS';
  readonly reason: string;
}

/** Topics and transactional ids are granted by the prefix `NETWORK.`. */
export const KAFKA_PERMISSIONS: readonly KafkaPermission[] = [
  { need: 'read', resource: 'topic', operation: 'DESCRIBE', reason: 'partitions and offsets' },
  { need: 'read', resource: 'topic', operation: 'DESCRIBE_CONFIGS', reason: 'which topics are compacted' },
  { need: 'read', resource: 'topic', operation: 'READ', reason: 'entries' },
  { need: 'write', resource: 'topic', operation: 'WRITE', reason: 'entries' },
  { need: 'write', resource: 'transactional id', operation: 'DESCRIBE', reason: 'what an earlier writer of the owner left' },
  { need: 'write', resource: 'transactional id', operation: 'WRITE', reason: 'commits, and fencing earlier writers' },
  { need: 'create', resource: 'topic', operation: 'CREATE', reason: 'topics of a run' },
  { need: 'create', resource: 'topic', operation: 'ALTER_CONFIGS', reason: 'their retention, when a deployment changes it' },
  { need: 'size', resource: 'cluster', operation: 'DESCRIBE', reason: 'bytes on the disks of the brokers' },
];
