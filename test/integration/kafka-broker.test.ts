/** The brokers and the registry that other suites rely on: they are what they claim to be, and end when they are told to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  type KafkaConfig,
  logLevel,
  ResourcePatternTypes,
  type SASLOptions,
} from 'kafkajs';
import { expect, it } from 'vitest';
import { describeKafka, type TestBroker } from '../support/kafka-broker.ts';
import { describeRegistry } from '../support/registry-server.ts';
import { scratchFolder } from '../support/scratch.ts';

/** A client that gives up soon: a refused one must not try for half a minute. */
function client(broker: TestBroker, config: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({
    brokers: broker.brokers.split(','),
    logLevel: logLevel.NOTHING,
    retry: { retries: 1, initialRetryTime: 100 },
    ...config,
  });
}

async function topics(kafka: Kafka): Promise<string[]> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
}

async function makeTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
}

function user(name: string, mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', password = `${name}-secret`): SASLOptions {
  return { mechanism, username: name, password } as SASLOptions;
}

function running(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describeKafka('the shared broker', (broker) => {
  it('takes topics', async () => {
    await makeTopic(client(broker()), 'broker-test-shared');
    expect(await topics(client(broker()))).toContain('broker-test-shared');
  });

  it("can't be ended by a suite", () => {
    expect(() => broker().kill()).toThrow('own: true');
  });
});

describeKafka(
  'an own broker',
  (broker) => {
    it('keeps its data and its port when it is killed and started again', async () => {
      const [{ port, pid }] = [broker()];
      await makeTopic(client(broker()), 'kept');
      await broker().kill();
      await expect(topics(client(broker()))).rejects.toThrow();
      await broker().restart();
      expect([broker().port, broker().pid === pid]).toEqual([port, false]);
      expect(await topics(client(broker(), { retry: { retries: 8 } }))).toContain('kept');
    });
  },
  { own: true },
);

describeKafka(
  'a broker whose process is killed',
  () => {
    it('ends with it, and its data with it', async () => {
      const helper = join(import.meta.dirname, '../support/parts/jvm-broker.ts');
      const program = `import { startBroker } from ${JSON.stringify(helper)};
        process.stdout.write(String((await startBroker()).pid));`;
      const folder = scratchFolder();
      const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], { env: { ...process.env, TMPDIR: folder } });
      const [told] = await once(owner.stdout, 'data');
      const pid = Number(told);
      expect([running(pid), readdirSync(folder).filter((name) => name.startsWith('mizu-broker-')).length]).toEqual([true, 1]);
      owner.kill('SIGKILL');
      await expect.poll(() => [running(pid), readdirSync(folder)], { timeout: 20_000 }).toEqual([false, []]);
    });
  },
  { own: true },
);

describeKafka(
  'a broker with TLS',
  (broker) => {
    it('shows a certificate of its own authority, and is refused by clients that know another', async () => {
      const { ca = '' } = broker().secrets;
      expect(await topics(client(broker(), { ssl: { ca } }))).toEqual([]);
      await expect(topics(client(broker(), { ssl: true }))).rejects.toThrow('unable to verify');
      await expect(topics(client(broker(), { connectionTimeout: 500 }))).rejects.toThrow();
    });
  },
  { security: 'tls' },
);

describeKafka(
  'a broker that asks clients for a certificate',
  (broker) => {
    it('takes one of its authority and refuses to go without', async () => {
      const { ca = '', cert = '', key = '' } = broker().secrets;
      expect(await topics(client(broker(), { ssl: { ca, cert, key } }))).toEqual([]);
      await expect(topics(client(broker(), { ssl: { ca } }))).rejects.toThrow();
    });
  },
  { security: 'tls-client' },
);

describeKafka(
  'a broker with SASL PLAIN over TLS',
  (broker) => {
    it('takes a user with his password only', async () => {
      const ssl = { ca: broker().secrets.ca ?? '' };
      expect(await topics(client(broker(), { ssl, sasl: user('alice', 'plain') }))).toEqual([]);
      await expect(topics(client(broker(), { ssl, sasl: user('alice', 'plain', 'guess') }))).rejects.toThrow('Authentication failed');
    });
  },
  { security: 'sasl-plain-tls' },
);

describeKafka(
  'a broker with SCRAM',
  (broker) => {
    it.each(['scram-sha-256', 'scram-sha-512'] as const)('takes %s of a user with his password only', async (mechanism) => {
      expect(await topics(client(broker(), { sasl: user('bob', mechanism) }))).toEqual([]);
      await expect(topics(client(broker(), { sasl: user('bob', mechanism, 'guess') }))).rejects.toThrow('Authentication failed');
    });
  },
  { security: 'scram' },
);

describeKafka(
  'a broker with OAUTHBEARER',
  (broker) => {
    const bearing = (value: string): Kafka =>
      client(broker(), { sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value }) } });

    it('takes tokens of its issuer while they last', async () => {
      const token = broker().secrets.oauthToken('alice');
      expect(await topics(bearing(token))).toEqual([]);
      await expect(topics(bearing(broker().secrets.oauthToken('alice', -60)))).rejects.toThrow();
      const [head, claims = '', signature] = token.split('.');
      const other = Buffer.from(Buffer.from(claims, 'base64url').toString().replace('alice', 'admin')).toString('base64url');
      await expect(topics(bearing(`${head}.${other}.${signature}`))).rejects.toThrow();
    });
  },
  { security: 'oauth' },
);

describeKafka(
  'a broker with ACLs',
  (broker) => {
    it('lets the admin do everything, and others what an ACL allows', async () => {
      const [admin, alice] = [client(broker(), { sasl: user('admin', 'plain') }), client(broker(), { sasl: user('alice', 'plain') })];
      await makeTopic(admin, 'guarded');
      expect(await topics(alice)).toEqual([]);
      await expect(makeTopic(alice, 'own')).rejects.toThrow();
      const acls = admin.admin();
      await acls.connect();
      await acls.createAcls({
        acl: [
          {
            resourceType: AclResourceTypes.TOPIC,
            resourceName: 'guarded',
            resourcePatternType: ResourcePatternTypes.LITERAL,
            principal: 'User:alice',
            host: '*',
            operation: AclOperationTypes.DESCRIBE,
            permissionType: AclPermissionTypes.ALLOW,
          },
        ],
      });
      await acls.disconnect();
      expect(await topics(alice)).toEqual(['guarded']);
      expect(await topics(client(broker(), { sasl: user('bob', 'plain') }))).toEqual([]);
    });
  },
  { security: 'acl' },
);

describeRegistry('the shared registry', (registry) => {
  it('answers', async () => {
    expect(await (await fetch(`${registry().url}/subjects`)).json()).toBeInstanceOf(Array);
  });
});
