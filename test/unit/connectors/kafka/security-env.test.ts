/** Security from environment variables: what each mechanism needs, and that secrets come from a variable or a file and never show. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { KAFKA_VARIABLES, readKafkaCompression, readKafkaSecurity } from '#connectors/kafka';
import { temporaryFolder } from '../../../support/log-embedded.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function file(text: string): string {
  const folder = temporaryFolder();
  folders.push(folder);
  writeFileSync(join(folder, 'secret'), text);
  return join(folder, 'secret');
}

const read = (values: Readonly<Record<string, string>>) => readKafkaSecurity((name) => values[name]);

it('nothing set is plain text and nobody in particular', () => {
  expect(read({})).toEqual({});
  expect(read({ MIZU_KAFKA_TLS: '0' })).toEqual({});
});

it.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)('%s takes a user, and a password from a variable or a file', (mechanism) => {
  const base = { MIZU_KAFKA_SASL_MECHANISM: mechanism, MIZU_KAFKA_SASL_USERNAME: 'ann' };
  const sasl = { mechanism, username: 'ann', password: ' p ' };
  expect(read({ ...base, MIZU_KAFKA_SASL_PASSWORD: ' p ' })).toEqual({ sasl });
  expect(read({ ...base, MIZU_KAFKA_SASL_PASSWORD_FILE: file(' p \n') })).toEqual({ sasl });
});

it('OAUTHBEARER takes tokens from a file or from an endpoint', () => {
  const base = { MIZU_KAFKA_SASL_MECHANISM: 'OAUTHBEARER' };
  expect(read({ ...base, MIZU_KAFKA_SASL_TOKEN_FILE: '/run/token' }).sasl).toEqual({
    mechanism: 'OAUTHBEARER',
    token: { file: '/run/token' },
  });
  const endpoint = { ...base, MIZU_KAFKA_SASL_TOKEN_ENDPOINT: 'https://login.test/t', MIZU_KAFKA_SASL_CLIENT_ID: 'me' };
  expect(read({ ...endpoint, MIZU_KAFKA_SASL_CLIENT_SECRET: 's' }).sasl).toMatchObject({
    token: { endpoint: 'https://login.test/t', clientId: 'me', clientSecret: 's' },
  });
});

it('any file for TLS implies TLS', () => {
  expect(read({ MIZU_KAFKA_TLS_CA_FILE: 'ca.pem' })).toEqual({ tls: { caFile: 'ca.pem', certFile: undefined, keyFile: undefined } });
  expect(read({ MIZU_KAFKA_TLS: '1' })).toEqual({ tls: {} });
});

const PLAIN = { MIZU_KAFKA_SASL_MECHANISM: 'PLAIN', MIZU_KAFKA_SASL_USERNAME: 'ann' };
it.each<[string, Record<string, string>]>([
  ['MIZU_KAFKA_TLS', { MIZU_KAFKA_TLS: 'yes' }],
  ['MIZU_KAFKA_TLS_KEY_FILE', { MIZU_KAFKA_TLS_CERT_FILE: 'c.pem' }],
  ['MIZU_KAFKA_TLS', { MIZU_KAFKA_TLS: '0', MIZU_KAFKA_TLS_CA_FILE: 'ca.pem' }],
  ['MIZU_KAFKA_SASL_MECHANISM', { MIZU_KAFKA_SASL_MECHANISM: 'GSSAPI' }],
  ['MIZU_KAFKA_SASL_MECHANISM', { MIZU_KAFKA_SASL_USERNAME: 'ann' }],
  ['MIZU_KAFKA_SASL_USERNAME', { MIZU_KAFKA_SASL_MECHANISM: 'PLAIN', MIZU_KAFKA_SASL_PASSWORD: 'hunter2' }],
  ['MIZU_KAFKA_SASL_PASSWORD', PLAIN],
  ['MIZU_KAFKA_SASL_PASSWORD_FILE', { ...PLAIN, MIZU_KAFKA_SASL_PASSWORD: 'hunter2', MIZU_KAFKA_SASL_PASSWORD_FILE: 'f' }],
  ['OAUTHBEARER', { MIZU_KAFKA_SASL_MECHANISM: 'OAUTHBEARER' }],
  ['MIZU_KAFKA_SASL_TOKEN_ENDPOINT', { MIZU_KAFKA_SASL_MECHANISM: 'OAUTHBEARER', MIZU_KAFKA_SASL_TOKEN_ENDPOINT: 'login' }],
  [
    'MIZU_KAFKA_SASL_CLIENT_SECRET',
    { MIZU_KAFKA_SASL_MECHANISM: 'OAUTHBEARER', MIZU_KAFKA_SASL_TOKEN_ENDPOINT: 'https://l', MIZU_KAFKA_SASL_CLIENT_ID: 'c' },
  ],
])('what is missing or wrong is USAGE, names %s and shows no secret: %j', (named, values) => {
  const attempt = (): unknown => read(values);
  expect(attempt).toThrow(expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(named) }));
  expect(attempt).not.toThrow(/hunter2/);
});

it('every variable is documented once', () => {
  const names = KAFKA_VARIABLES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, meaning } of KAFKA_VARIABLES) expect([name, meaning.length > 10]).toEqual([name, true]);
});

it('nothing is packed unless zstd is asked for, and no other codec can be', () => {
  const compression = (value?: string) => readKafkaCompression((name) => (name === 'MIZU_KAFKA_COMPRESSION' ? value : undefined));
  expect([compression(), compression(''), compression('none'), compression('zstd')]).toEqual(['none', 'none', 'none', 'zstd']);
  expect(() => compression('gzip')).toThrow("MIZU_KAFKA_COMPRESSION is 'gzip'");
});
