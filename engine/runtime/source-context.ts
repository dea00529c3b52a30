/** What the roles that handle a run's source need to know of the run, and how its external topic is opened. */
import { MizuError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Deployment, Program } from '../contract/program.ts';
import { topicSource } from '../contract/program.ts';
import type { ExternalTopic, OpenExternal, SourceBounds } from '../contract/source.ts';
import type { RunTopics } from './topics.ts';

export interface SourceContext {
  readonly log: Log;
  /** NAME/GENERATION. */
  readonly title: string;
  readonly topics: RunTopics;
  readonly program: Program;
  readonly deployment: Deployment;
  /** Where the program's topic begins and ends; there for every program that reads one. */
  readonly source?: SourceBounds | undefined;
}

/** The topic that was recorded when the run was deployed, at the address that its settings give today. @throws USAGE without an opener; what it throws. */
export async function openExternalSource(
  { program, deployment, source }: Pick<SourceContext, 'program' | 'deployment' | 'source'>,
  open: OpenExternal | undefined,
): Promise<ExternalTopic> {
  const name = topicSource(program)?.name ?? '';
  if (open === undefined) {
    throw new MizuError('USAGE', `The program reads the topic '${name}', and nothing was given to open it with`, { component: name });
  }
  const address = deployment.sources?.[name];
  const topic = await open({ name, topic: source?.topic ?? address?.topic ?? name, url: address?.url });
  const expected = source?.partitions.length ?? topic.partitions;
  if (topic.partitions >= expected) return topic;
  await topic.close();
  throw new MizuError(
    'SOURCE_UNAVAILABLE',
    `unavailable: topic '${topic.name}' has ${topic.partitions} partitions; the run was deployed over ${expected}`,
    { component: topic.name, hint: 'It was deleted and made again: start a new generation over the new topic (--new-generation).' },
  );
}
