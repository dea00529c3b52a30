/** MIZU_KAFKA_COMPRESSION: what a process writes is packed as it says, and every process reads it whatever it says. */
import { afterEach, expect, it } from 'vitest';
import { openLog } from '#topologies';
import { mizu } from '../support/cli.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { bytes, commitVisibly, readAll } from '../support/log-tools.ts';

const VARIABLE = 'MIZU_KAFKA_COMPRESSION';
const TEXT = 'the same words again and again, '.repeat(20_000);

afterEach(() => {
  delete process.env[VARIABLE];
});

it('another codec is refused before anything is connected to', async () => {
  const result = await mizu(['list', '--log', 'kafka://127.0.0.1:1/net'], { env: { [VARIABLE]: 'gzip' } });
  expect([result.code, result.stderr]).toEqual([2, expect.stringContaining("MIZU_KAFKA_COMPRESSION is 'gzip'")]);
});

describeKafka('a log on Kafka', (broker) => {
  it('holds fewer bytes with zstd, and is read without', async () => {
    const sizes: number[] = [];
    for (const compression of ['none', 'zstd']) {
      const address = `kafka://${broker().brokers}/packed-${process.pid}-${Date.now()}-${compression}`;
      process.env[VARIABLE] = compression;
      const log = await openLog(address, { readOnly: false });
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      await commitVisibly(await log.openWriter('w'), [{ topic: 't', partition: 0, value: bytes(TEXT) }]);
      sizes.push((await log.size()).bytes);
      await log.close();
      delete process.env[VARIABLE];
      const reader = await openLog(address, { readOnly: true });
      expect((await readAll(reader, 't', 0)).map(({ value }) => Buffer.from(value).toString())).toEqual([TEXT]);
      await reader.close();
    }
    expect(sizes[0]).toBeGreaterThan(TEXT.length);
    expect(sizes[1]).toBeLessThan(TEXT.length / 2);
  });
});
