/**
 * The life of endless runs on a real cluster (P12; laws 4, 5): deployed, paused, gone on with, employed differently, replaced by a new generation, stopped, drained. What came
 * out of each generation is what stood in the topic up to where it was drained, once: nothing lost, nothing twice.
 */
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openKafkaTopic } from '#connectors/kafka';
import type { Log, Role, Row, RunName, RunSummary } from '#engine';
import { auditRun, listDrops, offset, publishedRecords, readRun, RunTopics, verifyRun } from '#engine';
import { type CompiledFile, compileFile, openExternal, openLog } from '#topologies';
import { describeKafka } from '../support/kafka-broker.ts';
import { openOutside, type Outside, type OutsideRecord } from '../support/kafka-producer.ts';
import { quickFolder } from '../support/run-support.ts';
import { ask, closed, controlOf, deployed, endProcesses, startProcess, until } from '../support/served-run.ts';

const PARTITIONS = 2;
/** Far beyond what it takes: a run that hangs is told by its own message. */
const LIMIT_MS = 400_000;
/** In a run that is paused, so many ticks pass before anybody looks whether something moved. */
const STILL_TICKS = 6;

describeKafka('an endless run on a cluster', (broker) => {
  const home = process.env['MIZU_HOME'];
  let outside: Outside;
  let folder: string;
  let address: string;
  let log: Log;
  let logs: Log[];

  beforeAll(async () => {
    outside = await openOutside(broker().brokers, `lifecycle-${process.pid}-${Date.now()}-`);
  });
  afterAll(() => outside?.close());
  beforeEach(async () => {
    folder = quickFolder();
    process.env['MIZU_HOME'] = join(folder, 'home');
    address = `kafka://${broker().brokers}/lifecycle-${randomUUID().slice(0, 8)}`;
    log = await openLog(address, { readOnly: false });
    logs = [log];
  });
  afterEach(async () => {
    await endProcesses();
    for (const one of logs) await one.close();
    if (home === undefined) delete process.env['MIZU_HOME'];
    else process.env['MIZU_HOME'] = home;
    rmSync(folder, { recursive: true, force: true });
  });

  /** A process with a connection of its own. */
  async function start(name: string, ...roles: Role[]): Promise<void> {
    const own = await openLog(address, { readOnly: false });
    logs.push(own);
    startProcess(own, name, roles);
  }

  async function compiled(text: string): Promise<CompiledFile> {
    writeFileSync(join(folder, 'workflow.yaml'), text);
    return compileFile(join(folder, 'workflow.yaml'));
  }

  /** How many records of each published topic stand there. */
  async function published(run: RunName): Promise<number[]> {
    const { verified, rejected } = new RunTopics(run);
    const places = [verified, rejected].flatMap((topic) => Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })));
    return Promise.all(places.map(({ topic, partition }) => log.end(topic, partition)));
  }

  /** Nothing is cut, assigned or published while control counts on. */
  async function expectStill(run: RunName): Promise<void> {
    const still = await until(log, run, ({ stages }) => stages.every(({ done }) => done === stages[0]?.done));
    const before = await published(run);
    await until(log, run, ({ tick }) => tick >= still.tick + STILL_TICKS);
    expect(await published(run)).toEqual(before);
    const bodies = await controlOf(log, run);
    const paused = bodies.findLastIndex((body) => body.type === 'mode' && body.mode === 'paused');
    expect(bodies.slice(paused).filter(({ type }) => type === 'cut' || type === 'assign')).toEqual([]);
  }

  async function expectSound(run: RunName, summary: RunSummary): Promise<void> {
    const external = openExternal(log, () => undefined);
    const made = await readRun(log, run.name, run.generation);
    expect(await verifyRun(log, made, { external })).toMatchObject({ ok: true, problems: [], root: summary.root });
    expect((await auditRun(log, made, { folder, external })).findings).toEqual([]);
  }

  it(
    'over a live topic is paused, gone on with, changed and replaced, and drained, and every record comes out once',
    async () => {
      const topic = await outside.topic('orders', PARTITIONS);
      const url = `kafka://${broker().brokers}`;
      let sent = 0;
      const send = async (count: number): Promise<void> => {
        const records = Array.from({ length: count }, (_, n): OutsideRecord => {
          const id = sent + n;
          return { partition: id % PARTITIONS, value: JSON.stringify({ id, text: `order ${id}` }) };
        });
        sent += count;
        await outside.send(topic, records, sent % 100 === 50 ? 'commit' : 'plain');
      };
      const workflow = (nodes: number, every: string, verify = ''): Promise<CompiledFile> =>
        compiled(`mizu: 1
name: live
partitions: ${PARTITIONS}
nodes: ${nodes}
task: { size: 20, every: ${every} }
sources: { orders: { url: "${url}", topic: ${topic} } }
generate:
  - read: { topic: orders, format: json, fields: { id: long, text: string }, meta: { partition: p, offset: o } }
${verify}`);

      await start('brain', 'orchestrator', 'checkpointer');
      await start('one', 'node');
      await start('two', 'node');
      await send(300);
      const { run } = await deployed(log, await workflow(1, '50ms'));
      await until(log, run, ({ totals }) => totals.accepted === sent);

      expect(await ask(log, run, 'paused')).toEqual({ outcome: 'done', mode: 'paused' });
      await send(150);
      await expectStill(run);
      expect(await ask(log, run, 'running')).toEqual({ outcome: 'done', mode: 'running' });
      await until(log, run, ({ totals }) => totals.accepted === sent);

      const changed = await deployed(log, await workflow(2, '20ms'));
      expect(changed).toMatchObject({ run, drained: [] });
      await send(200);
      const both = await until(
        log,
        run,
        ({ totals, members }) => totals.accepted === sent && members.filter(({ slots }) => slots > 0).length === 2,
      );
      expect(both.employed).toBe(2);

      const next = await workflow(2, '20ms', 'verify:\n  - length: { field: text, codepoints: [0, 8] }\n');
      await expect(deployed(log, next)).rejects.toMatchObject({ code: 'PROGRAM_CHANGED' });
      await send(110);
      const second = await deployed(log, next, { newGeneration: true });
      expect(second).toMatchObject({ run: { name: 'live', generation: 2 }, drained: [run] });
      await send(90);
      const first = await closed(log, run);
      await until(log, second.run, ({ totals }) => totals.candidates === sent);
      await send(100);
      expect(await ask(log, second.run, 'draining')).toMatchObject({ outcome: 'done' });
      await send(50);
      const last = await closed(log, second.run);

      const there = await offsetsOf(url, topic);
      for (const [name, summary] of [
        [run, first],
        [second.run, last],
      ] as const) {
        expect(summary.reason).toBe('drained');
        const out = await placesOf(name);
        expect(out.size).toBe(summary.candidates);
        // Up to where it was drained each offset once, from the first one on without a hole.
        for (const [partition, offsets] of there.entries()) {
          const own = [...out].filter(([, place]) => place.partition === partition).map(([, place]) => place.offset);
          expect(own.sort((a, b) => a - b)).toEqual(offsets.slice(0, own.length));
        }
        await expectSound(name, summary);
      }
      expect(first.candidates).toBeGreaterThanOrEqual(650);
      expect(last.candidates).toBeGreaterThanOrEqual(850);
      expect(last.candidates).toBeLessThanOrEqual(sent);
    },
    LIMIT_MS,
  );

  it(
    'of a generator is stopped, so that nothing is begun, taken up again by the same processes, and drained',
    async () => {
      await start('brain', 'orchestrator', 'checkpointer');
      await start('one', 'node');
      const { run } = await deployed(
        log,
        await compiled(`mizu: 1
name: endless
seed: 5
partitions: ${PARTITIONS}
task: { size: 50 }
generate:
  - random: { as: n, integer: [0, 1000000] }
  - template: { as: text, text: "number {{n}}" }
verify:
  - range: { field: n, min: 1000 }
  - dedup: { by: [n], window: 20 }
`),
      );
      await until(log, run, ({ tasks }) => tasks.published > 20);
      expect(await ask(log, run, 'stopped')).toMatchObject({ outcome: 'done', mode: 'stopped' });
      expect(await ask(log, run, 'running')).toMatchObject({ outcome: 'done', mode: 'running' });
      const entries = await controlOf(log, run);
      const [from, to] = ['stopped', 'running'].map((mode) => entries.findLastIndex((body) => body.type === 'mode' && body.mode === mode));
      // What was committed before still counts; nothing else is begun.
      expect(entries.slice(from, to).filter(({ type }) => type === 'cut' || type === 'assign')).toEqual([]);
      const cut = entries.filter(({ type }) => type === 'cut').length;
      await until(log, run, ({ tasks }) => tasks.published > cut + 20);
      expect(await ask(log, run, 'draining')).toMatchObject({ outcome: 'done' });
      const summary = await closed(log, run);
      const cuts = (await controlOf(log, run)).filter(({ type }) => type === 'cut').length;
      expect([summary.reason, summary.candidates]).toEqual(['drained', cuts * 50]);
      const { accepted, duplicates, failed, rejected } = summary;
      expect(accepted + duplicates + failed + Object.values(rejected).reduce((sum, count) => sum + count, 0)).toBe(summary.candidates);
      await expectSound(run, summary);
    },
    LIMIT_MS,
  );

  /** The offsets of each partition of the topic that hold a record. */
  async function offsetsOf(url: string, name: string): Promise<number[][]> {
    const topic = await openKafkaTopic({ url, topic: name });
    const all: number[][] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own: number[] = [];
      const end = await topic.end(partition);
      for (let at = offset(0); at < end; ) {
        const { records, next } = await topic.read(partition, at, { maxBytes: 1_000_000, until: end });
        own.push(...records.map((record) => record.offset));
        at = next;
      }
      all.push(own);
    }
    await topic.close();
    return all;
  }

  /** Where each candidate of a run came from, by its id, whether it was verified or rejected. */
  async function placesOf(run: RunName): Promise<Map<string, { readonly partition: number; readonly offset: number }>> {
    const made = await readRun(log, run.name, run.generation);
    const places = new Map<string, { readonly partition: number; readonly offset: number }>();
    const take = (id: string, row: Row | undefined): void => {
      expect(places.has(id)).toBe(false);
      places.set(id, { partition: Number(row?.['p']), offset: Number(row?.['o']) });
    };
    for await (const { id, row } of publishedRecords(log, made)) take(id, row);
    for await (const { id, row } of listDrops(log, made, 'rejected')) take(id, row);
    return places;
  }
});
