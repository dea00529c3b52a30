/**
 * The least rights of each role, as documents/kafka.md says them: a network of four processes' parts, each a user of its own with the rights of its row, comes to
 * the end of a run; what a row grants is used, and what it doesn't is refused.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import {
  type Append,
  deploy,
  type Log,
  type LogWriter,
  MizuError,
  offset,
  readRun,
  type Role,
  RunTopics,
  type RunName,
  type ServeEvent,
  verifyRun,
} from '#engine';
import { compileFile, serveNetwork } from '#topologies';
import { summaryAtEnd } from '../support/asking-workflow.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { aclsOf, rightsTable } from '../support/kafka-rights.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';

const NETWORK = 'rights';
const RUN = { name: 'tickets', generation: 1 };
const GROUP = 'rights-consumer';
const ACCEPTED = 6;
const ROLES: readonly Role[] = ['orchestrator', 'node', 'gateway', 'checkpointer'];
/** Granted for what this short workflow has no occasion to do: copy a source, write a snapshot, operate. */
const NO_OCCASION = [
  'topic source',
  'topic snapshots-*',
  'topic control-snapshots',
  'id ingest',
  'id operator',
  'topic requests of deployer',
];

/** A log that notes to which topics and as whom it wrote, in the words of the table. */
function noting(log: Log, notes: Set<string>): Log {
  const noted = (writer: LogWriter): LogWriter => ({
    owner: writer.owner,
    waitVisible: () => writer.waitVisible(),
    close: () => writer.close(),
    commit: (appends: readonly Append[]) => {
      for (const { topic } of appends) notes.add(`topic ${topic.replace(/^tickets\.1\./, '')}`);
      return writer.commit(appends);
    },
  });
  return new Proxy(log, {
    get(target, name) {
      if (name === 'openWriter') {
        return async (owner: string) => {
          notes.add(`id ${owner.replace(/^tickets\/1\//, '')}`);
          return noted(await target.openWriter(owner));
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const WORKFLOW = (url: string): string => `mizu: 1
name: tickets
seed: 7
accept: ${ACCEPTED}
budget: { candidates: 200 }
task: { size: 8, deadline: 60s }
partitions: 2
nodes: 8
data: { products: { list: [kettle, lamp, chair, clock, sofa, desk, stove, shelf] } }
models: { small: { url: "${url}", model: smollm2 } }
generate:
  - select: { from: products, as: product }
  - random: { as: n, integer: [0, 3] }
  - inference: { as: body, model: small, prompt: "Complain about the {{product}}.", maxTokens: 60, temperature: 0.7 }
verify:
  - expression: { keep: "12 / n > 5" }
  - dedup: { by: [product] }
publish: { fields: [product, body] }
`;

describeKafka(
  'a cluster that asks who may do what',
  (broker) => {
    const rights = rightsTable();
    const folder = scratchFolder();
    const notes = new Map<string, Set<string>>();
    const troubles: unknown[] = [];
    const home = process.env.MIZU_HOME;
    let peer: ModelPeer;
    let run: RunName;

    const sasl = (username: string) => ({ mechanism: 'PLAIN' as const, username, password: `${username}-secret` });
    const clientOf = (user: string): Kafka =>
      new Kafka({
        brokers: [broker().brokers],
        logLevel: logLevel.NOTHING,
        retry: { retries: 8, initialRetryTime: 100 },
        sasl: { ...sasl(user), mechanism: 'plain' },
      });

    async function as<T>(user: string, use: (log: Log) => Promise<T>): Promise<T> {
      const log = await openKafkaLog({ address: `kafka://${broker().brokers}/${NETWORK}`, security: { sasl: sasl(user) } });
      const own = notes.get(user) ?? new Set<string>();
      notes.set(user, own);
      try {
        return await use(noting(log, own));
      } finally {
        await log.close();
      }
    }

    beforeAll(async () => {
      process.env.MIZU_HOME = folder;
      peer = await openModelPeer();
      peer.always((response, call) => good(response, call, call.body.seed));
      const admin = clientOf('admin').admin();
      await admin.connect();
      await admin.createAcls({ acl: rights.flatMap((row) => aclsOf(row, NETWORK, RUN, GROUP)) });
      await admin.disconnect();
    });
    afterAll(async () => {
      if (home === undefined) delete process.env.MIZU_HOME;
      else process.env.MIZU_HOME = home;
      await peer.close();
    });

    it('lets every role do its work', async () => {
      writeFileSync(join(folder, 'workflow.yaml'), WORKFLOW(peer.url));
      const { program, digest, deployment, data } = await compileFile(join(folder, 'workflow.yaml'));
      const stop = new AbortController();
      const { signal } = stop;
      run = await as('deployer', (log) => deploy(log, { program, digest, deployment, data: data.values(), newGeneration: false, signal }));
      const onEvent = (event: ServeEvent): void => {
        if (event.type === 'trouble' || (event.type === 'event' && event.event.type === 'failed')) troubles.push(event);
      };
      const parts = ROLES.map((role) =>
        as(role, (log) => serveNetwork({ log, name: role, roles: new Set([role]), workers: 1, env: () => undefined, signal, onEvent })),
      );
      const summary = await as('reader', (log) => summaryAtEnd(log, run, signal));
      stop.abort();
      await Promise.all(parts);
      expect([summary.accepted, troubles]).toEqual([ACCEPTED, []]);
      expect([summary.failed, summary.duplicates, Object.keys(summary.rejected).length].every((count) => count > 0)).toBe(true);
    });

    it('lets the deployer change what the topics forget, and nobody else', async () => {
      const { program, digest, deployment, data } = await compileFile(join(folder, 'workflow.yaml'));
      const retention = { bytes: 16_000_000 };
      const { signal } = new AbortController();
      const changed = { program, digest, deployment: { ...deployment, retention }, data: data.values(), newGeneration: false, signal };
      expect(await as('deployer', (log) => deploy(log, changed))).toEqual(run);
      const wanted = new Map(new RunTopics(run).specs(program, retention).map((spec) => [spec.name, spec.retention]));
      await as('reader', async (log) => {
        const there = await log.topics('tickets.1.');
        expect(new Map(there.map((spec) => [spec.name, spec.retention]))).toEqual(wanted);
      });
      await as('node', async (log) => {
        const verified = { name: 'tickets.1.verified', partitions: 1, cleanup: 'keep' } as const;
        await expect(log.retain?.(verified)).rejects.toMatchObject({
          code: 'LOG_REFUSED',
          hint: expect.stringContaining('ALTER_CONFIGS on topic rights.tickets.1.verified'),
        });
      });
    });

    it('shows a reader everything', async () => {
      await as('reader', async (log) => {
        expect((await log.topics('tickets.')).length).toBeGreaterThan(10);
        expect((await log.size()).bytes).toBeGreaterThan(0);
        const report = await verifyRun(log, await readRun(log, run.name, run.generation), {});
        expect(report.problems).toEqual([]);
      });
    });

    it('grants no role what it has no use for', () => {
      const matches = (granted: string, used: string): boolean =>
        granted.endsWith('*') ? used.startsWith(granted.slice(0, -1)) : used === granted;
      for (const { user, topics, ids } of rights) {
        const granted = [...topics.map((topic) => `topic ${topic}`), ...ids.map((id) => `id ${id}`)];
        const used = [...(notes.get(user) ?? [])];
        expect([user, used.filter((one) => !granted.some((grant) => matches(grant, one)))]).toEqual([user, []]);
        const idle = granted.filter((grant) => !used.some((one) => matches(grant, one)));
        expect([user, idle.filter((grant) => !NO_OCCASION.includes(grant) && !NO_OCCASION.includes(`${grant} of ${user}`))]).toEqual([
          user,
          [],
        ]);
      }
    });

    it.each([
      ['a node', 'node', 'orchestrator', 'control'],
      ['a gateway', 'gateway', 'step/1/0', 'verified'],
      ['a reader', 'reader', 'node/0', 'results'],
    ])('refuses %s that would write what is not its own', async (_what, user, owner, topic) => {
      await as(user, async (log) => {
        const opened = log.openWriter(`tickets/1/${owner}`);
        await expect(opened).rejects.toThrow(MizuError);
        await expect(opened).rejects.toMatchObject({ code: 'LOG_REFUSED' });
        await expect(log.createTopic({ name: `tickets.2.${topic}`, partitions: 1, cleanup: 'keep' })).rejects.toMatchObject({
          code: 'LOG_REFUSED',
        });
      });
    });

    it('lets a plain consumer read the verified records and nothing else', async () => {
      const consumer = clientOf('consumer').consumer({ groupId: GROUP });
      await consumer.connect();
      await consumer.subscribe({ topic: `${NETWORK}.tickets.1.verified`, fromBeginning: true });
      const values: (Buffer | null)[] = [];
      await new Promise<void>((resolve, reject) => {
        // It joins again by itself while the coordinator of its group loads.
        consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error));
        const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
          if (values.push(message.value) === ACCEPTED) resolve();
        };
        consumer.run({ eachMessage }).catch(reject);
      });
      await consumer.disconnect();
      expect(values.every((value) => value?.[0] === 0)).toBe(true);
      await as('consumer', async (log) => {
        await expect(log.read('tickets.1.rejected', 0, offset(0))).rejects.toThrow(MizuError);
      });
    });
  },
  { security: 'acl' },
);
