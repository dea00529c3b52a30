/** Opens the topics that workflows read: on the cluster that their settings name, or on that of the run's own log. */
import type { Log, OpenExternal } from '#engine';
import { MizuError } from '#engine';
import { KAFKA_SCHEME, openKafkaTopic, readKafkaSecurity } from '#connectors/kafka';
import type { Environment } from './run-gateway.ts';

/** The opener throws USAGE for a topic without an address when the log is no cluster, and what the connector throws. */
export function openExternal(log: Pick<Log, 'address'>, env: Environment): OpenExternal {
  return async ({ name, topic, url }) => {
    const address = url ?? (log.address.startsWith(KAFKA_SCHEME) ? log.address : undefined);
    if (address !== undefined) return openKafkaTopic({ url: address, topic, security: readKafkaSecurity(env) });
    throw new MizuError('USAGE', `Where the topic '${name}' is was not said, and the log ${log.address} is no cluster`, {
      component: `sources.${name}`,
      hint: `Add to the workflow: sources: { ${name}: { url: "${KAFKA_SCHEME}HOST:PORT" } }.`,
    });
  };
}
