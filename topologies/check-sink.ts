/** Looks at the topic that a workflow publishes into before anything is deployed: what no run could do is refused here, with the reason (law 10). */
import type { Compiled, Log } from '#engine';
import { assertWritable, lookAtSink, MizuError, topicSource } from '#engine';
import { sameCluster } from './open-external.ts';

/**
 * @param writes whether who asks will publish the records himself: then he needs the right to.
 * @throws USAGE for another cluster, a log that is none, the topic that the workflow reads, or one that can't be a sink; NOT_FOUND; LOG_REFUSED.
 */
export async function checkSink(
  log: Pick<Log, 'address' | 'sink'>,
  { program, deployment }: Pick<Compiled, 'program' | 'deployment'>,
  { writes }: { readonly writes: boolean },
): Promise<void> {
  const { publish, sources } = deployment;
  if (publish === undefined) return;
  const { topic, url } = publish;
  if (url !== undefined && !sameCluster(log, url)) {
    throw refused(
      `publish.url names ${url}, and the log is ${log.address}: no transaction spans two clusters, so records there could be lost or doubled`,
      "Publish into a topic of the log's cluster and let a mirror carry it over (MirrorMaker). If it is the same cluster by another address, leave `url` out.",
    );
  }
  const read = topicSource(program)?.name;
  const source = read === undefined ? undefined : sources?.[read];
  if (read !== undefined && (source?.topic ?? read) === topic && (source?.url === undefined || sameCluster(log, source.url)))
    throw refused(`The workflow would read what it publishes: '${topic}' is its source`, 'Publish into another topic.');
  const sink = await lookAtSink(log, deployment);
  if (writes) assertWritable(deployment, sink);
}

function refused(message: string, hint: string): MizuError {
  return new MizuError('USAGE', message, { component: 'publish.topic', hint });
}
