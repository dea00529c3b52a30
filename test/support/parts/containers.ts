/** Broker and registry as containers, where a Docker engine runs on this machine: the versions are those of the Java parts. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.ts';
import { APICURIO_VERSION, KAFKA_VERSION } from './jvm-parts.ts';
import { CONFLUENT_PATH } from './jvm-registry.ts';

const CONTROLLER_PORT = 9093;
const REGISTRY_PORT = 8080;
const START_LIMIT_MS = 5 * 60_000;

/** True when an engine answers. Its sockets are looked for first, because the library takes a second to load. */
export async function dockerRuns(): Promise<boolean> {
  const sockets = ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')];
  if (process.env.DOCKER_HOST === undefined && !sockets.some((socket) => existsSync(socket))) return false;
  const { getContainerRuntimeClient } = await import('testcontainers');
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

/** A broker that is told the port it is reached at, which is the same inside and outside. */
export async function startBrokerContainer(): Promise<{ brokers: string; remove(): Promise<void> }> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const [port = 0] = await freePorts(1);
  const container = await new GenericContainer(`apache/kafka:${KAFKA_VERSION}`)
    .withExposedPorts({ container: port, host: port })
    .withEnvironment({
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_NODE_ID: '1',
      KAFKA_CONTROLLER_QUORUM_VOTERS: `1@localhost:${CONTROLLER_PORT}`,
      KAFKA_LISTENERS: `BROKER://0.0.0.0:${port},CONTROLLER://localhost:${CONTROLLER_PORT}`,
      KAFKA_ADVERTISED_LISTENERS: `BROKER://127.0.0.1:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'BROKER',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS: '500',
      KAFKA_LOG_CLEANER_BACKOFF_MS: '500',
    })
    .withWaitStrategy(Wait.forLogMessage('Kafka Server started'))
    .withStartupTimeout(START_LIMIT_MS)
    .start();
  return { brokers: `127.0.0.1:${port}`, remove: async () => void (await container.stop()) };
}

export async function startRegistryContainer(): Promise<{ url: string; remove(): Promise<void> }> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer(`apicurio/apicurio-registry:${APICURIO_VERSION}`)
    .withExposedPorts(REGISTRY_PORT)
    .withWaitStrategy(Wait.forHttp(`${CONFLUENT_PATH}/subjects`, REGISTRY_PORT))
    .withStartupTimeout(START_LIMIT_MS)
    .start();
  const url = `http://${container.getHost()}:${container.getMappedPort(REGISTRY_PORT)}${CONFLUENT_PATH}`;
  return { url, remove: async () => void (await container.stop()) };
}
