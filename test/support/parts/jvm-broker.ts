/**
 * Kafka brokers of our own on loopback, one or a cluster: controller and broker in one Java program, data in a folder that goes with it.
 * Tests and benches start them; they need no test runner.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientSecrets, type Security, secureListener } from './broker-security.ts';
import { type BrokerPorts, type BrokerSettings, type ClusterPlace, newClusterId, setUpBroker } from './broker-setup.ts';
import { freePorts } from './free-port.ts';
import { javaVersion, kafkaJars } from './jvm-parts.ts';
import { type JvmProcess, startJvm } from './jvm-process.ts';

/** Another process may take a free port before the broker does. */
const START_ATTEMPTS = 3;

export interface BrokerOptions extends BrokerSettings {
  readonly security?: Security;
}

/** A broker that somebody may use, and its owner may end. */
export interface TestBroker {
  /** `host:port`, or several with commas. */
  readonly brokers: string;
  /** Of the first broker. */
  readonly port: number;
  /** The broker's own process, while it runs. @throws for a broker that isn't ours. */
  readonly pid: number;
  /** For a secured listener. */
  readonly secrets: ClientSecrets;
  /** What the broker wrote so far. */
  log(): string;
  /** In order: SIGTERM, and wait. Data stay. */
  stop(): Promise<void>;
  /** SIGKILL. Data stay as they are. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data; stops it first if it runs. */
  restart(): Promise<void>;
}

export interface StartedBroker extends TestBroker {
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** Fetches the broker if need be, and gives one that takes clients. @throws when Java or the jars are missing, or with the end of its log. */
export async function startBroker(options: BrokerOptions = {}): Promise<StartedBroker> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOne(options, await brokerPorts());
    } catch (error) {
      if (attempt === START_ATTEMPTS || !isPortTaken(error)) throw error;
    }
  }
}

/** So many brokers, each a controller as well, that keep copies for each other. @throws as `startBroker`. */
export async function startCluster(size: number, options: BrokerOptions = {}): Promise<readonly StartedBroker[]> {
  for (let attempt = 1; ; attempt++) {
    const id = newClusterId();
    const ports = await Promise.all(Array.from({ length: size }, brokerPorts));
    const controllers = ports.map(({ controller }) => controller);
    const started = await Promise.allSettled(ports.map((own, n) => startOne(options, own, { id, number: n + 1, controllers })));
    const brokers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = started.find((one) => one.status === 'rejected');
    if (failed === undefined) return brokers;
    for (const broker of brokers) await broker.remove();
    if (attempt === START_ATTEMPTS || !isPortTaken(failed.reason)) throw failed.reason;
  }
}

const isPortTaken = (error: unknown): boolean => String(error).includes('Address already in use');

async function startOne(options: BrokerOptions, ports: BrokerPorts, place?: ClusterPlace): Promise<StartedBroker> {
  const jars = await kafkaJars();
  const folder = mkdtempSync(join(tmpdir(), 'mizu-broker-'));
  try {
    const listener = secureListener(options.security, folder);
    const classes = `-XX:SharedArchiveFile=${await classArchive(jars)}`;
    const args = await setUpBroker({ folder, jars, settings: options, listener, ports, classes, place });
    const start = (): Promise<JvmProcess> => startKafka(args, folder);
    return brokerOf(await start(), start, { port: ports.port, folder, secrets: listener.secrets });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function brokerOf(
  first: JvmProcess,
  start: () => Promise<JvmProcess>,
  of: { port: number; folder: string; secrets: ClientSecrets },
): StartedBroker {
  let server = first;
  return {
    brokers: `127.0.0.1:${of.port}`,
    port: of.port,
    secrets: of.secrets,
    get pid() {
      return server.pid;
    },
    log: () => readFileSync(join(of.folder, 'broker.log'), 'utf8'),
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      server = await start();
    },
    remove: async () => {
      await server.kill();
      rmSync(of.folder, { recursive: true, force: true });
    },
  };
}

async function startKafka(args: readonly string[], folder: string): Promise<JvmProcess> {
  const log = join(folder, 'broker.log');
  const starts = (): number => (existsSync(log) ? readFileSync(log, 'utf8').split('Kafka Server started').length : 1);
  const before = starts();
  return startJvm({ args, log, folder, ready: () => starts() > before });
}

async function brokerPorts(): Promise<BrokerPorts> {
  const [port = 0, inside = 0, controller = 0] = await freePorts(3);
  return { port, inside, controller };
}

/** The classes that a broker loads, as memory to map: that halves the time of a start. Made once for each Java, by a first broker that ends in order. */
async function classArchive(jars: string): Promise<string> {
  const java = createHash('sha256')
    .update(await javaVersion())
    .digest('hex')
    .slice(0, 12);
  const archive = `${jars}-classes-${java}.jsa`;
  if (existsSync(archive)) return archive;
  const folder = mkdtempSync(join(tmpdir(), 'mizu-broker-'));
  const making = `${archive}.${process.pid}`;
  try {
    const classes = `-XX:ArchiveClassesAtExit=${making}`;
    const [listener, ports] = [secureListener(undefined, folder), await brokerPorts()];
    const args = await setUpBroker({ folder, jars, settings: {}, listener, ports, classes });
    await (await startKafka(args, folder)).stop();
    renameSync(making, archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return archive;
}
