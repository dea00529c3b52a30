/**
 * A schema registry: where plain consumers find the Avro schema that the head of a published record names. Subjects hold the versions of one topic's
 * schema; an id names a schema for ever. Nothing of it is digested or signed (P11).
 */
import type { Json } from './program.ts';

/** What a new schema of a subject must be able to do: read data of the old ones (BACKWARD), be read by the old ones (FORWARD), or both. */
export type Compatibility = 'NONE' | 'BACKWARD' | 'BACKWARD_TRANSITIVE' | 'FORWARD' | 'FORWARD_TRANSITIVE' | 'FULL' | 'FULL_TRANSITIVE';

/** Every method throws REGISTRY_UNAVAILABLE when the registry can't be reached or fails, REGISTRY_REFUSED when it answers that it won't. */
export interface SchemaRegistry {
  /**
   * Sees to it that the schema may follow those that the subject holds, under the compatibility level that it has or would get. Changes nothing. Called before a deploy.
   * @throws SCHEMA_INCOMPATIBLE with one problem for each field.
   */
  check(subject: string, schema: Json): Promise<void>;
  /** The id of the schema: a new one, or the one it has already. Checks first, and gives the subject a level if it has none. @throws as `check`. */
  register(subject: string, schema: Json): Promise<number>;
  /** The schema with this id. Asks each time: an id's schema never changes, so callers keep it. @throws NOT_FOUND. */
  schemaOf(id: number): Promise<Json>;
  /** The newest schema of a subject; undefined when it holds none. */
  latest(subject: string): Promise<SchemaVersion | undefined>;
  /** Every schema that a subject holds, oldest first; none when there is no such subject. */
  versions(subject: string): Promise<readonly SchemaVersion[]>;
}

/** One of a subject's schemas. */
export interface SchemaVersion {
  readonly id: number;
  /** Counted in the subject, from 1; may have gaps. */
  readonly version: number;
  readonly type: 'AVRO' | 'JSON' | 'PROTOBUF';
  /** As it was registered: JSON, but for PROTOBUF. */
  readonly schema: string;
}

/** The subject of a topic's values (Confluent's TopicNameStrategy). */
export function valueSubject(topic: string): string {
  return `${topic}-value`;
}
