/** A topic whose values have a JSON Schema in a real registry (P13, law 5): what is held against the planned fields, what the schema says besides, and how each misfit fails by itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { confluentFrame, listDrops, publishedRecords, readRun, utf8, verifyRun } from '#engine';
import { compileFile, openExternal, runWorkflow } from '#topologies';
import { describeKafka } from '../support/kafka-broker.ts';
import { type Outside, openOutside } from '../support/kafka-producer.ts';
import { rejection } from '../support/log-tools.ts';
import { describeRegistry, registerSchema } from '../support/registry-server.ts';

const NEVER = new AbortController().signal;
const PREFIX = `json-schema-test-${process.pid}-${Date.now()}-`;

const ORDER = {
  type: 'object',
  properties: {
    id: { type: 'integer', minimum: 1 },
    text: { type: 'string', pattern: '^order' },
    price: { type: ['number', 'null'] },
    place: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    note: { type: 'string' },
  },
  required: ['id', 'text', 'price', 'place'],
  additionalProperties: false,
};
const LATER = { ...ORDER, properties: { ...ORDER.properties, more: { type: 'string' } } };

describeKafka('a topic with a JSON Schema', (broker) => {
  let outside: Outside;
  let folder: string;
  beforeAll(async () => {
    outside = await openOutside(broker().brokers, PREFIX);
    folder = mkdtempSync(join(tmpdir(), 'mizu-json-schema-'));
  });
  afterAll(async () => {
    await outside?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  describeRegistry('in a registry', (registry) => {
    it('gives the fields of its newest version; values are held against those and nothing else of it', async () => {
      const topic = await outside.topic('orders', 1);
      const id = await registerSchema(registry().url, `${topic}-value`, ORDER, 'JSON');
      const framed = (value: unknown, schema = id): Buffer =>
        Buffer.from(confluentFrame(schema, utf8(typeof value === 'string' ? value : JSON.stringify(value))));
      const order = { id: 1, text: 'order 1', price: 2.5, place: { city: 'Ghent' }, note: 'ring twice' };
      const { note: _note, ...least } = order;
      const { text: _text, ...without } = order;
      const file = join(folder, 'orders.yaml');
      const url = `kafka://${broker().brokers}`;
      const source = `{ url: "${url}", topic: ${topic}, registry: "${registry().url}" }`;
      writeFileSync(
        file,
        `mizu: 1\nname: orders\ntask: { size: 4 }\nsources: { orders: ${source} }\ngenerate:\n  - read: { topic: orders, format: json-schema, until: end }\n`,
      );
      const compiled = await compileFile(file);
      const later = await registerSchema(registry().url, `${topic}-value`, LATER, 'JSON');
      const taken = [
        order,
        { ...least, price: null },
        { ...order, id: -7, text: 'no rule of the schema holds this up' },
        { ...order, extra: true },
      ];
      const dropped: readonly (readonly [code: string, value: Buffer])[] = [
        ['MISFIT', framed({ ...order, id: '1' })],
        ['MISFIT', framed({ ...order, id: 1.5 })],
        ['MISFIT', framed(without)],
        ['MISFIT', framed({ ...order, place: { city: 'Ghent', zip: 9_000 } })],
        ['MALFORMED_JSON', framed('{"id":')],
        ['MALFORMED_JSON', framed('[1]')],
        ['MALFORMED_FRAME', Buffer.from(JSON.stringify(order))],
        ['UNKNOWN_SCHEMA', framed(order, later)],
      ];
      for (const value of [...taken.map((row) => framed(row)), ...dropped.map(([, value]) => value)])
        await outside.send(topic, [{ partition: 0, value }]);

      const log = await openEmbeddedLog({ directory: join(folder, 'log') });
      try {
        const summary = await runWorkflow(compiled, { log, workers: 1, signal: NEVER });
        expect([summary.candidates, summary.accepted, summary.failed]).toEqual([12, 4, 8]);
        const run = await readRun(log, 'orders');
        const rows: unknown[] = [];
        for await (const { row } of publishedRecords(log, run)) rows.push({ ...row });
        expect(rows).toEqual([order, { ...least, price: null, note: null }, { ...order, id: -7, text: taken[2]?.text }, order]);
        const codes: string[] = [];
        for await (const drop of listDrops(log, run, 'failed')) codes.push(drop.code);
        expect(codes).toEqual(dropped.map(([code]) => code));
        expect(await verifyRun(log, run, { external: openExternal(log, () => undefined) })).toMatchObject({ ok: true, problems: [] });
        // The newest version has a field more: a new generation takes what the first one could not.
        const next = await runWorkflow(await compileFile(file), { log, workers: 1, newGeneration: true, signal: NEVER });
        expect([next.generation, next.accepted, next.failed]).toEqual([2, 5, 7]);
      } finally {
        await log.close();
      }
    }, 120_000);

    it('of another kind is refused before anything starts, naming version and kind', async () => {
      const topic = await outside.topic('avro', 1);
      await registerSchema(registry().url, `${topic}-value`, { type: 'record', name: 'R', fields: [{ name: 'id', type: 'long' }] });
      const file = join(folder, 'avro.yaml');
      const source = `{ url: "kafka://${broker().brokers}", topic: ${topic}, registry: "${registry().url}" }`;
      writeFileSync(
        file,
        `mizu: 1\nname: avro\nsources: { t: ${source} }\ngenerate:\n  - read: { topic: t, format: json-schema, until: end }\n`,
      );
      expect(await rejection(compileFile(file))).toMatchObject({
        code: 'WORKFLOW_INVALID',
        problems: [{ message: 'Version 1 of the schema in the registry is AVRO' }],
      });
    }, 60_000);
  });
});
