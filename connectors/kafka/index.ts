/** The log on Apache Kafka, for many machines. */
export { type KafkaLogOptions, openKafkaLog } from './log.ts';
export type { KafkaSecurity } from './security.ts';
export { KAFKA_VARIABLES, readKafkaCompression, readKafkaSecurity } from './security-env.ts';
export { KAFKA_SCHEME } from './address.ts';
export { TOPIC_SETTINGS } from './topic-settings.ts';
export { openKafkaTopic } from './source.ts';
export { KAFKA_PERMISSIONS, type KafkaPermission } from './permissions.ts';
