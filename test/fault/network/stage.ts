/** What a plan is played on: a log of its own (with Kafka a broker of its own behind a proxy), a deployed run, and the processes that serve it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeployedRun, Log, Signer } from '#engine';
import { openKeyFile, readRun, RunTopics, toHex } from '#engine';
import { openLog } from '#topologies';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { encodeSigned } from '../../../engine/dispatch/signed-entry.ts';
import { lastObject, mizu } from '../../support/cli.ts';
import { openOutside } from '../../support/kafka-producer.ts';
import { commitVisibly } from '../../support/log-tools.ts';
import { freePorts } from '../../support/parts/free-port.ts';
import { type StartedBroker, startBroker } from '../../support/parts/jvm-broker.ts';
import { quickFolder } from '../../support/run-support.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { Actor } from './actor.ts';
import { candidatesOf, flowFiles, RUN_NAME, SOURCE_PARTITIONS, topicRecords } from './flows.ts';
import { ACTORS, type ActorName, type Plan, ROLE_OF } from './plan.ts';

/** Keys of dedup go to disk almost at once. */
const INDEX_MEMORY = '0B';
/** Old entries of one commit. */
const ENTRIES_PER_COMMIT = 1_000;
/** Records that somebody else writes to the topic at once; every other piece is a transaction, and some are given up. */
const PIECE_RECORDS = 500;
/** Nobody answers there: port 9 is for a service that throws away what it gets, and none runs it. */
const DEAD_REGISTRY = 'http://127.0.0.1:9';

export interface Cluster {
  readonly broker: StartedBroker;
  readonly proxy: TcpProxy;
}

export interface Stage {
  readonly plan: Plan;
  readonly folder: string;
  readonly address: string;
  readonly log: Log;
  readonly cluster: Cluster | undefined;
  readonly run: DeployedRun;
  readonly topics: RunTopics;
  readonly workflow: string;
  readonly actors: ReadonlyMap<ActorName, Actor>;
  /** A process like the one of that name, beside it. */
  readonly double: (name: ActorName) => Actor;
  close(): Promise<void>;
}

export async function openStage(plan: Plan, note: (text: string) => void): Promise<Stage> {
  const folder = quickFolder();
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // Also when somebody ends the runner in the middle.
  process.once('exit', remove);
  const closers: (() => Promise<void>)[] = [
    async () => {
      remove();
      process.off('exit', remove);
    },
  ];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const cluster = plan.log === 'kafka' ? await openCluster(closers) : undefined;
    const address = cluster === undefined ? join(folder, 'log') : `kafka://127.0.0.1:${cluster.proxy.port}/net${plan.seed}`;
    const env: Record<string, string> = {
      MIZU_HOME: join(folder, 'home'),
      MIZU_INDEX_MEMORY: INDEX_MEMORY,
      KAFKAJS_NO_PARTITIONER_WARNING: '1',
    };
    const log = await openLog(address, { readOnly: false });
    closers.push(() => log.close());
    const key = join(folder, 'run.pem');
    const signer = openKeyFile(key);
    note('the log is open');
    const workflow = await writeFlow(plan, folder, cluster);
    await deployRun(plan, workflow, address, key, env);
    const run = await readRun(log, RUN_NAME);
    const topics = new RunTopics(run.run);
    if (plan.oldEntries > 0) await writeOldEntries(log, run, topics, signer, plan.oldEntries);
    note('the run is deployed');
    if (plan.registryDown) env['MIZU_REGISTRY_URL'] = DEAD_REGISTRY;
    const make = (name: ActorName, suffix = ''): Actor => {
      const isNode = name.startsWith('n');
      const home = join(folder, `${name}${suffix}`);
      mkdirSync(home);
      return new Actor({
        name,
        roles: ROLE_OF[name],
        log: address,
        keyFile: isNode ? join(folder, `${name}.pem`) : key,
        folder: home,
        env,
      });
    };
    const actors = new Map(ACTORS.slice(0, 3 + plan.nodes).map((name) => [name, make(name)]));
    let doubles = 0;
    return { plan, folder, address, log, cluster, run, topics, workflow, actors, double: (name) => make(name, `-${++doubles}`), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Clients come to the broker through the proxy alone: that is where it says that it is. */
async function openCluster(closers: (() => Promise<void>)[]): Promise<Cluster> {
  const [port = 0, inside = 0, controller = 0] = await freePorts(3);
  const proxy = await TcpProxy.start({ host: '127.0.0.1', port });
  closers.push(() => proxy.stop());
  const ends = (client: number): string => `CLIENT://127.0.0.1:${client},INSIDE://127.0.0.1:${inside}`;
  const broker = await startBroker({
    properties: {
      listeners: `${ends(port)},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': ends(proxy.port),
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    },
  });
  closers.push(() => broker.remove());
  return { broker, proxy };
}

async function writeFlow(plan: Plan, folder: string, cluster: Cluster | undefined): Promise<string> {
  const brokers = `127.0.0.1:${cluster?.proxy.port ?? 0}`;
  const name = `outside-${plan.seed}`;
  if (plan.flow === 'topic') {
    const outside = await openOutside(brokers, '');
    await outside.topic(name, SOURCE_PARTITIONS);
    for (let from = 0, piece = 0; from < candidatesOf(plan); from += PIECE_RECORDS, piece++) {
      if (piece % 3 === 2) await outside.send(name, topicRecords(from, 20), 'abort');
      await outside.send(
        name,
        topicRecords(from, Math.min(PIECE_RECORDS, candidatesOf(plan) - from)),
        piece % 2 === 0 ? 'plain' : 'commit',
      );
    }
    // It is not closed: that would take its topics away, and the broker is thrown away with them.
  }
  const files = flowFiles(plan, { url: `kafka://${brokers}`, name });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return join(folder, 'workflow.yaml');
}

async function deployRun(plan: Plan, workflow: string, address: string, key: string, env: Readonly<Record<string, string>>): Promise<void> {
  const args = ['deploy', workflow, '--log', address, '--key', key, '--json'];
  if (plan.registryDown) {
    const refused = await mizu(args, { env: { ...env, MIZU_REGISTRY_URL: DEAD_REGISTRY } });
    if (refused.code === 0 || !refused.stdout.includes('REGISTRY_UNAVAILABLE'))
      throw new RangeError(`a deployment without its registry was not refused: ${refused.stdout}${refused.stderr}`);
  }
  const deployed = await mizu(args, { env });
  if (deployed.code !== 0 || lastObject(deployed)['generation'] !== 1)
    throw new RangeError(`the workflow was not deployed: ${deployed.stdout}${deployed.stderr}`);
}

/** As an orchestrator leaves it that ticked for a long time before any member came. */
async function writeOldEntries(log: Log, run: DeployedRun, topics: RunTopics, signer: Signer, count: number): Promise<void> {
  const title = `${run.run.name}/${run.run.generation}`;
  const writer = await log.openWriter(`${title}/orchestrator`);
  const body = (n: number): ControlBody =>
    n === 0 ? { type: 'open', owner: 'gone:1', key: toHex(signer.publicKey) } : { type: 'tick', tick: n };
  for (let n = 0; n < count; n += ENTRIES_PER_COMMIT) {
    const appends = Array.from({ length: Math.min(ENTRIES_PER_COMMIT, count - n) }, (_, i) => ({
      topic: topics.control,
      partition: 0,
      value: encodeSigned('mizu-control-v1', title, body(n + i), signer),
    }));
    await commitVisibly(writer, appends);
  }
  await writer.close();
}
