/**
 * Readers that wait for partitions to grow. A fetch that waits at the broker answers within a millisecond of the commit, and costs
 * nothing until then; one connection carries such a fetch for any number of partitions. It can't be told of another partition once
 * it was sent, so a few connections take turns: partitions that wait and are in no fetch are put together into the next one.
 */
import { MizuError, SignalWaiters } from '#engine';
import type { PartitionAddress } from './api.ts';
import { type Fetched, fetch } from './api-data.ts';
import type { Cluster, Links } from './cluster.ts';
import { assertAnswer, isRetriable } from './failures.ts';
import {
  HELD_UP_DEADLINE_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_DEADLINE_MS,
  RETRY_PAUSE_MS,
  WAIT_CONNECTIONS,
  WAIT_CONNECTIONS_SPARE,
  WAIT_FETCH_BYTES,
  WAIT_FETCH_MS,
  WAIT_SHORT_FETCH_MS,
} from './limits.ts';

interface Waiter {
  readonly position: number;
  /** It reads on from its position once that is passed. */
  readonly reads: boolean;
  /** Fetches ask from here: the position, or the end where that lies before it. */
  askFrom: number;
  readonly resolve: (reached: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** A fetch on its way, or about to be sent. */
interface Poll {
  readonly from: number;
}

interface Place extends PartitionAddress {
  readonly waiters: Set<Waiter>;
  readonly polls: Set<Poll>;
  /** No fetch before this time, because the last ones failed. */
  notBefore: number;
  pauseMs: number;
  failingSince: number | undefined;
}

interface Channel {
  readonly links: Links;
  busy: boolean;
}

export interface WaitersContext {
  readonly cluster: Cluster;
  readonly end: (place: PartitionAddress) => Promise<number>;
  /** Takes what a fetch brought along for a reader that waits where the fetch began. What nobody is about to read would only be held. */
  readonly offer: (place: PartitionAddress, from: number, fetched: Fetched) => void;
  /** How long `passed` waits; default HELD_UP_DEADLINE_MS. */
  readonly heldUpDeadlineMs?: number | undefined;
}

const OFFSET_OUT_OF_RANGE = 1;

export class Waiters {
  readonly #context: WaitersContext;
  readonly #places = new Map<string, Place>();
  readonly #channels = new Map<number, Channel[]>();
  readonly #signals = new SignalWaiters();
  #kicked = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(context: WaitersContext) {
    this.#context = context;
  }

  /** For a reader: resolves with true once the last stable offset has passed the position, with false when the signal aborts. */
  wait(place: PartitionAddress, position: number, signal: AbortSignal): Promise<boolean> {
    return this.#wait(place, position, signal);
  }

  /** For whoever reads nothing there, such as the writer of what is at the position: resolves once the last stable offset has passed it. @throws LOG_UNAVAILABLE past the deadline. */
  async passed(place: PartitionAddress, position: number): Promise<void> {
    await this.#wait(place, position, undefined);
  }

  #wait({ topic, partition }: PartitionAddress, position: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const place = this.#place(topic, partition);
      const deadline = this.#context.heldUpDeadlineMs ?? HELD_UP_DEADLINE_MS;
      const late = signal === undefined ? setTimeout(() => waiter.reject(heldUp(place, position, deadline)), deadline) : undefined;
      const over = (): void => {
        clearTimeout(late);
        place.waiters.delete(waiter);
        if (signal !== undefined) this.#signals.delete(waiter, signal);
        this.#forgetPlace(place);
      };
      const waiter: Waiter = {
        position,
        reads: signal !== undefined,
        askFrom: position,
        resolve: (reached) => {
          over();
          resolve(reached);
        },
        reject: (error) => {
          over();
          reject(error);
        },
      };
      place.waiters.add(waiter);
      if (signal !== undefined) this.#signals.add(waiter, signal);
      this.#kick();
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    for (const place of [...this.#places.values()]) for (const waiter of [...place.waiters]) waiter.reject(closed());
    for (const channels of this.#channels.values()) for (const { links } of channels) this.#context.cluster.dropLinks(links);
  }

  #place(topic: string, partition: number): Place {
    const key = `${topic}/${partition}`;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place: Place = {
      topic,
      partition,
      waiters: new Set(),
      polls: new Set(),
      notBefore: 0,
      pauseMs: RETRY_PAUSE_MS[0],
      failingSince: undefined,
    };
    this.#places.set(key, place);
    return place;
  }

  #forgetPlace(place: Place): void {
    if (place.waiters.size === 0 && place.polls.size === 0) this.#places.delete(`${place.topic}/${place.partition}`);
  }

  /** All waits that begin in one turn of the event loop are put together. */
  #kick(): void {
    if (this.#kicked || this.#closed) return;
    this.#kicked = true;
    setImmediate(() => {
      this.#kicked = false;
      this.#assign();
    });
  }

  #kickLater(ms: number): void {
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      this.#kick();
    }, ms);
  }

  /** Gives each partition that waits uncovered to a free connection of its leader. */
  #assign(): void {
    if (this.#closed) return;
    const byNode = new Map<number, Map<Place, Poll>>();
    const now = performance.now();
    for (const place of this.#places.values()) {
      const from = uncovered(place);
      if (from === undefined) continue;
      if (place.notBefore > now) {
        this.#kickLater(place.notBefore - now);
        continue;
      }
      const node = this.#context.cluster.knownLeader(place);
      if (node === undefined) {
        this.#findLeader(place, from);
        continue;
      }
      const group = byNode.get(node) ?? new Map<Place, Poll>();
      group.set(place, { from });
      byNode.set(node, group);
    }
    for (const [node, polls] of byNode) this.#send(node, polls);
  }

  #findLeader(place: Place, from: number): void {
    const poll = { from };
    place.polls.add(poll);
    this.#context.cluster
      .leader(place)
      .catch((error: unknown) => this.#failed(place, error))
      .finally(() => {
        this.#endPoll(place, poll);
        this.#kick();
      });
  }

  /** Without a free connection the partitions stay uncovered until one is free. */
  #send(node: number, polls: ReadonlyMap<Place, Poll>): void {
    const channels = this.#channels.get(node) ?? [];
    this.#channels.set(node, channels);
    let channel = channels.find(({ busy }) => !busy);
    if (channel === undefined && channels.length < WAIT_CONNECTIONS) {
      channel = { links: this.#context.cluster.links(), busy: false };
      channels.push(channel);
    }
    if (channel === undefined) return;
    const taken = channel;
    taken.busy = true;
    const free = WAIT_CONNECTIONS - channels.filter(({ busy }) => busy).length;
    const maxWaitMs = free < WAIT_CONNECTIONS_SPARE ? WAIT_SHORT_FETCH_MS : WAIT_FETCH_MS;
    for (const [place, poll] of polls) place.polls.add(poll);
    this.#fetch(node, taken.links, polls, maxWaitMs)
      .catch((error: unknown) => {
        for (const place of polls.keys()) this.#failed(place, error);
      })
      .finally(() => {
        taken.busy = false;
        for (const [place, poll] of polls) this.#endPoll(place, poll);
        this.#kick();
      });
  }

  #endPoll(place: Place, poll: Poll): void {
    place.polls.delete(poll);
    this.#forgetPlace(place);
  }

  async #fetch(node: number, links: Links, polls: ReadonlyMap<Place, Poll>, maxWaitMs: number): Promise<void> {
    const link = await links.to(node);
    const wanted = [...polls].map(([{ topic, partition }, { from }]) => ({ topic, partition, from, maxBytes: WAIT_FETCH_BYTES }));
    const query = { maxWaitMs, maxBytes: WAIT_FETCH_BYTES, partitions: wanted };
    const { error, partitions } = await link.call(fetch, query, maxWaitMs + REQUEST_TIMEOUT_MS);
    assertAnswer(error, { what: 'wait for entries', acl: 'READ on the topics of the network' });
    for (const fetched of partitions) {
      const place = this.#places.get(`${fetched.topic}/${fetched.partition}`);
      const poll = place && polls.get(place);
      if (place !== undefined && poll !== undefined) await this.#settle(place, poll.from, fetched);
    }
  }

  async #settle(place: Place, from: number, fetched: Fetched): Promise<void> {
    try {
      if (fetched.error === OFFSET_OUT_OF_RANGE) return await this.#settleOutOfRange(place);
      assertAnswer(fetched.error, { what: `wait for ${place.topic}/${place.partition}`, acl: `READ on topic ${place.topic}` });
    } catch (error) {
      return this.#failed(place, error);
    }
    const wanted = [...place.waiters].some(({ reads, position }) => reads && position === from);
    this.#wake(place, fetched.lastStable);
    if (wanted) this.#context.offer(place, from, fetched);
    else if (fetched.records.length > 0) fetched.memory.letGo();
  }

  /** Before the first entry that is left, or beyond the end. */
  async #settleOutOfRange(place: Place): Promise<void> {
    const end = await this.#context.end(place);
    for (const waiter of place.waiters) waiter.askFrom = Math.min(waiter.position, end);
    this.#wake(place, end);
  }

  #wake(place: Place, lastStable: number): void {
    place.failingSince = undefined;
    place.pauseMs = RETRY_PAUSE_MS[0];
    for (const waiter of [...place.waiters]) if (lastStable > waiter.position) waiter.resolve(true);
  }

  /** Brokers may be away for a while: waiters wait on until the deadline. */
  #failed(place: Place, error: unknown): void {
    const now = performance.now();
    place.failingSince ??= now;
    if (this.#closed || !isRetriable(error) || now - place.failingSince > RETRY_DEADLINE_MS) {
      place.failingSince = undefined;
      for (const waiter of [...place.waiters]) waiter.reject(error);
      return;
    }
    this.#context.cluster.forget(place.topic);
    place.notBefore = now + place.pauseMs;
    place.pauseMs = Math.min(place.pauseMs * 2, RETRY_PAUSE_MS[1]);
  }
}

/** The lowest offset that a waiter asks from while no fetch on its way would tell him; undefined when all are covered. */
function uncovered(place: Place): number | undefined {
  let from: number | undefined;
  for (const { askFrom } of place.waiters) {
    let covered = false;
    for (const poll of place.polls) covered ||= poll.from <= askFrom;
    if (!covered) from = Math.min(from ?? askFrom, askFrom);
  }
  return from;
}

function heldUp({ topic, partition }: PartitionAddress, position: number, ms: number): MizuError {
  return new MizuError(
    'LOG_UNAVAILABLE',
    `${topic}/${partition}: what was committed up to offset ${position} can't be read after ${ms} ms`,
    {
      component: `${topic}/${partition}`,
      hint: 'A transaction before it is undecided, and nobody ends it: `kafka-transactions.sh find-hanging` names it. `abort` ends it, but takes back there what it may have committed elsewhere.',
    },
  );
}

function closed(): MizuError {
  return new MizuError('LOG_UNAVAILABLE', 'The log was closed while a reader waited', { hint: 'Open it again.' });
}
