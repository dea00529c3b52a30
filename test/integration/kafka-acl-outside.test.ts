/**
 * The rights on topics outside of the network, as documents/kafka.md says them: a workflow that reads such a topic and publishes into another is deployed and run by
 * users who have none of them, each is granted what he is told that he lacks, and at the end that is what the table says.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Admin, AclOperationTypes, AclResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import {
  askMode,
  type Log,
  MizuError,
  type Offset,
  readRun,
  readStatus,
  type Role,
  type RunName,
  type RunSummary,
  RunTopics,
  type ServeEvent,
  verifyRun,
} from '#engine';
import { type CompiledFile, compileFile, deployWorkflow, openExternal, openSigner, serveNetwork } from '#topologies';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { readSummary } from '../../engine/runtime/summary.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { aclsOf, allow, outsideRightsTable, rightsTable } from '../support/kafka-rights.ts';
import { scratchFolder } from '../support/scratch.ts';

const NETWORK = 'outer';
const ROLES: readonly Role[] = ['orchestrator', 'node', 'checkpointer'];
const ORDERS = 40;
const STUCK_MS = 300_000;
const NEVER = new AbortController().signal;

type Ingest = 'copy' | 'reference';

const workflowOf = (name: string, raw: string, clean: string, ingest: Ingest): string => `mizu: 1
name: ${name}
partitions: 2
task: { size: 8, deadline: 60s }
sources: { orders: { topic: ${raw} } }
generate:
  - read: { topic: orders, format: json, fields: { id: long }, ingest: ${ingest}, until: end }
publish: { topic: ${clean} }
`;

const envOf =
  (user: string) =>
  (name: string): string | undefined =>
    ({ MIZU_KAFKA_SASL_MECHANISM: 'PLAIN', MIZU_KAFKA_SASL_USERNAME: user, MIZU_KAFKA_SASL_PASSWORD: `${user}-secret` })[name];

/** What a user was refused. */
interface Lack {
  readonly user: string;
  readonly operation: string;
  readonly topic: string;
}

/** What the hint of a refusal asks for. @throws any other error */
function lackOf(user: string, error: unknown): Lack {
  const hint = error instanceof MizuError && error.code === 'LOG_REFUSED' ? error.hint : undefined;
  const [, operation, topic] = /permission (\w+) on topic ([\w.-]+)/.exec(hint ?? '') ?? [];
  if (operation === undefined || topic === undefined) throw error;
  return { user, operation, topic };
}

/** The same where only the message is told: of a run that paused, of a problem that was found. */
function lackIn(user: string, message: string): Lack {
  const [, what, topic] = /does not allow this user to (find topic|read) ([\w-]+)/.exec(message) ?? [];
  if (topic === undefined) return expect.fail(`it is another trouble: ${message}`);
  return { user, operation: what === 'read' ? 'READ' : 'DESCRIBE', topic };
}

/** What control says from an offset on: the run's end, or that it waits for its operator. */
async function endOrPause(log: Log, run: RunName, from: Offset, signal: AbortSignal): Promise<RunSummary | 'paused'> {
  const { control } = new RunTopics(run);
  for (let at = from; ; ) {
    const { entries, next } = await log.read(control, 0, at);
    for (const { value } of entries) {
      const { body } = decodeControl(value);
      if (body.type === 'close') return readSummary(body.summary);
      if (body.type === 'mode' && body.mode === 'paused') return 'paused';
    }
    at = next;
    if (entries.length === 0 && !(await log.waitBeyond(control, 0, at, signal))) throw signal.reason;
  }
}

describeKafka(
  'topics outside of the network',
  (broker) => {
    const rights = rightsTable();
    const outside = outsideRightsTable();
    const home = process.env.MIZU_HOME;
    const folder = scratchFolder();
    let admin: Admin;
    const granted = new Set<string>();

    const client = (): Kafka =>
      new Kafka({
        brokers: [broker().brokers],
        logLevel: logLevel.NOTHING,
        sasl: { mechanism: 'plain', username: 'admin', password: 'admin-secret' },
      });

    beforeAll(async () => {
      process.env.MIZU_HOME = folder;
      admin = client().admin();
      await admin.connect();
    });
    afterEach(() => granted.clear());
    afterAll(async () => {
      if (home === undefined) delete process.env.MIZU_HOME;
      else process.env.MIZU_HOME = home;
      await admin.disconnect();
    });

    async function as<T>(user: string, use: (log: Log) => Promise<T>): Promise<T> {
      const sasl = { mechanism: 'PLAIN', username: user, password: `${user}-secret` } as const;
      const log = await openKafkaLog({ address: `kafka://${broker().brokers}/${NETWORK}`, security: { sasl } });
      try {
        return await use(log);
      } finally {
        await log.close();
      }
    }

    /** Grants by the word that the table has for it. */
    async function grant({ user, operation, topic }: Lack): Promise<void> {
      const row = outside.find((one) => one.user === user);
      const listed = (topic.endsWith('-raw') ? row?.read : row?.published) ?? [];
      // READ and WRITE include DESCRIBE.
      const word = listed.find((one) => one === operation) ?? (operation === 'DESCRIBE' ? listed[0] : undefined);
      if (word === undefined) return expect.fail(`${user} wants ${operation} on ${topic}, and the table says nothing of it`);
      granted.add(`${user} ${word} ${topic}`);
      await admin.createAcls({ acl: [allow(user, AclResourceTypes.TOPIC, topic, AclOperationTypes[word])] });
    }

    async function granting<T>(user: string, attempt: (log: Log) => Promise<T>): Promise<T> {
      for (;;) {
        try {
          return await as(user, attempt);
        } catch (error) {
          await grant(lackOf(user, error));
        }
      }
    }

    /** Plays every role as its user until the run is at its end, or somebody is refused something. */
    async function served(run: RunName): Promise<RunSummary | Lack> {
      const stop = new AbortController();
      const { signal } = stop;
      const from = await as('reader', (log) => log.end(new RunTopics(run).control, 0));
      let trouble: { readonly user: string; readonly error: unknown } | undefined;
      const parts = ROLES.map((role) => {
        const onEvent = (event: ServeEvent): void => {
          if (event.type !== 'trouble') return;
          trouble ??= { user: role, error: event.error };
          stop.abort();
        };
        const options = { name: role, roles: new Set([role]), workers: 1, runs: [run.name], env: envOf(role), signal, onEvent };
        return as(role, (log) => serveNetwork({ log, ...options }));
      });
      const end = await as('reader', (log) => endOrPause(log, run, from, signal)).catch((error: unknown) => {
        if (trouble === undefined) throw error;
        return lackOf(trouble.user, trouble.error);
      });
      stop.abort();
      await Promise.all(parts);
      return end === 'paused' ? lackOfTask(run) : end;
    }

    async function lackOfTask(run: RunName): Promise<Lack> {
      const { modeBy } = await as('reader', async (log) => readStatus(log, await readRun(log, run.name), { signal: NEVER }));
      await as('deployer', (log) => askMode({ log, run, signer: openSigner(log), by: 'test', signal: NEVER }, 'running', 0));
      return lackIn('node', modeBy);
    }

    async function prepared(name: string, ingest: Ingest): Promise<CompiledFile> {
      const [raw, clean] = [`${name}-raw`, `${name}-clean`];
      await admin.createTopics({ topics: [raw, clean].map((topic) => ({ topic, numPartitions: 2 })), waitForLeaders: true });
      await admin.createAcls({ acl: rights.flatMap((row) => aclsOf(row, NETWORK, { name, generation: 1 }, 'nobody')) });
      const producer = client().producer();
      await producer.connect();
      await producer.send({ topic: raw, messages: Array.from({ length: ORDERS }, (_, n) => ({ value: `{"id":${n}}` })) });
      await producer.disconnect();
      writeFileSync(join(folder, 'orders.yaml'), workflowOf(name, raw, clean, ingest));
      return compileFile(join(folder, 'orders.yaml'));
    }

    it.each(['copy', 'reference'] as const)(
      'need of each user what the table says, and nothing else (ingest: %s)',
      { timeout: STUCK_MS },
      async (ingest) => {
        const name = `orders-${ingest}`;
        const workflow = await prepared(name, ingest);
        const { run } = await granting('deployer', (log) =>
          deployWorkflow(workflow, { log, env: envOf('deployer'), newGeneration: false, by: 'test', signal: NEVER }),
        );
        let end = await served(run);
        while ('user' in end) {
          await grant(end);
          end = await served(run);
        }
        expect(end.accepted).toBe(ORDERS);
        const check = () =>
          as('reader', async (log) => verifyRun(log, await readRun(log, name), { external: openExternal(log, envOf('reader')) }));
        for (let [problem] = (await check()).problems; problem !== undefined; [problem] = (await check()).problems)
          await grant(lackIn('reader', problem.message));
        const rows = outside.flatMap(({ user, read, byReference, published }) => [
          ...(byReference && ingest === 'copy' ? [] : read.map((one) => `${user} ${one} ${name}-raw`)),
          ...published.map((one) => `${user} ${one} ${name}-clean`),
        ]);
        expect([...granted].sort()).toEqual(rows.sort());
      },
    );
  },
  { security: 'acl' },
);
