/**
 * The schema of published records in a registry: checked before a deployment writes anything, registered when its generation is made, so
 * that its id can stand in every record. A generation has a topic and so a subject of its own; it must also follow the one before, whose consumers move over.
 */
import type { Json, Log, Program, RunName, SchemaRegistry } from '#engine';
import { RunTopics, toAvroSchema, valueSubject } from '#engine';
import { KAFKA_SCHEME } from '#connectors/kafka';
import { openRegistry } from '#connectors/registry';
import type { Environment } from './run-gateway.ts';

/** Variables that the registry's connector reads. */
const VARIABLES = [
  'MIZU_REGISTRY_URL',
  'MIZU_REGISTRY_USER',
  'MIZU_REGISTRY_PASSWORD',
  'MIZU_REGISTRY_TOKEN',
  'MIZU_REGISTRY_COMPATIBILITY',
] as const;

/** Undefined when no registry is named. @throws USAGE for settings that contradict each other. */
export function registryOf(env: Environment): SchemaRegistry | undefined {
  const found = Object.fromEntries(VARIABLES.map((name) => [name, env(name)]));
  const named = found['MIZU_REGISTRY_URL'];
  return named === undefined || named === '' ? undefined : openRegistry({ env: found });
}

/** The subject of a run's verified topic, by the name that the topic has for its consumers. */
export function verifiedSubject(log: Pick<Log, 'address' | 'network'>, run: RunName): string {
  const { verified } = new RunTopics(run);
  return valueSubject(log.address.startsWith(KAFKA_SCHEME) ? `${log.network}.${verified}` : verified);
}

/** Named after the workflow, not its generation: consumers of both see one record type. */
export function publishedSchema(name: string, { published }: Program): Json {
  const word = name.replaceAll(/[^A-Za-z0-9_]/g, '_');
  return toAvroSchema(published, /^\d/.test(word) ? `_${word}` : word);
}

/** @throws SCHEMA_INCOMPATIBLE field by field; REGISTRY_UNAVAILABLE, REGISTRY_REFUSED. */
export async function checkPublishedSchema(
  registry: SchemaRegistry,
  log: Log,
  schema: Json,
  run: RunName,
  before: RunName | undefined,
): Promise<void> {
  await registry.check(verifiedSubject(log, run), schema);
  const earlier = before === undefined || before.generation === run.generation ? undefined : verifiedSubject(log, before);
  if (earlier !== undefined && (await registry.latest(earlier)) !== undefined) await registry.check(earlier, schema);
}
