/** `kafka://host:port[,host:port]/NETWORK`: where the brokers are, and the name of the deployment on them. */
import { MizuError } from '#engine';
import type { BrokerAddress } from './api-cluster.ts';
import { NETWORK_LIMIT_CHARACTERS } from './limits.ts';

export interface KafkaAddress {
  readonly brokers: readonly BrokerAddress[];
  readonly network: string;
}

export const KAFKA_SCHEME = 'kafka://';
const EXAMPLE = 'for example kafka://broker-1:9092,broker-2:9092/reviews';
/** No dot, because one ends the network in a topic's name; no underscore, which Kafka takes for a dot in metrics. */
const NETWORK_PATTERN = new RegExp(`^[A-Za-z0-9-]{1,${NETWORK_LIMIT_CHARACTERS}}$`);
/** A name, an IPv4 address, or an IPv6 address in brackets. */
const BROKER_PATTERN = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;
const PORT_LIMIT = 65_535;

/** @throws USAGE, with an example. */
export function parseKafkaAddress(address: string): KafkaAddress {
  if (!address.startsWith(KAFKA_SCHEME)) throw usage(address, `it does not begin with ${KAFKA_SCHEME}`);
  const [hosts = '', network, ...rest] = address.slice(KAFKA_SCHEME.length).split('/');
  if (hosts.includes('@')) {
    // The text is not repeated: it may hold a password.
    throw new MizuError('USAGE', 'The address of the log has an @: users and passwords are not part of it', {
      hint: `Give them by MIZU_KAFKA_SASL_USERNAME and MIZU_KAFKA_SASL_PASSWORD, and the address alone, ${EXAMPLE}.`,
    });
  }
  if (network === undefined || network === '') throw usage(address, 'it names no network');
  if (rest.length > 0) throw usage(address, 'more follows after the network');
  if (!NETWORK_PATTERN.test(network)) {
    throw usage(
      address,
      `'${network.slice(0, 80)}' is no network: 1 to ${NETWORK_LIMIT_CHARACTERS} of the characters A-Z a-z 0-9 - are wanted`,
    );
  }
  return { brokers: hosts.split(',').map((text) => parseBroker(text, address)), network };
}

/** `kafka://host:port[,host:port]`, as the address of a topic that is no log; a network after it is not looked at. @throws USAGE. */
export function parseBrokers(address: string): readonly BrokerAddress[] {
  const [hosts = ''] = address.slice(KAFKA_SCHEME.length).split('/');
  if (!address.startsWith(KAFKA_SCHEME) || hosts.includes('@')) {
    throw new MizuError('USAGE', 'The address of a source is no kafka://host:port[,host:port]', {
      hint: 'Users and passwords are not part of it: they stand in MIZU_KAFKA_SASL_USERNAME and MIZU_KAFKA_SASL_PASSWORD.',
    });
  }
  return hosts.split(',').map((text) => parseBroker(text, address));
}

function parseBroker(text: string, address: string): BrokerAddress {
  const [, host, port] = BROKER_PATTERN.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > PORT_LIMIT) throw usage(address, `'${text.slice(0, 80)}' is no host:port`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function usage(address: string, problem: string): MizuError {
  return new MizuError('USAGE', `'${address.slice(0, 200)}' is no address of a Kafka log: ${problem}`, {
    hint: `Write kafka://host:port[,host:port]/NETWORK, ${EXAMPLE}.`,
  });
}
