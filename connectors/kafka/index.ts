/** The log on Apache Kafka, for many machines. */
export { type KafkaLogOptions, openKafkaLog } from './log.ts';
export type { KafkaSasl, KafkaSecurity, KafkaTls } from './security.ts';
export { KAFKA_VARIABLES, type KafkaVariable, readKafkaSecurity } from './security-env.ts';
export { KAFKA_SCHEME } from './address.ts';
export { TOPIC_SETTINGS, type TopicSetting } from './topic-settings.ts';
export { openKafkaTopic } from './source.ts';
export { KAFKA_PERMISSIONS, type KafkaPermission } from './permissions.ts';
