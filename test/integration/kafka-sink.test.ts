/** Somebody else's topic as a sink: the verified records stand there too, each once and in order, through kills, and what can't be a sink is refused first. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { openKafkaLog } from '#connectors/kafka';
import { type Log, MizuError, offset, planDeploy, readRun, RunTopics, verifyRun } from '#engine';
import { type CompiledFile, compileFile, deployWorkflow, planWorkflow, runWorkflow } from '#topologies';
import { mizu } from '../support/cli.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { type ConsumedRecord, readCommitted } from '../support/kafka-consumer.ts';
import { openOutside, type Outside } from '../support/kafka-producer.ts';
import { readAll, rejection } from '../support/log-tools.ts';
import { scratchFolder } from '../support/scratch.ts';

const STUCK_MS = 600_000;
const PARTITIONS = 3;
const SINK_PARTITIONS = 2;
const CANDIDATES = 3_000;
const MAILS = 2_000;
/** Fewer than mails: some are duplicates. */
const BODIES = 1_900;
/** As long as brokers allow: a run that waited for it would not end within the test. */
const LONGEST_TRANSACTION_MS = 900_000;
const PREFIX = `sink-test-${process.pid}-${Date.now()}-`;
const NEVER = new AbortController().signal;

const MADE = `
  - random: { as: n, integer: [0, 100000] }
  - template: { as: body, text: "number {{n}}" }`;

const workflowOf = (publish: string, more = `budget: { candidates: ${CANDIDATES} }`, generate = MADE): string => `mizu: 1
name: sunk
partitions: ${PARTITIONS}
task: { size: 20, every: 20ms }
${more}
generate:${generate}
verify:
  - length: { field: body, codepoints: [0, 12] }
  - dedup: { by: [body] }
publish: { fields: [body]${publish} }
`;

const reading = (topic: string, publish: string): string =>
  workflowOf(
    publish,
    `budget: { candidates: ${MAILS} }\nsources: { mails: { topic: ${topic} } }`,
    '\n  - read: { topic: mails, format: json, fields: { body: string } }',
  );

describeKafka('a topic that takes the verified records', (broker) => {
  let outside: Outside;
  let folder: string;
  let log: Log;
  let networks = 0;
  const home = process.env.MIZU_HOME;
  const address = (): string => `kafka://${broker().brokers}/sunk-${process.pid}-${networks}`;
  const client = (): Kafka => new Kafka({ brokers: broker().brokers.split(','), logLevel: logLevel.NOTHING });

  beforeAll(async () => {
    outside = await openOutside(broker().brokers, PREFIX);
  });
  afterAll(() => outside?.close());
  beforeEach(async () => {
    networks++;
    folder = scratchFolder();
    process.env.MIZU_HOME = join(folder, 'home');
    log = await openKafkaLog({ address: address() });
  });
  afterEach(async () => {
    await log.close();
    if (home === undefined) delete process.env.MIZU_HOME;
    else process.env.MIZU_HOME = home;
  });

  const compiled = async (text: string): Promise<CompiledFile> => {
    writeFileSync(join(folder, 'workflow.yaml'), text);
    return compileFile(join(folder, 'workflow.yaml'));
  };
  const run = async (text: string) => runWorkflow(await compiled(text), { log, workers: 1, signal: NEVER });
  const read = (topic: string): Promise<ConsumedRecord[][]> => readCommitted(broker().brokers, outside, topic, SINK_PARTITIONS);

  /** What each partition of the run's own topic holds. */
  async function verified(): Promise<ConsumedRecord[][]> {
    const { verified: topic } = new RunTopics({ name: 'sunk', generation: 1 });
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => readAll(log, topic, partition));
    return (await Promise.all(partitions)).map((entries) =>
      entries.map(({ key, value, headers }) => ({ key: Buffer.from(key ?? []).toString(), value: Buffer.from(value), headers })),
    );
  }

  const publishedBy = ({ headers }: ConsumedRecord): number => Number(headers.task?.split('/')[1]);

  it('has each of them once and in order, byte for byte, though its run is killed again and again (laws 2 and 4)', {
    timeout: STUCK_MS,
  }, async () => {
    const [mails, sink] = [await outside.topic('mails', 2), await outside.topic('killed', SINK_PARTITIONS)];
    const text = reading(mails, `, topic: ${sink}`);
    const file = join(folder, 'workflow.yaml');
    writeFileSync(file, text);
    const { verified: topic } = new RunTopics({ name: 'sunk', generation: 1 });
    let sent = 0;
    const send = (count: number): Promise<void> =>
      outside.send(
        mails,
        Array.from({ length: count }, () => ({ partition: sent % 2, value: JSON.stringify({ body: `mail ${sent++ % BODIES}` }) })),
      );
    // There are too few mails for the run to end before it is killed.
    for (const life of [1, 2]) {
      await send(MAILS / 4);
      const result = await mizu(['run', file, '--log', address(), '--workers', '1', '--quiet'], {
        onStart: (child) => {
          void (async () => {
            while ((await log.topics(topic)).length === 0) await new Promise(setImmediate);
            // As soon as something more is there, the next commit is under way.
            await log.waitBeyond(topic, life, offset((await log.end(topic, life)) + 20 * life), NEVER);
            child.kill('SIGKILL');
          })();
        },
      });
      expect(result.code, result.stderr).toBeNull();
    }
    await send(MAILS / 2);
    const summary = await run(text);
    expect([summary.candidates, summary.duplicates > 0]).toEqual([MAILS, true]);
    const own = await verified();
    const sunk = await read(sink);
    expect(sunk.flat()).toHaveLength(summary.accepted);
    for (const [partition, records] of own.entries())
      expect(sunk[partition % SINK_PARTITIONS]?.filter((record) => publishedBy(record) === partition)).toEqual(records);
    expect(await verifyRun(log, await readRun(log, 'sunk'))).toMatchObject({ ok: true, problems: [] });
  });

  it('may change while a run goes on: a setting, by which each record is in one of the two topics', { timeout: STUCK_MS }, async () => {
    const [before, after] = [await outside.topic('before', SINK_PARTITIONS), await outside.topic('after', SINK_PARTITIONS)];
    const first = workflowOf(`, topic: ${before}`);
    const stop = new AbortController();
    const begun = runWorkflow(await compiled(first), {
      log,
      workers: 1,
      signal: stop.signal,
      onProgress: ({ published }) => {
        if (published > 20) stop.abort();
      },
    });
    await expect(begun).rejects.toBeInstanceOf(Error);
    const next = await compiled(workflowOf(`, topic: ${after}`));
    const plan = await planDeploy(log, next);
    expect([plan.kind, plan.settings]).toEqual(['compatible', [{ path: 'publish.topic', before, after }]]);
    const summary = await runWorkflow(next, { log, workers: 1, signal: NEVER });
    const [one, two] = [(await read(before)).flat(), (await read(after)).flat()];
    expect(one.length * two.length).toBeGreaterThan(0);
    expect(one.length + two.length).toBe(summary.accepted);
    const byKey = (records: ConsumedRecord[]): ConsumedRecord[] => records.sort((a, b) => (a.key < b.key ? -1 : 1));
    expect(byKey([...one, ...two])).toEqual(byKey((await verified()).flat()));
    expect((await planDeploy(log, await compiled(workflowOf('')))).settings).toEqual([{ path: 'publish', before: { topic: after } }]);
  });

  it('holds no run up, whatever others leave open there: the log waits for its own topics only', { timeout: STUCK_MS }, async () => {
    const sink = await outside.topic('open', SINK_PARTITIONS);
    const producer = client().producer({
      transactionalId: `${sink}-other`,
      transactionTimeout: LONGEST_TRANSACTION_MS,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    const messages = Array.from({ length: SINK_PARTITIONS }, (_, partition) => ({ partition, key: 'other', value: 'begun' }));
    await transaction.send({ topic: sink, messages });
    const { accepted } = await run(workflowOf(`, topic: ${sink}`, 'budget: { candidates: 100 }'));
    await transaction.abort();
    await producer.disconnect();
    expect((await read(sink)).flat()).toHaveLength(accepted);
  });

  it('that takes small messages only gets small batches; a record too large for it stops the run until that is mended', {
    timeout: STUCK_MS,
  }, async () => {
    const sink = await outside.topic('small', SINK_PARTITIONS, { 'max.message.bytes': '2000' });
    const few = (text: string): string =>
      workflowOf(`, topic: ${sink}`, 'budget: { candidates: 400 }').replace('number {{n}}', text).replace('[0, 12]', '[0, 100000]');
    expect((await run(few('{{n}} is a number'))).accepted).toBeGreaterThan(300);
    expect((await read(sink)).flat().length).toBeGreaterThan(300);
    const large = few('long'.repeat(600)).replace('name: sunk', 'name: large');
    expect(await rejection(run(large))).toMatchObject({
      code: 'LOG_LIMIT',
      message: expect.stringMatching(/^Record large\/1\/0\.\d+ has 24\d\d bytes; the topic '.*small' takes 19\d\d$/),
    });
    const admin = client().admin();
    await admin.connect();
    const configEntries = [{ name: 'max.message.bytes', value: '4000' }];
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: sink, configEntries }] });
    await admin.disconnect();
    expect((await run(large)).accepted).toBe(1);
    expect((await read(sink)).flat().filter(({ key }) => key.startsWith('large/'))).toHaveLength(1);
  });

  it('must be one that a transaction of the log can write to: all else is refused before anything is written (law 10)', {
    timeout: STUCK_MS,
  }, async () => {
    const sink = await outside.topic('fine', SINK_PARTITIONS);
    const compacted = await outside.topic('compacted', 1, { 'cleanup.policy': 'compact' });
    const other = await openKafkaLog({ address: `${address()}-other` });
    await other.createTopic({ name: 'mails.1.control', partitions: 1, cleanup: 'keep' });
    const network = other.network;
    await other.close();
    const options = { log, env: () => undefined, newGeneration: false, by: 'test', signal: NEVER };
    for (const [text, code, message] of [
      [workflowOf(`, topic: ${sink}s`), 'NOT_FOUND', /There is no topic '.*fines' on the cluster/],
      [workflowOf(`, topic: ${log.network}.mine`), 'USAGE', /names that begin with .* belong to a network/],
      [workflowOf(`, topic: ${network}.mails.1.verified`), 'USAGE', /names that begin with .* belong to a network/],
      [workflowOf(', topic: __consumer_offsets'), 'USAGE', /one of Kafka's own/],
      [workflowOf(`, topic: ${compacted}`), 'USAGE', /it is compacted/],
      [workflowOf(`, topic: ${sink}, url: "kafka://elsewhere:9092"`), 'USAGE', /no transaction spans two clusters/],
      [reading(sink, `, topic: ${sink}`), 'USAGE', /would read what it publishes/],
    ] as const) {
      const workflow = await compiled(text);
      for (const attempt of [
        () => runWorkflow(workflow, { log, workers: 1, signal: NEVER }),
        () => planWorkflow(workflow, options),
        () => deployWorkflow(workflow, options),
      ])
        expect(await rejection(attempt())).toMatchObject({
          code,
          message: expect.stringMatching(message),
          hint: expect.stringMatching(/./),
        });
    }
    const embedded = await openEmbeddedLog({ directory: join(folder, 'log') });
    const refused = await rejection(
      runWorkflow(await compiled(workflowOf(`, topic: ${sink}`)), { log: embedded, workers: 1, signal: NEVER }),
    );
    expect(refused).toMatchObject({ code: 'USAGE', message: expect.stringContaining('is no Kafka cluster') });
    expect(await embedded.topics()).toEqual([]);
    await embedded.close();
    const dry = await mizu(['deploy', join(folder, 'workflow.yaml'), '--dry-run', '--log', join(folder, 'nothing')]);
    expect([dry.code, dry.stderr]).toEqual([2, expect.stringContaining('is no Kafka cluster')]);
    expect(await log.topics()).toEqual([]);
    expect(await rejection(compiled(workflowOf(`, url: "kafka://${broker().brokers}"`)))).toBeInstanceOf(MizuError);
    await planWorkflow(await compiled(workflowOf(`, topic: ${sink}, url: "kafka://${broker().brokers}"`)), options);
  });
});
