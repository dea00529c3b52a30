/** Opens the topics that workflows read: on the cluster that their settings name, or on that of the run's own log. */
import type { Log, OpenExternal } from '#engine';
import { MizuError } from '#engine';
import { KAFKA_SCHEME, openKafkaTopic, readKafkaSecurity } from '#connectors/kafka';
import type { Environment } from './run-gateway.ts';

/** Begin of the variables with the credentials for clusters that only a workflow names: those of the log are for the log alone. */
const SOURCE_VARIABLES = 'MIZU_SOURCE_';
const LOG_VARIABLES = 'MIZU_KAFKA_';

/** The opener throws USAGE for a topic without an address when the log is no cluster, and what the connector throws. */
export function openExternal(log: Pick<Log, 'address'>, env: Environment): OpenExternal {
  const sourceEnv: Environment = (name) => env(name.replace(LOG_VARIABLES, SOURCE_VARIABLES));
  return async ({ name, topic, url }) => {
    if (url !== undefined) return openKafkaTopic({ url, topic, security: readKafkaSecurity(sameCluster(log, url) ? env : sourceEnv) });
    if (isCluster(log)) return openKafkaTopic({ url: log.address, topic, security: readKafkaSecurity(env) });
    throw new MizuError('USAGE', `Where the topic '${name}' is was not said, and the log ${log.address} is no cluster`, {
      component: `sources.${name}`,
      hint: `Add to the workflow: sources: { ${name}: { url: "${KAFKA_SCHEME}HOST:PORT" } }.`,
    });
  };
}

/** Whether every broker that a workflow names is one of the log's. */
export function sameCluster(log: Pick<Log, 'address'>, url: string): boolean {
  const own = new Set(isCluster(log) ? brokersOf(log.address) : []);
  return brokersOf(url).every((broker) => own.has(broker));
}

function isCluster({ address }: Pick<Log, 'address'>): boolean {
  return address.startsWith(KAFKA_SCHEME);
}

function brokersOf(address: string): readonly string[] {
  return (address.slice(KAFKA_SCHEME.length).split('/')[0] ?? '').split(',');
}
