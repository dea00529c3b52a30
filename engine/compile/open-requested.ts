/** Opens the source that a step asks for, and says which failures of that are for the author to mend. */
import { MizuError } from '../contract/errors.ts';
import type { SourceRequest, TopicInfo, TopicRequest } from '../contract/operator.ts';
import { valueSubject } from '../contract/schema-registry.ts';
import type { ProblemDetails } from '../workflow/place.ts';
import { shorten } from '../workflow/place.ts';
import type { Opened, PlanInput } from './plan-context.ts';

/** @throws what the host throws; INPUT_INVALID where schemas are needed and none can be read. */
export async function openRequested(request: SourceRequest | TopicRequest, input: PlanInput): Promise<Opened> {
  return 'topic' in request ? { topic: await openTopic(request, input) } : { source: await input.host.openSource(request) };
}

/** The topic itself is not asked: a workflow can be checked while its broker is away, but not without the schemas of its records. */
async function openTopic({ topic, format }: TopicRequest, { host, spec }: PlanInput): Promise<TopicInfo> {
  if (format !== 'avro' && format !== 'json-schema') return { schemas: [] };
  const address = spec.sources[topic];
  if (host.readSchemas === undefined)
    throw new MizuError('INPUT_INVALID', `The format '${format}' needs a schema registry, which is not read here`);
  return { schemas: await host.readSchemas(address?.registry, valueSubject(address?.topic ?? topic)) };
}

const AUTHORS_CODES: readonly string[] = [
  'NOT_FOUND',
  'FILE_UNREADABLE',
  'INPUT_INVALID',
  'SOURCE_UNAVAILABLE',
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_REFUSED',
  'USAGE',
];

/** Whether it is a problem of the workflow, or of what it names. */
export function isAuthors(error: unknown): error is MizuError {
  return error instanceof MizuError && AUTHORS_CODES.includes(error.code);
}

export function openingDetails(request: SourceRequest | TopicRequest, error: MizuError): ProblemDetails {
  const isTopic = 'topic' in request;
  return {
    value: shorten(isTopic ? request.topic : request.path),
    hint: error.hint ?? (isTopic ? 'its address stands under `sources`' : 'paths are relative to the workflow file'),
  };
}
