/** The Kafka log as a user among others: TLS, every SASL mechanism, the least permissions, and errors that name what is missing and no secret. */
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { type AclEntry, AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, logLevel, ResourcePatternTypes } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import {
  KAFKA_PERMISSIONS,
  type KafkaLogOptions,
  type KafkaPermission,
  type KafkaSecurity,
  openKafkaLog,
  readKafkaSecurity,
} from '#connectors/kafka';
import type { Log } from '#engine';
import { describeKafka, type TestBroker } from '../support/kafka-broker.ts';
import { temporaryFolder } from '../support/log-embedded.ts';
import { committedOffsets, commitVisibly, note, outcomeCode, readTexts, rejection } from '../support/log-tools.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(broker: TestBroker, security: KafkaSecurity, options: Partial<KafkaLogOptions> = {}): Promise<Log> {
  const log = await openKafkaLog({ address: `kafka://${broker.brokers}/net`, security, ...options });
  closing.push(() => log.close());
  return log;
}

/** A commit that is read back. */
async function expectWorking(log: Log, topic: string): Promise<void> {
  await log.createTopic({ name: topic, partitions: 1, cleanup: 'keep' });
  await commitVisibly(await log.openWriter(topic), [note(topic, 0, 'secured')]);
  expect(await readTexts(log, topic, 0)).toEqual(['secured']);
}

function files(texts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const folder = temporaryFolder();
  closing.push(() => rmSync(folder, { recursive: true }));
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      writeFileSync(join(folder, name), text ?? '', { mode: 0o600 });
      return [name, join(folder, name)];
    }),
  );
}

const plain = (username: string, password = `${username}-secret`): KafkaSecurity => ({ sasl: { mechanism: 'PLAIN', username, password } });

describeKafka(
  'a Kafka log over TLS with client certificates',
  (broker) => {
    it('works with authority, certificate and key from files', async () => {
      const { ca, cert, key } = files({ ca: broker().secrets.ca, cert: broker().secrets.cert, key: broker().secrets.key });
      const values: Record<string, string | undefined> = {
        MIZU_KAFKA_TLS_CA_FILE: ca,
        MIZU_KAFKA_TLS_CERT_FILE: cert,
        MIZU_KAFKA_TLS_KEY_FILE: key,
      };
      await expectWorking(
        await open(
          broker(),
          readKafkaSecurity((name) => values[name]),
        ),
        't',
      );
    });

    it('refuses a broker whose authority is not known, and says how to name it', async () => {
      const failure = await rejection(open(broker(), { tls: {} }));
      expect(failure).toMatchObject({ code: 'LOG_REFUSED', hint: expect.stringContaining('MIZU_KAFKA_TLS_CA_FILE') });
      expect(failure.message).toContain(broker().brokers);
    });
  },
  { security: 'tls-client' },
);

describeKafka(
  'a Kafka log with SCRAM',
  (broker) => {
    it.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
      '%s works, and a wrong password is refused without being shown',
      async (mechanism) => {
        await expectWorking(
          await open(broker(), { sasl: { mechanism, username: 'alice', password: 'alice-secret' } }),
          mechanism.toLowerCase(),
        );
        const failure = await rejection(open(broker(), { sasl: { mechanism, username: 'alice', password: 'hunter2' } }));
        expect(failure).toMatchObject({ code: 'LOG_REFUSED', hint: expect.stringContaining('MIZU_KAFKA_SASL') });
        expect(JSON.stringify([failure.message, String(failure.cause), failure.stack])).not.toContain('hunter2');
      },
    );
  },
  { security: 'scram' },
);

describeKafka(
  'a Kafka log with bearer tokens',
  (broker) => {
    async function endpoint(secret: string): Promise<{ readonly url: string; readonly asked: () => number }> {
      let asked = 0;
      const server: Server = createServer((request, response) => {
        asked++;
        const right = request.headers.authorization === `Basic ${Buffer.from(`mizu:${secret}`).toString('base64')}`;
        response.writeHead(right ? 200 : 401, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify(right ? { access_token: broker().secrets.oauthToken('alice'), expires_in: 600 } : { error: 'invalid_client' }),
        );
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      closing.push(() => void server.close());
      const address = server.address();
      return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/token`, asked: () => asked };
    }

    it('takes a token from a file, and names the file when it is not there', async () => {
      const { token = '' } = files({ token: `${broker().secrets.oauthToken('alice')}\n` });
      await expectWorking(await open(broker(), { sasl: { mechanism: 'OAUTHBEARER', token: { file: token } } }), 'from-file');
      const failure = await rejection(open(broker(), { sasl: { mechanism: 'OAUTHBEARER', token: { file: `${token}.missing` } } }));
      expect(failure).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('.missing') });
    });

    it('asks an endpoint once for many connections, and is refused by name when the secret is wrong', async () => {
      const { url, asked } = await endpoint('right');
      const token = { endpoint: url, clientId: 'mizu', clientSecret: 'right' };
      await expectWorking(await open(broker(), { sasl: { mechanism: 'OAUTHBEARER', token } }), 'from-endpoint');
      expect(asked()).toBe(1);
      const failure = await rejection(open(broker(), { sasl: { mechanism: 'OAUTHBEARER', token: { ...token, clientSecret: 'hunter2' } } }));
      expect(failure).toMatchObject({ code: 'LOG_REFUSED', message: expect.stringContaining(url) });
      expect(failure.message).not.toContain('hunter2');
    });

    it('an expired token is refused', async () => {
      const { token = '' } = files({ token: broker().secrets.oauthToken('alice', -60) });
      expect(await rejection(open(broker(), { sasl: { mechanism: 'OAUTHBEARER', token: { file: token } } }))).toMatchObject({
        code: 'LOG_REFUSED',
      });
    });
  },
  { security: 'oauth' },
);

/** The client stops using a connection 10 s before its authentication ends. */
const SESSION_MS = 10_200;
const CONNECTIONS = 20;

describeKafka(
  'a Kafka log whose authentication ends again and again',
  (broker) => {
    it('goes on over new connections, and loses nothing', async () => {
      const proxy = await TcpProxy.start({ host: '127.0.0.1', port: broker().port });
      closing.push(() => proxy.stop());
      const log = await open(broker(), plain('alice'), { dial: () => ({ host: proxy.host, port: proxy.port }) });
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const written: string[] = [];
      while (proxy.taken < CONNECTIONS) {
        written.push(`${written.length}`);
        committedOffsets(await writer.commit([note('t', 0, written.at(-1) ?? '')]));
        await writer.waitVisible();
      }
      expect(await readTexts(log, 't', 0)).toEqual(written);
      expect(proxy.connections).toBeLessThan(CONNECTIONS / 2);
    });
  },
  { security: 'sasl-plain', properties: { 'listener.name.client.plain.connections.max.reauth.ms': String(SESSION_MS) } },
);

describeKafka(
  'a Kafka log with the least permissions',
  (broker) => {
    async function change(...acl: readonly AclEntry[]): Promise<void> {
      const sasl = { mechanism: 'plain', username: 'admin', password: 'admin-secret' } as const;
      const admin = new Kafka({ brokers: broker().brokers.split(','), sasl, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      await admin.createAcls({ acl: [...acl] });
      await admin.disconnect();
    }

    async function grant(user: string, needs: readonly KafkaPermission['need'][]): Promise<void> {
      const resources = {
        topic: [AclResourceTypes.TOPIC, 'net.', ResourcePatternTypes.PREFIXED],
        'transactional id': [AclResourceTypes.TRANSACTIONAL_ID, 'net.', ResourcePatternTypes.PREFIXED],
        cluster: [AclResourceTypes.CLUSTER, 'kafka-cluster', ResourcePatternTypes.LITERAL],
      } as const;
      const granted = KAFKA_PERMISSIONS.filter(({ need }) => needs.includes(need)).map(({ resource, operation }) => {
        const [resourceType, resourceName, resourcePatternType] = resources[resource];
        const principal = `User:${user}`;
        const permissionType = AclPermissionTypes.ALLOW;
        return {
          resourceType,
          resourceName,
          resourcePatternType,
          principal,
          host: '*',
          operation: AclOperationTypes[operation],
          permissionType,
        };
      });
      await change(...granted);
    }

    async function deny(user: string, topic: string): Promise<void> {
      await change({
        resourceType: AclResourceTypes.TOPIC,
        resourceName: topic,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: `User:${user}`,
        host: '*',
        operation: AclOperationTypes.WRITE,
        permissionType: AclPermissionTypes.DENY,
      });
    }

    it('a user without any is told which one is missing; with those of the table, each need is met and no other', async () => {
      const administrator = await open(broker(), plain('admin'));
      await expectWorking(administrator, 'there');
      const alice = await open(broker(), plain('alice'));
      expect(await rejection(alice.end('there', 0))).toMatchObject({
        code: 'LOG_REFUSED',
        hint: expect.stringContaining('DESCRIBE on topic net.there'),
      });
      await grant('alice', ['read']);
      await expect.poll(() => readTexts(alice, 'there', 0).catch(String)).toEqual(['secured']);
      expect(await alice.topics()).toHaveLength(1);
      expect(await rejection(alice.openWriter('alice'))).toMatchObject({
        code: 'LOG_REFUSED',
        hint: expect.stringContaining('transactional id net.alice'),
      });
      expect(await rejection(alice.createTopic({ name: 'new', partitions: 1, cleanup: 'keep' }))).toMatchObject({
        code: 'LOG_REFUSED',
        hint: expect.stringContaining('CREATE on topic net.new'),
      });
      expect(await rejection(alice.size())).toMatchObject({
        code: 'LOG_REFUSED',
        hint: expect.stringContaining('DESCRIBE on the cluster'),
      });
    });

    it('writers need WRITE on topics and on their transactional ids, deployers CREATE', async () => {
      await grant('bob', ['read', 'write', 'create', 'size']);
      const bob = await open(broker(), plain('bob'));
      await expect.poll(() => bob.createTopic({ name: 'bobs', partitions: 2, cleanup: 'compact' }).then(() => 'made', String)).toBe('made');
      await expectWorking(bob, 'bobs-too');
      expect((await bob.size()).bytes).toBeGreaterThan(0);
      // Another network on the same cluster is not his.
      const elsewhere = await openKafkaLog({ address: `kafka://${broker().brokers}/other`, security: plain('bob') });
      closing.push(() => elsewhere.close());
      expect(await rejection(elsewhere.openWriter('w'))).toMatchObject({ code: 'LOG_REFUSED' });
    });

    it('a commit that is not allowed is aborted as a whole, names the permission, and leaves its writer alive', async () => {
      const administrator = await open(broker(), plain('admin'));
      await administrator.createTopic({ name: 'open', partitions: 1, cleanup: 'keep' });
      await administrator.createTopic({ name: 'barred', partitions: 1, cleanup: 'keep' });
      await grant('bob', ['read', 'write']);
      await deny('bob', 'net.barred');
      const bob = await open(broker(), plain('bob'));
      const writer = await bob.openWriter('bobs');
      const barred = [note('open', 0, 'lost'), note('barred', 0, 'lost')];
      await expect.poll(async () => outcomeCode(await writer.commit(barred))).toBe('LOG_REFUSED');
      const refused = await writer.commit(barred);
      expect(refused).toMatchObject({
        status: 'aborted',
        writerDead: false,
        error: { hint: expect.stringContaining('WRITE on topic net.barred') },
      });
      await commitVisibly(writer, [note('open', 0, 'kept')]);
      expect(await readTexts(bob, 'open', 0)).toEqual(['kept']);
    });

    it('a wrong password is refused without being shown', async () => {
      const failure = await rejection(open(broker(), plain('alice', 'hunter2')));
      expect(failure).toMatchObject({ code: 'LOG_REFUSED' });
      expect(JSON.stringify([failure.message, String(failure.cause), failure.stack])).not.toContain('hunter2');
    });
  },
  { security: 'acl' },
);
