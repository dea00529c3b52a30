/** The Kafka log under the laws of the log, and under some that only this one could break. Every log has a network of its own on a shared broker. */
import { randomUUID } from 'node:crypto';
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterEach, describe, expect, it } from 'vitest';
import { type KafkaLogOptions, openKafkaLog } from '#connectors/kafka';
import { type Log, offset, type Retention, type TopicSpec } from '#engine';
import { parseKafkaAddress } from '../../connectors/kafka/address.ts';
import { Cluster } from '../../connectors/kafka/cluster.ts';
import { Waiters } from '../../connectors/kafka/waiters.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { bytes, commitVisibly, note, readAll, readTexts, rejection, START, text } from '../support/log-tools.ts';
import { describeLog } from './log-laws.ts';

const opened: Log[] = [];

async function openAt(address: string, options: Partial<KafkaLogOptions> = {}): Promise<Log> {
  const log = await openKafkaLog({ address, ...options });
  opened.push(log);
  return log;
}

async function closeAll(): Promise<void> {
  for (const log of opened.splice(0)) await log.close();
}

describeKafka('the log on Kafka', (broker) => {
  const newAddress = (): string => `kafka://${broker().brokers}/laws-${randomUUID()}`;

  describeLog('Kafka', { open: () => openAt(newAddress()), reopen: (log) => openAt(log.address), destroy: closeAll, histories: 8 });

  /** What the broker says of each topic: name, value and where it comes from. */
  async function topicSettings(topics: readonly string[]): Promise<string[][]> {
    const admin = new Kafka({ brokers: broker().brokers.split(','), logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
    });
    await admin.disconnect();
    return topics.map((topic) => {
      const entries = resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? [];
      return entries.map((entry) => `${entry.configName} ${entry.configValue} ${entry.isDefault}`).sort();
    });
  }

  describe('of Kafka alone', () => {
    afterEach(closeAll);

    it('an entry committed after a read that ended at its bound is there for the next read', async () => {
      const log = await openAt(newAddress());
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      let from = START;
      for (let n = 0; n < 5; n++) {
        await commitVisibly(writer, [note('t', 0, `${n}`)]);
        // What is left of the fetch is the marker of this commit alone.
        const { entries, next } = await log.read('t', 0, from, { maxEntries: 1 });
        expect(entries.map(({ value }) => text(value))).toEqual([`${n}`]);
        from = next;
      }
    });

    it('what a fetch brought is kept for the reader who waits for it, and for nobody else', async () => {
      const address = newAddress();
      const log = await openAt(address);
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const { brokers, network } = parseKafkaAddress(address);
      const cluster = new Cluster(brokers, { clientId: 'waits', tls: undefined, sasl: undefined, dial: (at) => at });
      const offered: number[] = [];
      const waiters = new Waiters({ cluster, end: () => log.end('t', 0), offer: (_, from) => void offered.push(from) });
      const place = { topic: `${network}.t`, partition: 0 };
      try {
        const writer = await log.openWriter('w');
        const offsets = await commitVisibly(writer, [note('t', 0, 'a'), note('t', 0, 'b')]);
        await waiters.passed(place, offsets[0] ?? 0);
        expect(offered).toEqual([]);
        expect(await waiters.wait(place, offsets[0] ?? 0, new AbortController().signal)).toBe(true);
        expect(offered).toEqual([offsets[0]]);
      } finally {
        waiters.close();
        cluster.close();
      }
    });

    it('readers of one partition at different places do not disturb each other', async () => {
      const log = await openAt(newAddress());
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const values = Array.from({ length: 60 }, (_, n) => `${n}`);
      for (let n = 0; n < values.length; n += 6)
        await commitVisibly(
          writer,
          values.slice(n, n + 6).map((value) => note('t', 0, value)),
        );
      const readers = [1, 2, 7, 100].map((maxEntries) => readAll(log, 't', 0, { maxEntries }));
      for (const entries of await Promise.all(readers)) expect(entries.map(({ value }) => text(value))).toEqual(values);
    });

    it('a commit of many megabytes to one partition is cut into batches and read back in order, plain or compressed', async () => {
      for (const compression of ['none', 'zstd'] as const) {
        const log = await openAt(newAddress(), { compression });
        await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
        const appends = Array.from({ length: 40 }, (_, n) => ({
          topic: 't',
          partition: n % 2,
          value: new Uint8Array(n % 10 === 0 ? 3_000_000 : 200_000).map((_zero, at) => (at * (n + 1)) >> 4),
        }));
        const offsets = await commitVisibly(await log.openWriter('w'), appends);
        for (const partition of [0, 1]) {
          const entries = await readAll(log, 't', partition);
          const wanted = appends.map((append, n) => ({ ...append, offset: offsets[n] })).filter((append) => append.partition === partition);
          expect(entries.map((entry) => entry.offset)).toEqual(wanted.map((append) => append.offset));
          for (const [n, entry] of entries.entries()) expect(Buffer.compare(entry.value, wanted[n]?.value ?? new Uint8Array(0))).toBe(0);
        }
      }
    });

    it.each(['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'])('a topic that the cluster keeps as %s is read', async (compression) => {
      const address = newAddress();
      const admin = new Kafka({ brokers: broker().brokers.split(','), logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const topic = `${address.split('/').at(-1)}.t`;
      const configEntries = [
        { name: 'compression.type', value: compression },
        { name: 'max.message.bytes', value: '4000000' },
      ];
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: false });
      await admin.disconnect();
      const log = await openAt(address);
      await expect.poll(() => log.topics()).toMatchObject([{ name: 't' }]);
      // Text that packs well, bytes that don't, and a run longer than a block.
      const noise = Uint8Array.from({ length: 100_000 }, (_, n) => Math.imul(n, 2_654_435_761) >>> 13);
      const values = [
        bytes('the same words again and again, '.repeat(3_000)),
        noise,
        new Uint8Array(0),
        new Uint8Array(300_000).fill(7),
        noise,
      ];
      await commitVisibly(
        await log.openWriter('w'),
        values.map((value) => ({ topic: 't', partition: 0, value })),
      );
      const entries = await readAll(log, 't', 0);
      expect(entries.map(({ value }) => Buffer.from(value).toString('latin1'))).toEqual(
        values.map((value) => Buffer.from(value).toString('latin1')),
      );
    });

    it('the largest entry that the limits allow is committed and read', async () => {
      const log = await openAt(newAddress());
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'compact' });
      const key = new Uint8Array(1_000);
      const headers = { name: 'x'.repeat(1_000) };
      const overhead = key.length + Buffer.byteLength(JSON.stringify(headers));
      await commitVisibly(await log.openWriter('w'), [
        { topic: 't', partition: 0, key, headers, value: new Uint8Array(log.limits.entryBytes - overhead).fill(9) },
      ]);
      expect((await log.read('t', 0, START)).entries[0]?.value.length).toBe(log.limits.entryBytes - overhead);
    });

    it('networks of one cluster see nothing of each other, and fence nobody elsewhere', async () => {
      const [one, other] = [await openAt(newAddress()), await openAt(newAddress())];
      for (const log of [one, other]) await log.createTopic({ name: 'same', partitions: 1, cleanup: 'keep' });
      const writer = await one.openWriter('owner');
      await other.openWriter('owner');
      await commitVisibly(writer, [note('same', 0, 'of one')]);
      expect(await readTexts(other, 'same', 0)).toEqual([]);
      expect(await other.topics()).toHaveLength(1);
    });

    it('a wait for an offset far beyond the end lasts until the end has passed it', async () => {
      const log = await openAt(newAddress());
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      let over = false;
      const waiting = log.waitBeyond('t', 0, offset(6), new AbortController().signal).finally(() => {
        over = true;
      });
      // Each commit takes two offsets: an entry and a marker.
      for (let n = 0; n < 3; n++) {
        await commitVisibly(writer, [note('t', 0, `${n}`)]);
        expect(over).toBe(false);
      }
      await commitVisibly(writer, [note('t', 0, 'the last')]);
      expect(await waiting).toBe(true);
    });

    it('many partitions are waited for at once, each woken by its own commit', async () => {
      const log = await openAt(newAddress());
      await log.createTopic({ name: 't', partitions: 100, cleanup: 'keep' });
      const order = Array.from({ length: 100 }, (_, n) => (n * 37) % 100);
      const controller = new AbortController();
      const woken: number[] = [];
      const waiting = order.map((p) => log.waitBeyond('t', p, START, controller.signal).then((reached) => reached && woken.push(p)));
      const writer = await log.openWriter('w');
      for (const partition of order.slice(0, 60)) {
        await commitVisibly(writer, [note('t', partition, 'x')]);
        await waiting[order.indexOf(partition)];
      }
      expect(woken.toSorted((a, b) => a - b)).toEqual(order.slice(0, 60).toSorted((a, b) => a - b));
      controller.abort();
      await Promise.all(waiting);
    });

    it('retention that a spec asks for is set, and read back', async () => {
      const log = await openAt(newAddress());
      const spec = { name: 't', partitions: 1, cleanup: 'keep', retention: { bytes: 100_000_000, ms: 3_600_000 } } as const;
      await log.createTopic(spec);
      expect(await (await openAt(log.address)).topics()).toEqual([spec]);
    });

    it.each<[string, Retention | undefined, Retention | undefined]>([
      ['set', undefined, { bytes: 100_000_000, ms: 3_600_000 }],
      ['changed', { bytes: 100_000_000, ms: 3_600_000 }, { bytes: 200_000_000 }],
      ['lifted', { ms: 3_600_000 }, undefined],
    ])(
      'retention of a topic that is there is %s, with all that follows from it, and nothing else of the topic',
      async (_, before, after) => {
        const log = await openAt(newAddress());
        const spec = (retention: Retention | undefined): TopicSpec => {
          return { name: 't', partitions: 2, cleanup: 'keep', ...(retention === undefined ? {} : { retention }) };
        };
        const retain = async (of: Log, wanted: TopicSpec): Promise<void> => of.retain?.(wanted);
        await log.createTopic(spec(before));
        await log.createTopic({ ...spec(after), name: 'made-so' });
        await retain(log, spec(after));
        const [made, changed] = await (await openAt(log.address)).topics();
        expect(changed).toEqual(spec(after));
        expect({ ...made, name: 't' }).toEqual(changed);
        const settings = await topicSettings(['t', 'made-so'].map((topic) => `${log.network}.${topic}`));
        expect(settings[0]).toEqual(settings[1]);
        expect(settings[0]?.length).toBeGreaterThan(10);
        expect(await rejection(retain(log, { ...spec(after), partitions: 3 }))).toMatchObject({ code: 'USAGE' });
        expect(await rejection(retain(log, { ...spec(after), name: 'none' }))).toMatchObject({ code: 'NOT_FOUND' });
        const reader = await openAt(log.address, { readOnly: true });
        expect(await rejection(retain(reader, spec(before)))).toMatchObject({ code: 'USAGE' });
      },
    );

    it('what the broker no longer holds is passed over, and said to be gone', async () => {
      const log = await openAt(newAddress());
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const offsets = await commitVisibly(
        writer,
        Array.from({ length: 5 }, (_, n) => note('t', 0, `${n}`)),
      );
      expect(await log.begin?.('t', 0)).toBe(offsets[0]);
      const admin = new Kafka({ brokers: broker().brokers.split(','), logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      // The client deletes only in topics that it knows.
      await admin.fetchTopicOffsets(`${log.network}.t`);
      await admin.deleteTopicRecords({ topic: `${log.network}.t`, partitions: [{ partition: 0, offset: String(offsets[3]) }] });
      await admin.disconnect();
      expect(await log.begin?.('t', 0)).toBe(offsets[3]);
      expect(await readTexts(log, 't', 0)).toEqual(['3', '4']);
    });

    it('a log that is read only refuses topics and writers', async () => {
      const address = newAddress();
      await (await openAt(address)).createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const log = await openAt(address, { readOnly: true });
      expect(await rejection(log.openWriter('w'))).toMatchObject({ code: 'USAGE' });
      expect(await rejection(log.createTopic({ name: 'u', partitions: 1, cleanup: 'keep' }))).toMatchObject({ code: 'USAGE' });
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      expect(await readTexts(log, 't', 0)).toEqual([]);
    });
  });
});
