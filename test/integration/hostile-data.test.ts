/**
 * Hostile and broken data in whole runs: every record of a source ends accepted or failed, with its exact bytes (law 5), and a source that can't be
 * cut into records is refused before any work (law 10), in bounded memory (law 6).
 */
import { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listDrops, publishedRecords, type Row } from '#engine';
import { compileFile } from '#topologies';
import { rejection } from '../support/log-tools.ts';
import { withWorkflow } from '../support/run-support.ts';
import { makeRunOf, replayed, runFolder, withRun } from '../support/verify-support.ts';

type Bytes = string | Uint8Array;
/** What the file holds, and the row or the code that must come of it; `undefined`: no record. */
type Case = readonly [title: string, bytes: Bytes, outcome: Row | string | undefined];

const bytesOf = (part: Bytes): Buffer => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part));
const good = (id: number, x = 0.5, text = ''): Row => ({ id, x, text });
const MANY_FIELDS = `{"id":20,"x":0.5,"text":""${Array.from({ length: 1_000_000 }, (_, n) => `,"f${n}":1`).join('')}}`;

const JSON_LINES: readonly Case[] = [
  ['plain', '{"id":1,"x":0.5,"text":""}', good(1)],
  ['a carriage return at the end', '{"id":2,"x":0.5,"text":""}\r', good(2)],
  ['cut short', '{"id":3,"x":0.5,"te', 'MALFORMED_JSON'],
  ['two objects', '{"id":4,"x":1,"text":""}{}', 'MALFORMED_JSON'],
  ['no object', '[5]', 'MALFORMED_JSON'],
  ['an empty line', '', undefined],
  ['white space alone', ' \t', 'MALFORMED_JSON'],
  ['NaN', '{"id":6,"x":NaN,"text":""}', 'MALFORMED_JSON'],
  ['a number beyond all doubles', '{"id":7,"x":1e999,"text":""}', 'MALFORMED_JSON'],
  ['2^53 + 1', '{"id":9007199254740993,"x":1,"text":""}', 'MALFORMED_JSON'],
  ['2^52 + 1', '{"id":4503599627370497,"x":1,"text":""}', 'MISFIT'],
  ['−0', '{"id":-0,"x":-0.0,"text":""}', good(0, 0)],
  ['the smallest double', '{"id":8,"x":5e-324,"text":""}', good(8, 5e-324)],
  ['a number as a text', '{"id":"9","x":1,"text":""}', 'MISFIT'],
  ['a missing field', '{"id":10,"x":1}', 'MISFIT'],
  ['a key twice', '{"id":11,"id":12,"x":1,"text":""}', 'MALFORMED_JSON'],
  ['broken UTF-8', Buffer.from('{"id":13,"x":1,"text":"\xff"}', 'latin1'), 'MALFORMED_JSON'],
  ['an overlong form', Buffer.from('{"id":14,"x":1,"text":"\xc0\xaf"}', 'latin1'), 'MALFORMED_JSON'],
  ['a surrogate in UTF-8', Buffer.from('{"id":15,"x":1,"text":"\xed\xa0\x80"}', 'latin1'), 'MALFORMED_JSON'],
  ['a lone surrogate, escaped', '{"id":16,"x":1,"text":"\\ud800"}', 'MALFORMED_JSON'],
  ['NUL, as it is', '{"id":17,"x":1,"text":"\u0000"}', 'MALFORMED_JSON'],
  ['NUL, escaped', '{"id":18,"x":0.5,"text":"\\u0000"}', good(18, 0.5, '\u0000')],
  ['nothing but NUL', '\u0000\u0000', 'MALFORMED_JSON'],
  ['a mark of byte order in the middle', '\ufeff{"id":19,"x":1,"text":""}', 'MALFORMED_JSON'],
  ['a million fields', MANY_FIELDS, good(20)],
  ['deep nesting', `{"id":21,"x":1,"text":"","more":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'MALFORMED_JSON'],
  ['__proto__', '{"__proto__":{"id":99},"id":22,"x":0.5,"text":""}', good(22)],
  ['a text of 8 MB', `{"id":23,"x":0.5,"text":"${'é'.repeat(4_000_000)}"}`, good(23, 0.5, 'é'.repeat(4_000_000))],
  ['a last line without an end', '{"id":24,"x":0.5,"text":"end"}', good(24, 0.5, 'end')],
];

const CSV_ROWS: readonly Case[] = [
  ['plain', '1,0.5,a', good(1, 0.5, 'a')],
  ['a carriage return at the end', '2,0.5,b\r', good(2, 0.5, 'b')],
  ['a cell too few', '3,0.5', 'MISFIT'],
  ['a cell too many', '4,0.5,c,d', 'MISFIT'],
  ['no number', '5,NaN,c', 'MISFIT'],
  ['an infinity', '6,Infinity,c', 'MISFIT'],
  ['2^53 + 1', '9007199254740993,1,c', 'MISFIT'],
  ['broken UTF-8', Buffer.from('7,1,\xff', 'latin1'), 'MALFORMED_CSV'],
  ['a quote in a cell', '8,0.5,c"d', 'MALFORMED_CSV'],
  ['what follows a closed quote', '9,0.5,"c"d', 'MALFORMED_CSV'],
  ['a line end in quotes', '10,0.5,"c\nd"', good(10, 0.5, 'c\nd')],
  ['NUL', '11,0.5,\u0000', good(11, 0.5, '\u0000')],
  ['a last row without an end', '12,0.5,e', good(12, 0.5, 'e')],
];

const workflow = (file: string): string => `mizu: 1
name: w
task: { size: 7 }
generate:
  - read: { path: ${file}, fields: { id: long, x: double, text: string } }
`;

/** Whole run over the cases: counts, rows, codes and exact bytes of what failed; replayed from the log. */
async function expectEveryRecord(file: string, head: Bytes, cases: readonly Case[]): Promise<void> {
  const lines = cases.map(([, bytes]) => bytesOf(bytes));
  const source = Buffer.concat([bytesOf(head), ...lines.flatMap((line, n) => (n === 0 ? [line] : [Buffer.from('\n'), line]))]);
  const records = cases.filter(([, , outcome]) => outcome !== undefined);
  const failing = records.filter(([, , outcome]) => typeof outcome === 'string');
  const run = await makeRunOf({ 'workflow.yaml': workflow(file), [file]: source }, { nodes: 1, workers: 2 });
  const { candidates, accepted, rejected, duplicates, failed } = run.summary;
  expect({ candidates, accepted, rejected, duplicates, failed }).toEqual({
    candidates: records.length,
    accepted: records.length - failing.length,
    rejected: {},
    duplicates: 0,
    failed: failing.length,
  });
  await withRun(run, async (log, deployed) => {
    const rows: Row[] = [];
    for await (const { row } of publishedRecords(log, deployed)) rows.push(row);
    const byId = (a: Row, b: Row): number => Number(a['id']) - Number(b['id']);
    const wanted = records.flatMap(([, , outcome]) => (typeof outcome === 'object' ? [outcome] : []));
    expect(rows.sort(byId)).toEqual(wanted.toSorted(byId));
    const drops: [title: string, code: string][] = [];
    for await (const { code, row } of listDrops(log, deployed, 'failed')) {
      const kept = row?.['$source'];
      const found = failing.find(([, bytes]) => kept instanceof Uint8Array && bytesOf(bytes).equals(kept));
      drops.push([found?.[0] ?? `bytes that were not there: ${String(kept)}`, code]);
    }
    expect(drops).toEqual(failing.map(([title, , outcome]) => [title, outcome]));
    expect(await replayed(log, deployed)).toMatchObject({ ok: true });
  });
}

describe('nothing of a broken source is lost', () => {
  it('JSON lines', () => expectEveryRecord('data.jsonl', '', JSON_LINES));
  it('JSON lines after a mark of byte order', () => expectEveryRecord('data.jsonl', '\ufeff', JSON_LINES.slice(0, 8)));
  it('CSV', () => expectEveryRecord('data.csv', 'id,x,text\n', CSV_ROWS));
  it('CSV after a mark of byte order, with carriage returns', () => expectEveryRecord('data.csv', '\ufeffid,x,text\r\n', CSV_ROWS));
});

describe('a source that is no source is refused before any work', () => {
  const parquet = (bytes: Bytes): Bytes => Buffer.concat([Buffer.from('PAR1'), bytesOf(bytes), Buffer.from('PAR1')]);
  it.each<[string, string, Bytes, RegExp]>([
    ['an empty file', 'data.jsonl', '', /no records/],
    ['empty lines alone', 'data.jsonl', '\n\r\n\n', /no records/],
    ['a header alone', 'data.csv', 'id,x,text\n', /no records/],
    ['a record of 50 MB', 'data.jsonl', `{"id":1,"x":1,"text":"${'x'.repeat(50_000_000)}"}\n`, /16777216|16,777,216/],
    ['a cell that never ends', 'data.csv', `id,x,text\n1,1,"${'x'.repeat(20_000_000)}`, /16777216|16,777,216/],
    ['a Parquet file of nothing', 'data.parquet', '', /Parquet|empty|no records/],
    ['a Parquet file with a broken footer', 'data.parquet', parquet('\u0000'.repeat(64)), /Parquet/],
    ['a Parquet file whose footer is larger than itself', 'data.parquet', parquet('\u007f\u007f\u007f\u007f'), /Parquet/],
  ])('%s', async (_title, file, bytes, message) => {
    const error = await rejection(withWorkflow({ 'workflow.yaml': workflow(file), [file]: bytes }, async () => undefined));
    expect(error).toMatchObject({ code: 'WORKFLOW_INVALID' });
    expect(JSON.stringify([error.message, 'problems' in error ? error.problems : []])).toMatch(message);
  });

  it.each(['data.jsonl', 'data.csv'])(
    'an unending line of a terabyte in %s, of which no more is read than a record may have',
    async (file) => {
      const folder = runFolder();
      writeFileSync(join(folder, 'workflow.yaml'), workflow(file));
      const handle = openSync(join(folder, file), 'w');
      // Holes read as NUL and take no room.
      ftruncateSync(handle, 2 ** 40);
      closeSync(handle);
      const before = process.memoryUsage().arrayBuffers;
      const error = await rejection(compileFile(join(folder, 'workflow.yaml')));
      expect(JSON.stringify([error.message, 'problems' in error ? error.problems : []])).toMatch(/16777216|16,777,216/);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 2 ** 20);
    },
  );
});
