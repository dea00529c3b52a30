/** The log on Apache Kafka, for many machines. */
export type { KafkaLogOptions } from './log.ts';
export { openKafkaLog, openKafkaTopic } from './open.ts';
export type { KafkaSecurity } from './security.ts';
export { KAFKA_VARIABLES, readKafkaCompression, readKafkaSecurity } from './security-env.ts';
export { KAFKA_SCHEME } from './address.ts';
export { TOPIC_SETTINGS } from './topic-settings.ts';
export { KAFKA_PERMISSIONS, type KafkaPermission } from './permissions.ts';
