/** Who leads what: brokers, leaders of partitions, coordinators of transactions, and the connections to them. */
import { MizuError } from '#engine';
import type { PartitionAddress } from './api.ts';
import { type BrokerAddress, type ClusterState, metadata, type TopicState } from './api-cluster.ts';
import { findCoordinator } from './api-transactions.ts';
import { type Asked, assertAnswer, isRetriable, LinkFailure, Refusal } from './failures.ts';
import { OPEN_DEADLINE_MS, RETRY_DEADLINE_MS } from './limits.ts';
import { type Client, Link } from './link.ts';
import { retrying } from './retry.ts';

const NOT_LEADER = 6;
const UNKNOWN_TOPIC = 3;

export class Cluster {
  /** What the user gave; asked when no known broker answers. */
  readonly #seeds: readonly BrokerAddress[];
  readonly #client: Client;
  #brokers = new Map<number, BrokerAddress>();
  /** Kafka topic → leader of each partition. */
  readonly #leaders = new Map<string, readonly number[]>();
  readonly #refreshing = new Map<string, Promise<TopicState | undefined>>();
  readonly #opened = new Set<Links>();
  #control: Links | undefined;
  #closed = false;

  constructor(seeds: readonly BrokerAddress[], client: Client) {
    this.#seeds = seeds;
    this.#client = client;
  }

  /** @throws LOG_UNAVAILABLE when no broker answers, LOG_REFUSED when one does and refuses. */
  async open(): Promise<void> {
    await retrying(OPEN_DEADLINE_MS, () => this.describe([]));
  }

  /** Connections of one user of the cluster; a slow request of his holds up nobody else. */
  links(): Links {
    const links = new Links((node) => this.#connect(node));
    this.#opened.add(links);
    return links;
  }

  dropLinks(links: Links): void {
    links.close();
    this.#opened.delete(links);
  }

  get brokers(): readonly number[] {
    return [...this.#brokers.keys()];
  }

  /** State of the named topics, or of all (null), from whichever broker answers first. */
  async describe(topics: readonly string[] | null, { operations = false } = {}): Promise<ClusterState> {
    const state = await this.anyBroker(async (link) => {
      const answer = await link.call(metadata, { topics, operations });
      // What a broker says while it ends the connection.
      if (answer.brokers.length === 0) throw new LinkFailure(link.name, 'it answered that there are no brokers');
      return answer;
    });
    this.#brokers = new Map(state.brokers.map(({ node, host, port }) => [node, { host, port }]));
    for (const { topic, error, partitions } of state.topics) {
      if (error !== 0) continue;
      const leaders: number[] = [];
      for (const { partition, leader } of partitions) leaders[partition] = leader;
      this.#leaders.set(topic, leaders);
    }
    return state;
  }

  /** Callers that miss the same topic at once share one request. */
  refresh(topic: string): Promise<TopicState | undefined> {
    const running = this.#refreshing.get(topic);
    if (running !== undefined) return running;
    const asked = this.describe([topic])
      .then(({ topics }) => topics.find((state) => state.topic === topic))
      .finally(() => this.#refreshing.delete(topic));
    this.#refreshing.set(topic, asked);
    return asked;
  }

  knownLeader({ topic, partition }: PartitionAddress): number | undefined {
    const leader = this.#leaders.get(topic)?.[partition] ?? -1;
    return leader < 0 ? undefined : leader;
  }

  /** The broker to ask about a partition. @throws Refusal (retriable) while it has no leader. */
  async leader({ topic, partition }: PartitionAddress): Promise<number> {
    const known = this.knownLeader({ topic, partition });
    if (known !== undefined) return known;
    const asked: Asked = { what: `find the leader of ${topic}/${partition}`, acl: `DESCRIBE on topic ${topic}` };
    const state = await this.refresh(topic);
    assertAnswer(state?.error ?? UNKNOWN_TOPIC, asked);
    const leader = this.knownLeader({ topic, partition });
    if (leader === undefined) throw new Refusal(NOT_LEADER, asked);
    return leader;
  }

  /** What was known of the topic's leaders turned out to be old. */
  forget(topic: string): void {
    this.#leaders.delete(topic);
  }

  /** Asks the leader of one partition, finding it anew when it moved, until the deadline. */
  async askLeader<T>(place: PartitionAddress, links: Links, ask: (link: Link) => Promise<T>, deadlineMs = RETRY_DEADLINE_MS): Promise<T> {
    return retrying(deadlineMs, async () => {
      try {
        return await ask(await links.to(await this.leader(place)));
      } catch (error) {
        if (isRetriable(error)) this.forget(place.topic);
        throw error;
      }
    });
  }

  async coordinator(transactionalId: string): Promise<number> {
    const asked: Asked = { what: `find the coordinator of ${transactionalId}`, acl: `DESCRIBE on transactional id ${transactionalId}` };
    const { error, node, host, port } = await this.anyBroker((link) => link.call(findCoordinator, transactionalId));
    assertAnswer(error, asked);
    this.#brokers.set(node, { host, port });
    return node;
  }

  /** Tries the brokers that are known, then the seeds. @throws what the last of them said. */
  async anyBroker<T>(ask: (link: Link) => Promise<T>): Promise<T> {
    this.#control ??= this.links();
    const control = this.#control;
    let last: unknown;
    for (const node of this.#brokers.keys()) {
      try {
        return await ask(await control.to(node));
      } catch (error) {
        if (!(error instanceof LinkFailure)) throw error;
        last = error;
      }
    }
    for (const seed of this.#seeds) {
      try {
        return await this.#askOnce(seed, ask);
      } catch (error) {
        if (!(error instanceof LinkFailure)) throw error;
        last = error;
      }
    }
    throw last;
  }

  close(): void {
    this.#closed = true;
    for (const links of [...this.#opened]) this.dropLinks(links);
  }

  async #askOnce<T>(seed: BrokerAddress, ask: (link: Link) => Promise<T>): Promise<T> {
    this.#assertOpen();
    const link = await Link.open(seed, this.#client);
    try {
      return await ask(link);
    } finally {
      link.close();
    }
  }

  async #connect(node: number): Promise<Link> {
    this.#assertOpen();
    const broker = this.#brokers.get(node);
    if (broker === undefined) throw new LinkFailure(`Kafka broker number ${node}`, 'it is not in the cluster now');
    return Link.open(broker, this.#client);
  }

  #assertOpen(): void {
    if (this.#closed) throw new MizuError('LOG_UNAVAILABLE', 'The log was closed', { hint: 'Open it again.' });
  }
}

/** One connection to each broker, made when it is first needed and made anew when it broke. */
export class Links {
  readonly #connect: (node: number) => Promise<Link>;
  readonly #links = new Map<number, Promise<Link>>();
  #closed = false;

  constructor(connect: (node: number) => Promise<Link>) {
    this.#connect = connect;
  }

  async to(node: number): Promise<Link> {
    const known = this.#links.get(node);
    if (known !== undefined) {
      const link = await known;
      if (link.usable) return link;
      link.retire();
      // Others may have seen it broken before and be on their way to a new one.
      if (this.#links.get(node) === known) this.#links.delete(node);
      else return this.to(node);
    }
    const opening = this.#open(node);
    this.#links.set(node, opening);
    opening.catch(() => {
      if (this.#links.get(node) === opening) this.#links.delete(node);
    });
    return opening;
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.then((opened) => opened.close()).catch(() => undefined);
    this.#links.clear();
  }

  async #open(node: number): Promise<Link> {
    const link = await this.#connect(node);
    if (!this.#closed) return link;
    link.close();
    throw new MizuError('LOG_UNAVAILABLE', 'The log or its writer was closed', { hint: 'Open it again.' });
  }
}
