/** Loads the client with the first cluster that is opened: most commands work on a folder, and every start would pay for it. */
import type { ExternalTopic, Log } from '#engine';
import type { KafkaLogOptions } from './log.ts';
import type { KafkaTopicOptions } from './source.ts';

/** See log.ts. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const log = await import('./log.ts');
  return log.openKafkaLog(options);
}

/** See source.ts. */
export async function openKafkaTopic(options: KafkaTopicOptions): Promise<ExternalTopic> {
  const source = await import('./source.ts');
  return source.openKafkaTopic(options);
}
