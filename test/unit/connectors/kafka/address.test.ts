/** Addresses of Kafka logs: what is taken, and that what is wrong is said with an example. */
import { expect, it } from 'vitest';
import { parseKafkaAddress } from '../../../../connectors/kafka/address.ts';

it.each([
  ['kafka://localhost:9092/reviews', [{ host: 'localhost', port: 9092 }], 'reviews'],
  [
    'kafka://a.example.org:1,10.0.0.2:65535/My-Net-7',
    [
      { host: 'a.example.org', port: 1 },
      { host: '10.0.0.2', port: 65_535 },
    ],
    'My-Net-7',
  ],
  ['kafka://[::1]:9092/v6', [{ host: '::1', port: 9092 }], 'v6'],
])('%s is an address', (address, brokers, network) => {
  expect(parseKafkaAddress(address)).toEqual({ brokers, network });
});

it.each([
  ['http://localhost:9092/x', 'kafka://'],
  ['kafka://localhost:9092', 'no network'],
  ['kafka://localhost:9092/', 'no network'],
  ['kafka://localhost/x', "'localhost' is no host:port"],
  ['kafka://localhost:0/x', "'localhost:0' is no host:port"],
  ['kafka://localhost:65536/x', 'no host:port'],
  ['kafka:///x', "'' is no host:port"],
  ['kafka://a:1,/x', "'' is no host:port"],
  ['kafka://a:1/x/y', 'more follows'],
  ['kafka://a:1/x.y', "'x.y' is no network"],
  ['kafka://a:1/x_y', "'x_y' is no network"],
  [`kafka://a:1/${'n'.repeat(49)}`, 'is no network'],
])('%s is refused, saying why and giving an example', (address, why) => {
  expect(() => parseKafkaAddress(address)).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: expect.stringContaining(why),
      hint: expect.stringContaining('kafka://broker-1:9092'),
    }),
  );
});

it('a password in an address is refused and not repeated', () => {
  const attempt = (): unknown => parseKafkaAddress('kafka://user:hunter2@a:1/x');
  expect(attempt).toThrow(expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('MIZU_KAFKA_SASL_PASSWORD') }));
  expect(attempt).not.toThrow(/hunter2/);
});
