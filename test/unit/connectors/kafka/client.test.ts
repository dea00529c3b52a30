/** What this connector takes from its client and says to brokers: the pinned version, topic settings, refusals by name. */
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { TOPIC_SETTINGS } from '#connectors/kafka';
import { Refusal } from '../../../../connectors/kafka/failures.ts';
import { assertClientVersion, CLIENT_VERSION } from '../../../../connectors/kafka/kafkajs.ts';
import { settingsOf, specOf } from '../../../../connectors/kafka/topic-settings.ts';

it('the client is the version whose internals were read', () => {
  const { version } = createRequire(import.meta.url)('kafkajs/package.json') as { version: string };
  expect(version).toBe(CLIENT_VERSION);
  expect(() => assertClientVersion('2.3.0')).toThrow(/2\.3\.0/);
});

it.each([
  { name: 't', partitions: 3, cleanup: 'keep' },
  { name: 't', partitions: 1, cleanup: 'compact' },
  { name: 't', partitions: 1, cleanup: 'keep', retention: { ms: 3_600_000 } },
  { name: 't', partitions: 1, cleanup: 'keep', retention: { bytes: 1_000_000_000, ms: 3_600_000 } },
] as const)('a spec is read back from the settings it becomes: %j', (spec) => {
  const settings = settingsOf(spec, 2);
  expect(specOf(spec.name, spec.partitions, new Map(Object.entries(settings)))).toEqual(spec);
  expect(settings['min.insync.replicas']).toBe('2');
  for (const value of Object.values(settings)) expect(value).toMatch(/^[a-zA-Z0-9.-]+$/);
});

it('a segment holds the largest message, and closes well before a retention ends', () => {
  const settings = settingsOf({ name: 't', partitions: 1, cleanup: 'keep', retention: { bytes: 1_000, ms: 3_600_000 } }, 1);
  expect(Number(settings['segment.bytes'])).toBeGreaterThanOrEqual(Number(settings['max.message.bytes']));
  expect(Number(settings['segment.ms'])).toBeLessThan(3_600_000);
  expect(TOPIC_SETTINGS.every(({ reason }) => reason.length > 10)).toBe(true);
});

it.each([
  [29, 'LOG_REFUSED', 'READ on topic n.t'],
  [31, 'LOG_REFUSED', 'READ on topic n.t'],
  [47, 'LOG_FENCED', 'open again'],
  [90, 'LOG_FENCED', 'open again'],
  [35, 'LOG_UNAVAILABLE', 'Kafka 3.3'],
] as const)('error code %i is %s and says what to try', (code, mizu, hint) => {
  const refusal = new Refusal(code, { what: 'read n.t/0', acl: 'READ on topic n.t' });
  expect(refusal).toMatchObject({ code: mizu, hint: expect.stringContaining(hint) });
  expect(refusal.message).toContain('read n.t/0');
  expect(refusal.retriable).toBe(false);
});

it.each([3, 5, 6, 7, 14, 15, 16, 19, 20, 51, 56])('error code %i may be mended by asking again', (code) => {
  expect(new Refusal(code, { what: 'x', acl: 'y' }).retriable).toBe(true);
});
