/** Connections to the broker are cut, slowed and held at random moments (law 4): the outcome of every commit stays true. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import type { Log } from '#engine';
import { appendsOf, countOf, expectTruth, keepWriting, makeTopics, readPlaces } from '../support/kafka-log-history.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { apiKeyOf, endedTransaction, PRODUCE } from '../support/kafka-requests.ts';
import { committedOffsets, note, readTexts } from '../support/log-tools.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** The broker is shared, and a seed may be used again. */
const RUN = randomUUID().slice(0, 8);
const COMMITS = 60;
const PADDING = 4_000;
/** Long enough for every cut here, short enough to wait for where the network stays away. */
const SETTLE_MS = 3_000;

describeKafka(`a Kafka log behind a bad network (seed ${SEED})`, (broker) => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(network: string, proxy?: TcpProxy): Promise<Log> {
    const log = await openKafkaLog({
      address: `kafka://${broker().brokers}/${network}-${RUN}`,
      settleDeadlineMs: SETTLE_MS,
      transactionTimeoutMs: SETTLE_MS,
      ...(proxy === undefined ? {} : { dial: () => ({ host: proxy.host, port: proxy.port }) }),
    });
    closing.push(() => log.close());
    return log;
  }

  async function openBehindProxy(network: string): Promise<readonly [Log, TcpProxy]> {
    const [host = '', port] = (broker().brokers.split(',')[0] ?? '').split(':');
    const proxy = await TcpProxy.start({ host, port: Number(port) });
    closing.push(() => proxy.stop());
    return [await open(network, proxy), proxy];
  }

  it('connections cut in the middle of any request leave every commit whole or absent, as told', async () => {
    const [log, proxy] = await openBehindProxy('cut');
    await makeTopics(log);
    const random = randomNumbers(SEED);
    const told = await keepWriting(log, 'cut', PADDING, (n) => {
      // A commit passes on some 17 KB: requests of 16 KB to the broker and a hundred bytes of each answer.
      if (n % 2 === 1) proxy.cutAfter(random() % 20_000);
      return n < COMMITS;
    });
    expectTruth(told, await readPlaces(await open('cut')));
    expect(told).toHaveLength(COMMITS);
    expect(countOf(told, 'committed')).toBeGreaterThan(COMMITS / 2);
  });

  it('answers that were lost after the broker carried the commit out are found again', async () => {
    const [log, proxy] = await openBehindProxy('answers');
    await makeTopics(log);
    const told = await keepWriting(log, 'answers', 10, (n) => {
      proxy.cutAfter(n * 40);
      return n < COMMITS;
    });
    expectTruth(told, await readPlaces(await open('answers')));
    expect(countOf(told, 'committed')).toBeGreaterThan(COMMITS / 2);
  });

  it('a commit whose answer never comes is unknown; opening the owner again settles it, and here it was carried out', async () => {
    const [log, proxy] = await openBehindProxy('unanswered');
    const direct = await open('unanswered');
    await makeTopics(log);
    const writer = await log.openWriter('w');
    proxy.watch = (data) => {
      if (endedTransaction(data) === undefined) return;
      proxy.muted = true;
      // The connection ends, as it does when the client stops waiting; the next attempt gets no answer either.
      setImmediate(() => proxy.cut());
    };
    const outcome = await writer.commit(appendsOf('unanswered 0', 0));
    expect(outcome).toMatchObject({ status: 'unknown', error: { code: 'LOG_UNKNOWN_OUTCOME' } });
    expect(await writer.commit(appendsOf('unanswered 1', 0))).toMatchObject({ status: 'aborted', writerDead: true });
    await direct.openWriter('w');
    const seen = await readPlaces(direct);
    expectTruth([{ id: 'unanswered 0', outcome }], seen);
    expect(seen.get('beta/0')).toHaveLength(1);
  });

  it('a commit that the network let nothing through of is aborted, and never readable', async () => {
    const [log, proxy] = await openBehindProxy('unsent');
    const direct = await open('unsent');
    await makeTopics(log);
    const writer = await log.openWriter('w');
    proxy.watch = (data) => {
      if (apiKeyOf(data) === PRODUCE) proxy.cut();
    };
    const outcome = await writer.commit(appendsOf('unsent 0', 0));
    expect(outcome).toMatchObject({ status: 'aborted' });
    proxy.watch = () => undefined;
    await direct.openWriter('w');
    expectTruth([{ id: 'unsent 0', outcome }], await readPlaces(direct));
  });

  it('a slow network slows commits and waits, and changes nothing', async () => {
    const [log, proxy] = await openBehindProxy('slow');
    await makeTopics(log);
    proxy.delayMs = 20;
    const told = await keepWriting(log, 'slow', PADDING, (n) => n < 5);
    expect(countOf(told, 'committed')).toBe(5);
    expectTruth(told, await readPlaces(log));
  });

  it('a silent network holds a wait up, and it is over when the network is back', async () => {
    const [log, proxy] = await openBehindProxy('silent');
    const direct = await open('silent');
    await direct.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
    const waiting = log.waitBeyond('t', 0, await log.end('t', 0), new AbortController().signal);
    proxy.pause();
    const writer = await direct.openWriter('w');
    committedOffsets(await writer.commit([note('t', 0, 'behind silence')]));
    await writer.waitVisible();
    expect(await Promise.race([waiting, direct.end('t', 0).then(() => 'still waiting')])).toBe('still waiting');
    proxy.resume();
    expect(await waiting).toBe(true);
    expect(await readTexts(log, 't', 0)).toEqual(['behind silence']);
  });
});

/** Numbers from 0 to 2^31 − 1 that a seed decides (a linear congruence with the constants of C's old `rand`). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state >>> 8;
  };
}
