/** The settings of one broker, and its formatted storage. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SecuredListener } from './broker-security.ts';

const run = promisify(execFile);

/** Enough for tests of some megabytes; the broker uses about 300 MB in all. */
const HEAP_MB = 256;

export interface BrokerSettings {
  readonly heapMb?: number;
  /** `quick` (default): serial collector and first-tier compiler, up in some 3 s. `bench`: G1 and all tiers, as in production. */
  readonly jvm?: 'quick' | 'bench';
  /** Added to server.properties, and stronger than ours. */
  readonly properties?: Readonly<Record<string, string>>;
}

function jvmFlags({ heapMb = HEAP_MB, jvm = 'quick' }: BrokerSettings): string[] {
  const memory = [`-Xms${Math.min(heapMb, HEAP_MB)}m`, `-Xmx${heapMb}m`];
  return jvm === 'quick' ? [...memory, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] : [...memory, '-XX:+UseG1GC'];
}

const LOGGING = `rootLogger.level = INFO
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
`;

export interface BrokerPorts {
  /** The listener for clients, secured if so asked. */
  readonly port: number;
  /** The broker's connections to itself: plain, whatever clients must show. */
  readonly inside: number;
  readonly controller: number;
}

/** Its place among the brokers of a cluster. */
export interface ClusterPlace {
  readonly id: string;
  /** Number of this broker, from 1. */
  readonly number: number;
  /** Ports of all controllers, in order of number. */
  readonly controllers: readonly number[];
}

/** A cluster of one. The tool takes an id that begins with '-' for an option, so the first bits are set. */
export function newClusterId(): string {
  const id = randomBytes(16);
  id[0] = 0;
  return id.toString('base64url');
}

export interface BrokerSetup {
  readonly folder: string;
  readonly jars: string;
  readonly settings: BrokerSettings;
  readonly listener: SecuredListener;
  readonly ports: BrokerPorts;
  /** Says where loaded classes are kept or taken from. */
  readonly classes: string;
  /** Absent: it is a cluster by itself. */
  readonly place?: ClusterPlace | undefined;
}

/** Writes the settings, formats the storage, and gives the arguments of the `java` that runs the broker. */
export async function setUpBroker({ folder, jars, settings, listener, ports, classes, place }: BrokerSetup): Promise<string[]> {
  const { id, number, controllers } = place ?? { id: newClusterId(), number: 1, controllers: [ports.controller] };
  const properties = join(folder, 'server.properties');
  const logging = join(folder, 'log4j2.properties');
  const lines = Object.entries({
    ...serverProperties(ports, listener, join(folder, 'data')),
    ...clusterProperties(number, controllers),
    ...settings.properties,
  });
  writeFileSync(properties, lines.map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 });
  writeFileSync(logging, LOGGING);
  const jvm = ['-cp', `${jars}/*`, `-Dlog4j2.configurationFile=${logging}`, ...listener.jvm];
  const shared = classes.startsWith('-XX:SharedArchiveFile') ? [classes] : [];
  const format = ['kafka.tools.StorageTool', 'format', '-t', id, '-c', properties, ...listener.format];
  await run('java', [...jvmFlags({}), ...shared, ...jvm, ...format]);
  return [...jvmFlags(settings), classes, ...jvm, 'kafka.Kafka', properties];
}

function serverProperties(ports: BrokerPorts, listener: SecuredListener, data: string): Record<string, string> {
  const listeners = `CLIENT://127.0.0.1:${ports.port},INSIDE://127.0.0.1:${ports.inside}`;
  return {
    'process.roles': 'broker,controller',
    listeners: `${listeners},CONTROLLER://127.0.0.1:${ports.controller}`,
    'advertised.listeners': listeners,
    'listener.security.protocol.map': `CLIENT:${listener.protocol},INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'INSIDE',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': data,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // A broker that was killed may come back once its old session has ended; the default is 9 s.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // Retention and compaction are looked at every half second, so that tests see them; the defaults are 5 minutes and 15 s.
    'log.retention.check.interval.ms': '500',
    'log.cleaner.backoff.ms': '500',
    ...listener.properties,
  };
}

/** Several keep several copies of what the brokers themselves write down, and one of them may be away. */
function clusterProperties(number: number, controllers: readonly number[]): Record<string, string> {
  const copies = Math.min(controllers.length, 3);
  return {
    'node.id': String(number),
    'controller.quorum.voters': controllers.map((port, n) => `${n + 1}@127.0.0.1:${port}`).join(','),
    'offsets.topic.replication.factor': String(copies),
    'transaction.state.log.replication.factor': String(copies),
    'transaction.state.log.min.isr': String(Math.max(1, copies - 1)),
  };
}
