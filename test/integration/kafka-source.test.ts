/** Topics of a real cluster as sources (P7, P13): read as they are, copied or by reference, live or to their end, through kills and bad records. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLog } from '#connectors/embedded';
import { openKafkaTopic } from '#connectors/kafka';
import type { DeployedRun, ExternalRecord, ExternalTopic, Log, RunSummary } from '#engine';
import {
  avroType,
  confluentFrame,
  listDrops,
  MizuError,
  offset,
  publishedRecords,
  readRun,
  replayRun,
  RunTopics,
  verifyRun,
} from '#engine';
import { compileFile, openExternal, previewWorkflow, registry, runWorkflow, temporaryStorage, WORKER_URL } from '#topologies';
import { mizu } from '../support/cli.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import { openOutside, type Outside, type OutsideRecord } from '../support/kafka-producer.ts';
import { rejection } from '../support/log-tools.ts';
import { describeRegistry, registerSchema } from '../support/registry-server.ts';

const noEnv = (): undefined => undefined;
const NEVER = new AbortController().signal;
const PREFIX = `source-test-${process.pid}-${Date.now()}-`;

const orders = (from: number, count: number, partitions: number): OutsideRecord[] =>
  Array.from({ length: count }, (_, n) => from + n).map((id) => ({
    partition: id % partitions,
    key: id % 5 === 0 ? null : `customer ${id % 5}`,
    value: JSON.stringify({ id, text: `order ${id}`, more: [id] }),
  }));

/** Runs `use` with a folder and a log in it, both removed at the end. */
async function withFolder<T>(use: (folder: string, log: Log) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-source-'));
  const log = await openEmbeddedLog({ directory: join(folder, 'log') });
  try {
    return await use(folder, log);
  } finally {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Flow {
  readonly name: string;
  readonly url: string;
  readonly topic: string;
  readonly step?: string;
  readonly rest?: string;
  readonly size?: number;
}

const READ = 'format: json, fields: { id: long, text: string }, meta: { partition: p, offset: o }';

function writeFlow(folder: string, { name, url, topic, step = READ, rest = '', size = 100 }: Flow): string {
  const file = join(folder, `${name}.yaml`);
  const text = `mizu: 1\nname: ${name}\npartitions: 2\ntask: { size: ${size}, every: 50ms }\n${rest}sources: { orders: { url: "${url}", topic: ${topic} } }\ngenerate:\n  - read: { topic: orders, ${step} }\n`;
  writeFileSync(file, text);
  return file;
}

async function run(log: Log, file: string, signal: AbortSignal = NEVER): Promise<{ summary: RunSummary; run: DeployedRun }> {
  const summary = await runWorkflow(await compileFile(file), { log, workers: 1, signal });
  return { summary, run: await readRun(log, summary.name, summary.generation) };
}

async function rowsOf(log: Log, deployed: DeployedRun): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for await (const { row } of publishedRecords(log, deployed)) rows.push({ ...row });
  return rows;
}

async function replayed(log: Log, deployed: DeployedRun) {
  const local = temporaryStorage();
  try {
    return await replayRun({
      log,
      run: deployed,
      registry,
      local,
      workerUrl: WORKER_URL,
      workers: 1,
      external: openExternal(log, noEnv),
      signal: NEVER,
    });
  } finally {
    await local.close();
  }
}

async function readAllOf(topic: ExternalTopic, partition: number, maxBytes: number): Promise<ExternalRecord[]> {
  const records: ExternalRecord[] = [];
  const end = await topic.end(partition);
  for (let at = await topic.start(partition); at < end; ) {
    const read = await topic.read(partition, at, { maxBytes, until: end });
    expect(read.next).toBeGreaterThan(at);
    records.push(...read.records);
    at = read.next;
  }
  return records;
}

describeKafka('a topic of a cluster', (broker) => {
  let outside: Outside;
  let url: string;
  beforeAll(async () => {
    url = `kafka://${broker().brokers}`;
    outside = await openOutside(broker().brokers, PREFIX);
  });
  afterAll(() => outside?.close());

  describe('as a connector gives it', () => {
    it('has every committed record once and in order, with all that stands beside its value, for any size of reads', async () => {
      const name = await outside.topic('all', 1);
      const written: OutsideRecord[] = [];
      for (let n = 0; n < 12; n++) {
        const records: OutsideRecord[] = Array.from({ length: 40 }, (_, i) => ({
          partition: 0,
          key: i % 3 === 0 ? null : `k${i}`,
          value: i % 7 === 0 ? null : i % 11 === 0 ? '' : `${n}.${i}${'.'.repeat(i * 50)}`,
          ...(i % 2 === 0 ? {} : { headers: { a: ['1', '2'], ünï: 'x' } }),
        }));
        const how = (['plain', 'gzip', 'commit', 'abort'] as const)[n % 4] ?? 'plain';
        await outside.send(name, records, how);
        if (how !== 'abort') written.push(...records);
      }
      for (const maxBytes of [1, 5_000, 1_000_000]) {
        const topic = await openKafkaTopic({ url, topic: name });
        const records = await readAllOf(topic, 0, maxBytes);
        const text = (bytes: Uint8Array | undefined): string | null => (bytes === undefined ? null : Buffer.from(bytes).toString());
        expect(records.map(({ key, value }) => ({ key: text(key), value: text(value) }))).toEqual(
          written.map(({ key = null, value }) => ({ key, value })),
        );
        expect(records[1]?.headers.map(([header, bytes]) => [header, text(bytes)])).toEqual([
          ['a', '1'],
          ['a', '2'],
          ['ünï', 'x'],
        ]);
        expect(records.every(({ timestampMs }) => timestampMs > 1_600_000_000_000)).toBe(true);
        await topic.close();
      }
    }, 60_000);

    it('stops at a bound, goes on there, and waits at its end until there is more', async () => {
      const name = await outside.topic('bound', 2);
      await outside.send(name, orders(0, 100, 2));
      const topic = await openKafkaTopic({ url, topic: name });
      const first = await topic.read(1, offset(0), { maxBytes: 1_000_000, until: offset(20) });
      expect([first.records.length, first.next]).toEqual([20, 20]);
      const rest = await topic.read(1, first.next, { maxBytes: 1_000_000 });
      expect(rest.records.map((record) => record.offset)).toEqual(Array.from({ length: 30 }, (_, n) => 20 + n));
      expect(await topic.read(1, rest.next, { maxBytes: 1_000 })).toEqual({ records: [], next: 50 });
      const waiting = topic.waitBeyond(1, rest.next, NEVER);
      await outside.send(name, orders(100, 2, 2), 'commit');
      expect(await waiting).toBe(true);
      expect((await topic.read(1, rest.next, { maxBytes: 1_000 })).records.length).toBe(1);
      const stop = new AbortController();
      const never = topic.waitBeyond(0, offset(1_000), stop.signal);
      stop.abort();
      expect(await never).toBe(false);
      await topic.close();
    }, 30_000);

    it('says what is wrong: no such topic, no broker, records that are gone', async () => {
      const name = await outside.topic('gone', 1);
      await outside.send(name, orders(0, 50, 1));
      expect(await rejection(openKafkaTopic({ url, topic: `${name.slice(0, -1)}` }))).toMatchObject({
        code: 'NOT_FOUND',
        hint: expect.stringContaining(name),
      });
      expect(await rejection(openKafkaTopic({ url: 'kafka://127.0.0.1:1', topic: name }))).toMatchObject({ code: 'LOG_UNAVAILABLE' });
      expect(await rejection(openKafkaTopic({ url: 'http://127.0.0.1:1', topic: name }))).toMatchObject({ code: 'USAGE' });
      await outside.deleteBelow(name, 0, 30);
      const topic = await openKafkaTopic({ url, topic: name });
      expect(await topic.start(0)).toBe(30);
      expect(await rejection(topic.read(0, offset(10), { maxBytes: 100 }))).toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        message: expect.stringMatching(/unavailable: .*partition 0, from offset 10 on; it holds 30 to 50/),
      });
      await topic.close();
    }, 60_000);

    it('says that a topic was made again, though it was told before to hold more', async () => {
      const name = await outside.topic('again', 1);
      await outside.send(name, orders(0, 50, 1));
      const topic = await openKafkaTopic({ url, topic: name });
      expect(await topic.end(0)).toBe(50);
      await outside.makeAgain(name, 1);
      expect(await rejection(topic.read(0, offset(20), { maxBytes: 100 }))).toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        message: expect.stringMatching(/from offset 20 on; it holds 0 to 0/),
        hint: expect.stringContaining('made again'),
      });
      await topic.close();
    }, 90_000);
  });

  describe('with an end', () => {
    it('is published whole, copied and by reference alike, and verifies and replays; the copy also when the topic is gone (law 3)', async () => {
      const topic = await outside.topic('finite', 3);
      for (let n = 0; n < 6; n++) await outside.send(topic, orders(n * 150, 150, 3), n === 3 ? 'abort' : n % 2 === 0 ? 'commit' : 'gzip');
      const expected = [...orders(0, 450, 1), ...orders(600, 300, 1)].map(({ value }) => (JSON.parse(String(value)) as { id: number }).id);
      await withFolder(async (folder, log) => {
        const copied = await run(log, writeFlow(folder, { name: 'copied', url, topic, step: `${READ}, until: end` }));
        const referred = await run(
          log,
          writeFlow(folder, { name: 'referred', url, topic, step: `${READ}, until: end, ingest: reference` }),
        );
        const place = ({ p, o }: Record<string, unknown>): string => `${p}/${o}`;
        const [rows, others] = [await rowsOf(log, copied.run), await rowsOf(log, referred.run)];
        expect(rows.map(({ id }) => id).sort((a, b) => Number(a) - Number(b))).toEqual(expected);
        expect(new Set(rows.map(place)).size).toBe(rows.length);
        expect(others.map(place).sort()).toEqual(rows.map(place).sort());
        for (const { summary, run: deployed } of [copied, referred]) {
          expect([summary.reason, summary.candidates, summary.accepted]).toEqual(['exhausted', 750, 750]);
          expect(await verifyRun(log, deployed, { external: openExternal(log, noEnv) })).toMatchObject({ ok: true, problems: [] });
          expect(await replayed(log, deployed)).toMatchObject({ ok: true, candidates: 750 });
        }
        await outside.deleteBelow(topic, 0, 40);
        expect(await replayed(log, copied.run)).toMatchObject({ ok: true });
        expect(await rejection(replayed(log, referred.run))).toMatchObject({
          code: 'SOURCE_UNAVAILABLE',
          message: expect.stringMatching(/unavailable: topic '.*', partition 0/),
        });
        const report = await verifyRun(log, referred.run, { external: openExternal(log, noEnv) });
        expect(report.ok).toBe(false);
        expect(report.problems[0]?.message).toMatch(/unavailable: topic/);
      });
    }, 90_000);

    it('gives the same tree whenever it is run (law 1)', async () => {
      const topic = await outside.topic('twice', 3);
      await outside.send(topic, orders(0, 2_500, 3));
      const roots = new Set<string>();
      for (const workers of [1, 2]) {
        await withFolder(async (folder, log) => {
          const file = writeFlow(folder, { name: 'same', url, topic, step: `${READ}, until: end` });
          roots.add((await runWorkflow(await compileFile(file), { log, workers, signal: NEVER })).root);
        });
      }
      expect(roots.size).toBe(1);
    }, 60_000);

    it('keeps bad records: broken, empty, tombstones, too long; none stops the run and none vanishes (law 5)', async () => {
      const topic = await outside.topic('bad', 1, { 'max.message.bytes': '8000000' });
      const long = JSON.stringify({ id: 4, text: 'x'.repeat(5_000_000) });
      for (const value of [
        '{"id":1,"text":"good"}',
        '{broken',
        '',
        null,
        long,
        '{"id":"2","text":"misfit"}',
        Buffer.from([0xff, 0xfe]),
        '{"id":5,"text":"last"}',
      ])
        await outside.send(topic, [{ partition: 0, value }]);
      await withFolder(async (folder, log) => {
        for (const ingest of ['copy', 'reference']) {
          const { summary, run: deployed } = await run(
            log,
            writeFlow(folder, { name: ingest, url, topic, size: 3, step: `${READ}, until: end, ingest: ${ingest}` }),
          );
          expect([summary.candidates, summary.accepted, summary.failed]).toEqual([8, 2, 6]);
          const codes: string[] = [];
          for await (const drop of listDrops(log, deployed, 'failed')) codes.push(drop.code);
          expect(codes).toEqual(['MALFORMED_JSON', 'MALFORMED_JSON', 'TOMBSTONE', 'TOO_LARGE', 'MISFIT', 'MALFORMED_JSON']);
        }
      });
    }, 90_000);
  });

  describe('without an end', () => {
    it('is read while it grows, through kill -9 of its run, each record once (law 4)', async () => {
      const topic = await outside.topic('live', 2);
      const total = 3_000;
      await withFolder(async (folder, log) => {
        const file = writeFlow(folder, { name: 'live', url, topic, rest: `accept: ${total}\n` });
        const { source, control } = new RunTopics({ name: 'live', generation: 1 });
        const reached = async (name: string, entries: number): Promise<void> => {
          while ((await log.topics(name)).length === 0) await new Promise(setImmediate);
          await log.waitBeyond(name, 0, offset(entries), NEVER);
        };
        await outside.send(topic, orders(0, 500, 2));
        for (let life = 0; life < 3; life++) {
          const before = [await log.topics(control)].flat().length === 0 ? 0 : await log.end(control, 0);
          let ended = false;
          const victim = mizu(['run', file, '--log', log.address, '--workers', '1', '--quiet'], {
            onStart: (child) => {
              void (async () => {
                await reached(source, life);
                await reached(control, before + 6 + life);
                child.kill('SIGKILL');
              })();
            },
          }).then((result) => {
            ended = true;
            return result;
          });
          await outside.send(topic, orders(500 + life * 500, 500, 2), life === 1 ? 'commit' : 'plain');
          const result = await victim;
          expect(ended && result.code, result.stderr).toBeNull();
        }
        await outside.send(topic, orders(2_000, 1_500, 2));
        const { summary, run: deployed } = await run(log, file);
        expect([summary.reason, summary.accepted]).toEqual(['accepted', total]);
        const rows = await rowsOf(log, deployed);
        expect(new Set(rows.map(({ p, o }) => `${p}/${o}`)).size).toBe(total);
        const read = await openKafkaTopic({ url, topic });
        for (const p of [0, 1]) {
          // From the first one on without a hole: what a marker of a transaction leaves is none.
          const offsets = rows.filter((row) => row['p'] === p).map(({ o }) => o);
          const there = (await readAllOf(read, p, 1_000_000)).map((record) => record.offset);
          expect(offsets).toEqual(there.slice(0, offsets.length));
        }
        await read.close();
        expect(await verifyRun(log, deployed)).toMatchObject({ ok: true, problems: [] });
        expect(await replayed(log, deployed)).toMatchObject({ ok: true });
      });
    }, 120_000);

    it('can be previewed, and a workflow that does not fit it is refused before it is deployed', async () => {
      const topic = await outside.topic('preview', 2);
      await outside.send(topic, orders(0, 30, 2));
      await withFolder(async (folder, log) => {
        const open = openExternal(log, noEnv);
        const good = await compileFile(writeFlow(folder, { name: 'good', url, topic }));
        const shown = await previewWorkflow(good, 5, { env: noEnv, openExternal: open, signal: NEVER });
        expect(shown.records.map(({ row }) => row?.['id'])).toEqual([0, 2, 4, 6, 8]);
        const wrong = writeFlow(folder, { name: 'wrong', url, topic, step: 'format: json, fields: { nix: string }' });
        expect(await rejection(run(log, wrong))).toMatchObject({
          code: 'INPUT_INVALID',
          message: expect.stringMatching(/Most often: MISFIT, 'nix' is missing/),
        });
        expect(await log.topics('wrong.')).toEqual([]);
        const missing = writeFlow(folder, { name: 'missing', url, topic: `${topic}s` });
        expect(await rejection(run(log, missing))).toBeInstanceOf(MizuError);
      });
    }, 30_000);
  });

  describeRegistry('with the schemas of a registry', (schemas) => {
    const register = (subject: string, schema: object): Promise<number> => registerSchema(schemas().url, subject, schema);

    it('is read in every version that it had at the compilation; a later one fails until a new generation takes it (law 7)', async () => {
      const topic = await outside.topic('avro', 1);
      const fields = [
        { name: 'id', type: 'long' as const },
        { name: 'text', type: 'string' as const },
      ];
      const types = [
        fields,
        [...fields, { name: 'more', type: ['null', 'long'] as const, default: null }],
        [...fields, { name: 'other', type: ['null', 'string'] as const, default: null }],
      ];
      const schemaOf = (n: number) => ({ type: 'record', name: 'Order', fields: types[n] ?? [] });
      const ids = [await register(`${topic}-value`, schemaOf(0)), await register(`${topic}-value`, schemaOf(1))];
      const framed = (n: number, id: number, row: object): Buffer =>
        Buffer.from(confluentFrame(id, avroType(schemaOf(n)).encode({ ...row })));
      const send = (value: Buffer): Promise<void> => outside.send(topic, [{ partition: 0, value }]);
      await send(framed(0, ids[0] ?? 0, { id: 1, text: 'one' }));
      await send(framed(1, ids[1] ?? 0, { id: 2, text: 'two', more: 5 }));
      await withFolder(async (folder, log) => {
        const file = join(folder, 'avro.yaml');
        const write = (): void =>
          writeFileSync(
            file,
            `mizu: 1\nname: avro\nsources: { orders: { url: "${url}", topic: ${topic}, registry: "${schemas().url}" } }\ngenerate:\n  - read: { topic: orders, format: avro, fields: { id: long, text: string }, until: end }\n`,
          );
        write();
        const compiled = await compileFile(file);
        const third = await register(`${topic}-value`, schemaOf(2));
        await send(framed(2, third, { id: 3, text: 'three', other: 'x' }));
        const summary = await runWorkflow(compiled, { log, workers: 1, signal: NEVER });
        expect([summary.accepted, summary.failed]).toEqual([2, 1]);
        const first = await readRun(log, 'avro', 1);
        for await (const drop of listDrops(log, first, 'failed')) expect(drop.code).toBe('UNKNOWN_SCHEMA');
        const next = await runWorkflow(await compileFile(file), { log, workers: 1, newGeneration: true, signal: NEVER });
        expect([next.generation, next.accepted, next.failed]).toEqual([2, 3, 0]);
        expect(await replayed(log, first)).toMatchObject({ ok: true });
      });
    }, 60_000);
  });
});
