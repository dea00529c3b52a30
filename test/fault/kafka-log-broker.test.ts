/** The broker is killed and started again while writers commit and readers follow (law 4): outcomes stay true, and everybody goes on. */
import { afterEach, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import type { Log } from '#engine';
import { countOf, expectTruth, follow, keepWriting, makeTopics, readPlaces } from '../support/kafka-log-history.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { note, readTexts } from '../support/log-tools.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const KILLS = Number(process.env['MIZU_KILLS'] ?? 2);

describeKafka(
  `a Kafka log whose broker is killed (seed ${SEED})`,
  (broker) => {
    const opened: Log[] = [];
    async function open(network: string): Promise<Log> {
      const log = await openKafkaLog({ address: `kafka://${broker().brokers}/${network}` });
      opened.push(log);
      return log;
    }
    afterEach(async () => {
      for (const log of opened.splice(0)) await log.close();
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
  { own: true },
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
