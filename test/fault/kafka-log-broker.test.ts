/** The broker is killed and started again while writers commit and readers follow (law 4): outcomes stay true, and everybody goes on. */
import { afterEach, expect, it } from 'vitest';
import { type KafkaLogOptions, openKafkaLog } from '#connectors/kafka';
import type { Log } from '#engine';
import { appendsOf, countOf, expectTruth, follow, keepWriting, makeTopics, readPlaces } from '../support/kafka-log-history.ts';
import { insideTransaction } from '../support/kafka-log-inside.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { note, readTexts } from '../support/log-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TIMEOUT_MS = 1_000;
const KILLS = Number(process.env['MIZU_KILLS'] ?? 2);

describeKafka(
  `a Kafka log whose broker is killed (seed ${SEED})`,
  (broker) => {
    const closing: (() => void | Promise<void>)[] = [];
    async function open(network: string, options: Partial<KafkaLogOptions> = {}): Promise<Log> {
      const log = await openKafkaLog({ address: `kafka://${broker().brokers}/${network}`, ...options });
      closing.push(() => log.close());
      return log;
    }
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    it(`tells the truth about every commit, in ${KILLS} kills, to a reader during them and to one afterwards`, async () => {
      const [log, reading] = [await open('killed'), await open('killed')];
      await makeTopics(log);
      const following = new AbortController();
      const during = follow(reading, following.signal);
      let killing = true;
      const least = new Map<string, number>();
      const writers = ['one', 'two', 'three'].map((owner, n) =>
        keepWriting(log, owner, [10, 3_000, 300_000][n] ?? 0, (count) => {
          least.set(owner, count);
          return killing;
        }),
      );
      for (let kill = 0; kill < KILLS; kill++) {
        const wanted = Math.max(0, ...least.values()) + 10 + ((SEED >> kill) % 40);
        await expect.poll(() => Math.max(...least.values()), { timeout: 50_000, interval: 1 }).toBeGreaterThan(wanted);
        await broker().kill();
        await broker().restart();
      }
      const atRestart = new Map(least);
      await expect.poll(() => [...least].every(([owner, n]) => n > (atRestart.get(owner) ?? 0) + 3), { timeout: 50_000 }).toBe(true);
      killing = false;
      const told = (await Promise.all(writers)).flat();
      const after = await readPlaces(await open('killed'));
      expectTruth(told, after);
      expect(countOf(told, 'committed')).toBeGreaterThan(KILLS * 10);
      const lengths = [...after].map(([place, entries]) => [place, entries.at(-1)?.offset ?? -1] as const);
      for (const [place, last] of lengths) {
        const [topic = '', partition] = place.split('/');
        await expect.poll(async () => (await reading.end(topic, Number(partition))) > last).toBe(true);
      }
      following.abort();
      expectSeen(await during, after);
    }, 180_000);

    it('a transaction that the broker gave up is aborted: it hides nothing any longer, and its writer is told', async () => {
      const log = await open('timed-out', { transactionTimeoutMs: TIMEOUT_MS });
      await makeTopics(log);
      const { producer } = await insideTransaction(log.address, 'slow', TIMEOUT_MS, closing);
      const beside = await log.openWriter('beside');
      const outcome = await beside.commit(appendsOf('beside 0', 0));
      expect(await log.end('alpha', 0)).toBe(0);
      await beside.waitVisible();
      expectTruth([{ id: 'beside 0', outcome }], await readPlaces(log));
      expect(await producer.commit()).toMatchObject({ end: 'refused', error: { code: 'LOG_FENCED' } });
    });

    it('waits and reads go on after a restart in order', async () => {
      const log = await open('restarted');
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const waiting = log.waitBeyond('t', 0, await log.end('t', 0), new AbortController().signal);
      await broker().restart();
      const outcome = await writer.commit([note('t', 0, 'after')]);
      expect(outcome.status).toBe('committed');
      expect(await waiting).toBe(true);
      expect(await readTexts(log, 't', 0)).toEqual(['after']);
    }, 120_000);

    it('a broker that stays away is LOG_UNAVAILABLE to those who open, naming it', async () => {
      await broker().stop();
      const failure = await open('away').catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'LOG_UNAVAILABLE' });
      expect(String(failure)).toContain(broker().brokers);
    }, 60_000);
  },
  // The broker looks for silent transactions every ten seconds by default.
  { own: true, properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200' } },
);

function expectSeen(
  during: ReadonlyMap<string, readonly unknown[]>,
  after: ReadonlyMap<string, readonly { readonly offset: number }[]>,
): void {
  for (const [place, entries] of after) {
    const seen = (during.get(place) ?? []) as readonly { readonly offset: number }[];
    // The reader was stopped at some moment: what it saw is the beginning of what there is.
    expect(seen.map(({ offset }) => offset)).toEqual(entries.slice(0, seen.length).map(({ offset }) => offset));
    expect(seen.length).toBeGreaterThan(0);
  }
}
