/**
 * A topology that never stops, on a real broker: from Kafka alone it is verified, replayed and exported while it works, also when the broker has deleted
 * the first records of its topics, as retention does; then from the first task on that is left (laws 2, 3).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import {
  type DeployedRun,
  type Log,
  ROLES,
  type RunStatus,
  RunTopics,
  RunWatch,
  askMode,
  readRun,
  serve,
  untilClosed,
  verifyRun,
} from '#engine';
import { compileFile, deployWorkflow, exportRun, openExternal, openLog, openSigner, registry, WORKER_URL } from '#topologies';
import { SNAPSHOT_STEPS } from '../../engine/runtime/snapshot-writer.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { openOutside, type Outside } from '../support/kafka-producer.ts';
import { readAll, rejection } from '../support/log-tools.ts';
import { type Forgotten, firstWhole, forgettingPlaces, offsetOfTask } from '../support/retention.ts';
import { replayed } from '../support/verify-support.ts';

const LIMIT_MS = 300_000;
const PREFIX = `verify-${process.pid}-${Date.now()}-`;
/** Tasks of two records: more than two snapshots are apart. */
const TASKS = SNAPSHOT_STEPS + 60;
const CUT = 100;
const noEnv = (): undefined => undefined;

const workflow = (url: string, topic: string): string => `mizu: 1
name: w
partitions: 1
task: { size: 2, every: 1m }
retention: { time: 24h }
sources: { numbers: { url: "${url}", topic: ${topic} } }
generate:
  - read: { topic: numbers, format: json, fields: { id: long, key: long } }
verify:
  - range: { field: key, min: 3 }
  - dedup: { by: [key], window: 20 }
`;

describeKafka('a topology without end', (broker) => {
  let outside: Outside;
  let folder: string;
  const stop = new AbortController();
  let work: Promise<void> | undefined;
  let log: Log;
  let reader: Log;
  let run: DeployedRun;
  let source: string;
  const topics = new RunTopics({ name: 'w', generation: 1 });
  const signal = AbortSignal.timeout(LIMIT_MS);

  const send = (from: number, count: number): Promise<void> =>
    outside.send(
      source,
      Array.from({ length: count }, (_, n) => ({ partition: 0, value: JSON.stringify({ id: from + n, key: (from + n) % 23 }) })),
    );

  async function until(condition: (status: RunStatus) => boolean | Promise<boolean>): Promise<void> {
    const watch = await RunWatch.open(log, run, { signal });
    while (!(await condition(await watch.status()))) expect(await watch.next()).toBe(true);
    await watch.close();
  }

  /** Waits until so many tasks are under a signed head. */
  const signed = (tasks: number): Promise<void> =>
    until(async () => Number((await readAll(log, topics.checkpoints, 0)).at(-1)?.headers['tasks'] ?? 0) >= tasks);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mizu-verify-kafka-'));
    outside = await openOutside(broker().brokers, PREFIX);
    source = await outside.topic('numbers', 1);
    const address = `kafka://${broker().brokers}/${PREFIX}net`;
    log = await openLog(address, { readOnly: false });
    reader = await openLog(address, { readOnly: true });
    const keyFile = join(folder, 'run.pem');
    const file = join(folder, 'w.yaml');
    writeFileSync(file, workflow(`kafka://${broker().brokers}`, source));
    await send(0, 2 * CUT);
    const local = openLocalStorage(join(folder, 'local'));
    work = serve({
      log,
      registry,
      local,
      signer: openSigner(log, keyFile),
      roles: new Set(ROLES),
      name: 'one',
      workerUrl: WORKER_URL,
      workers: 1,
      weight: 1,
      memory: 1,
      openExternal: openExternal(log, noEnv),
      onEvent: () => undefined,
      signal: stop.signal,
    }).finally(() => local.close());
    const deployed = await deployWorkflow(await compileFile(file), {
      log,
      keyFile,
      newGeneration: false,
      env: noEnv,
      by: 'ann@desk',
      signal,
    });
    run = await readRun(log, deployed.run.name, deployed.run.generation);
    await until(({ tasks }) => tasks.published === CUT);
    // Of the copied source, whole entries go: here begins another one.
    await send(2 * CUT, 2 * (TASKS - CUT));
    await signed(TASKS);
  }, LIMIT_MS);

  afterAll(async () => {
    stop.abort();
    await work;
    await reader?.close();
    await log?.close();
    await outside?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const exported = (name: string) =>
    exportRun({
      log: reader,
      run,
      formats: ['jsonl'],
      dir: join(folder, name),
      signer: openSigner(reader, join(folder, 'run.pem')),
      signal,
    });

  it('is verified, replayed and exported while it works, up to its newest signed head', { timeout: LIMIT_MS }, async () => {
    const report = await verifyRun(reader, run);
    expect(report).toMatchObject({ ok: true, problems: [], closed: false, tasks: TASKS, range: { from: 0, to: TASKS - 1 }, forgotten: [] });
    expect(await replayed(reader, run, { tasks: { from: 7, to: 16 } })).toMatchObject({ ok: true, closed: false, tasks: 10 });
    const { records, extent } = await exported('all');
    expect([records, extent.whole, extent.range]).toEqual([extent.counts.accepted, false, { from: 0, to: TASKS - 1 }]);
    expect(records).toBeGreaterThan(0);
  });

  it('is verified, replayed and exported from the first task on that a retention left', { timeout: LIMIT_MS }, async () => {
    const places = [
      ...forgettingPlaces(run),
      {
        topic: topics.source,
        partition: 0,
        taskOf: ({ headers }: { headers: Readonly<Record<string, string>> }) => Math.floor(Number(headers['from']) / 2),
      },
    ];
    const gone: Forgotten[] = [];
    for (const place of places) gone.push({ ...place, before: await offsetOfTask(log, place, CUT) });
    const from = await firstWhole(log, run, gone);
    for (const { topic, partition, before } of gone) if (before > 0) await outside.deleteBelow(`${PREFIX}net.${topic}`, partition, before);

    const report = await verifyRun(reader, run);
    expect([report.ok, report.problems]).toEqual([true, []]);
    expect(report.range).toEqual({ from, to: TASKS - 1 });
    expect(report.forgotten).toEqual(expect.arrayContaining([topics.source, topics.frames(1), topics.state(1), topics.verified]));

    const again = await replayed(reader, run);
    expect(again).toMatchObject({ ok: true, closed: false, range: { to: TASKS - 1 } });
    const first = again.range?.from ?? 0;
    expect(first).toBeGreaterThanOrEqual(SNAPSHOT_STEPS);
    expect(await rejection(replayed(reader, run, { tasks: { from: CUT, to: CUT + 5 } }))).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      hint: `From task ${first} on everything is there: --tasks ${first}..${TASKS - 1}.`,
    });
    expect(await replayed(reader, run, { tasks: { from: first + 5, to: first + 9 } })).toMatchObject({ ok: true, tasks: 5 });

    const { records, extent } = await exported('left');
    expect(extent.range?.from).toBeGreaterThan(0);
    expect(records).toBe(extent.counts.accepted);
  });

  it('goes on, ends, and is verified to its end', { timeout: LIMIT_MS }, async () => {
    await send(2 * TASKS, 40);
    await signed(TASKS + 20);
    const place = { log, run: run.run, signer: openSigner(log, join(folder, 'run.pem')), by: 'ann@desk', signal };
    expect(await askMode(place, 'draining', LIMIT_MS)).toMatchObject({ outcome: 'done' });
    await untilClosed(place, () => undefined);
    expect(await verifyRun(reader, run)).toMatchObject({ ok: true, problems: [], closed: true, tasks: TASKS + 20 });
  });
});
