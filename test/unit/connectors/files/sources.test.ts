/** Laws of file sources: exact bytes, bounded memory (6), nothing lost (5), clear errors before any work (10). */
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { parquetWriteFile } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MizuError } from '#engine';
import { openFileSource, RECORD_BYTES_LIMIT, SAMPLE_RECORDS, SEEK_POINTS } from '#connectors/files';
import type { FileSource } from '#connectors/files';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mizu-sources-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
function fileOf(content: string | Uint8Array, suffix: string): string {
  files += 1;
  const name = `source-${files}${suffix}`;
  writeFileSync(join(dir, name), content);
  return name;
}

async function readAll(source: FileSource, from = 0): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  for await (const batch of source.records(from)) records.push(...batch.map((record) => Uint8Array.from(record)));
  return records;
}

const texts = (records: readonly Uint8Array[]): string[] => records.map((record) => Buffer.from(record).toString());

async function errorOf(work: Promise<unknown>): Promise<MizuError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(MizuError);
  return error as MizuError;
}

describe('every source', () => {
  it('digests its records length-prefixed, and shows the first ones', async () => {
    const source = await openFileSource({ path: fileOf('{"a":1}\n{"a":2}\n', '.jsonl') }, dir);
    const bytes = Buffer.concat(['{"a":1}', '{"a":2}'].flatMap((text) => [Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]));
    expect(source.info.digest).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(source.info).toMatchObject({ format: 'jsonl', records: 2 });
    expect(texts(source.info.sample)).toEqual(['{"a":1}', '{"a":2}']);
  });

  it('starts at any record, also beyond the positions that it remembers', async () => {
    const count = SEEK_POINTS * 4 + 7;
    const lines = Array.from({ length: count }, (_, n) => `{"n":${n}}`);
    const source = await openFileSource({ path: fileOf(lines.join('\n'), '.jsonl') }, dir);
    expect(source.info.records).toBe(count);
    expect(source.info.sample).toHaveLength(SAMPLE_RECORDS);
    for (const from of [0, 1, 999, SEEK_POINTS, SEEK_POINTS + 1, 2 * SEEK_POINTS + 3, count - 1, count]) {
      expect(texts(await readAll(source, from)), `from ${from}`).toEqual(lines.slice(from));
    }
  });

  it('says so when the file holds more or fewer records than when it was opened', async () => {
    const name = fileOf('{"a":1}\n', '.jsonl');
    const source = await openFileSource({ path: name }, dir);
    appendFileSync(join(dir, name), '{"a":2}\n');
    expect((await errorOf(readAll(source))).code).toBe('SOURCE_UNAVAILABLE');
    writeFileSync(join(dir, name), '\n');
    expect((await errorOf(readAll(source))).code).toBe('SOURCE_UNAVAILABLE');
  });

  it('refuses what is missing, empty or of no known format, naming the file and what to try', async () => {
    const missing = await errorOf(openFileSource({ path: 'nowhere.jsonl' }, dir));
    expect(missing).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining(join(dir, 'nowhere.jsonl')) });
    expect(missing.hint).toContain('relative to the workflow file');
    expect(await errorOf(openFileSource({ path: fileOf('\n\n', '.jsonl') }, dir))).toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('holds no records'),
    });
    expect((await errorOf(openFileSource({ path: fileOf('x', '.dat') }, dir))).hint).toContain('jsonl, csv, parquet, text');
  });
});

describe('jsonl', () => {
  it('ends a record at LF or CRLF, takes a last line without an end, and no empty line', async () => {
    const source = await openFileSource({ path: fileOf('\ufeff{"a":1}\r\n\n\r\n{"a":"\r"}\n{"a":3}', '.jsonl') }, dir);
    expect(texts(await readAll(source))).toEqual(['{"a":1}', '{"a":"\r"}', '{"a":3}']);
  });

  it('finds the same records however they fall on the chunks it reads', async () => {
    const lines = Array.from({ length: 60 }, (_, n) => `{"n":${n},"t":"${'é'.repeat(n * 211)}"}`);
    const source = await openFileSource({ path: fileOf(`${lines.join('\n')}\n`, '.jsonl') }, dir);
    expect(texts(await readAll(source))).toEqual(lines);
  });

  it('refuses a record beyond the limit before any work starts', async () => {
    const name = fileOf(Buffer.concat([Buffer.from('{}\n'), Buffer.alloc(RECORD_BYTES_LIMIT + 1, 0x61)]), '.jsonl');
    const error = await errorOf(openFileSource({ path: name }, dir));
    expect(error).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('starts at byte 3') });
  });

  it('refuses UTF-16 with the command that converts it', async () => {
    const error = await errorOf(openFileSource({ path: fileOf(Buffer.from('\ufeff{"a":1}\n', 'utf16le'), '.jsonl') }, dir));
    expect(error).toMatchObject({ code: 'INPUT_INVALID', hint: expect.stringContaining('iconv') });
  });
});

describe('csv', () => {
  it('names the columns by the header row and keeps line ends inside quotes', async () => {
    const name = fileOf('id,"the ""text"""\r\n1,"two\r\nlines, ""quoted"""\r\n\r\n2,a"b\r\n3,', '.csv');
    const source = await openFileSource({ path: name }, dir);
    expect(source.info.columns).toEqual(['id', 'the "text"']);
    expect(texts(await readAll(source))).toEqual(['1,"two\r\nlines, ""quoted"""', '2,a"b', '3,']);
    expect(texts(await readAll(source, 1))).toEqual(['2,a"b', '3,']);
  });

  it('reads files without a header, with another delimiter', async () => {
    const source = await openFileSource({ path: fileOf('1;"a;\nb"\n2;c\n', '.csv'), options: { header: false, delimiter: ';' } }, dir);
    expect(source.info.columns).toBeUndefined();
    expect(texts(await readAll(source))).toEqual(['1;"a;\nb"', '2;c']);
  });

  it('agrees with a whole-file parser on random tables', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r\n', 'é', ' ', '漢') });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 12 }), async (rows) => {
        const quoted = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(','));
        const source = await openFileSource({ path: fileOf(`a,b\r\n${quoted.join('\r\n')}\r\n`, '.csv') }, dir);
        const parsed = texts(await readAll(source)).map((record) => (parse(record) as string[][])[0]);
        expect(parsed).toEqual(rows);
      }),
      { numRuns: 60, seed: 20 },
    );
  });

  it('refuses an open quote, a column named twice and a delimiter of two characters', async () => {
    expect((await errorOf(openFileSource({ path: fileOf('a,b\n1,"x\n2,y\n', '.csv') }, dir))).message).toContain('not closed');
    expect((await errorOf(openFileSource({ path: fileOf('a,a\n1,2\n', '.csv') }, dir))).message).toContain('"a" twice');
    expect((await errorOf(openFileSource({ path: fileOf('a\n1\n', '.csv'), options: { delimiter: '::' } }, dir))).code).toBe(
      'INPUT_INVALID',
    );
  });
});

describe('text', () => {
  it('makes a record of each file of a folder, path first, in order of UTF-8 path bytes', async () => {
    const folder = join(dir, 'texts');
    mkdirSync(join(folder, 'b'), { recursive: true });
    for (const [name, content] of [
      ['b/2.txt', 'two'],
      ['b.txt', ''],
      ['é.txt', '\u00ff'],
      ['Z.txt', 'zed'],
      ['b/skip.json', '{}'],
    ] as const) {
      writeFileSync(join(folder, name), content);
    }
    symlinkSync(folder, join(folder, 'loop'));
    const source = await openFileSource({ path: 'texts', options: { suffix: '.txt' } }, dir);
    expect(source.info).toMatchObject({ format: 'text', records: 4 });
    expect(texts(await readAll(source))).toEqual(['\u0005Z.txtzed', '\u0005b.txt', '\u0007b/2.txttwo', '\u0006é.txt\u00ff']);
    expect(texts(await readAll(source, 3))).toEqual(['\u0006é.txt\u00ff']);
    expect((await openFileSource({ path: 'texts' }, dir)).info.records).toBe(5);
    expect((await errorOf(openFileSource({ path: 'texts', options: { suffix: ['.eml'] } }, dir))).hint).toContain('.eml');
  });

  it('writes path lengths beyond 127 as two bytes', async () => {
    const name = `${'n'.repeat(130)}.txt`;
    writeFileSync(join(dir, name), 'x');
    const [record] = await readAll(await openFileSource({ path: name }, dir));
    expect(record?.subarray(0, 3)).toEqual(Uint8Array.from([0x86, 0x01, 0x6e]));
    expect(record).toHaveLength(2 + 134 + 1);
  });

  it('keeps bytes that are no UTF-8', async () => {
    const [record] = await readAll(await openFileSource({ path: fileOf(Uint8Array.from([0xff, 0x00, 0x0a]), '.txt') }, dir));
    expect(record?.slice(-3)).toEqual(Uint8Array.from([0xff, 0x00, 0x0a]));
  });
});

describe('parquet', () => {
  it('gives rows as canonical JSON, over row groups, from any row on', async () => {
    const filename = join(dir, 'rows.parquet');
    const columnData = [
      { name: 'z', data: ['a\u0000', '漢"', ''], type: 'STRING' as const },
      { name: 'n', data: [1n, -9_007_199_254_740_991n, 0n], type: 'INT64' as const },
      { name: 'd', data: [0.1, Number.NaN, -0], type: 'DOUBLE' as const },
      { name: 'b', data: [Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(255)], type: 'BYTE_ARRAY' as const },
      { name: 'o', data: [true, null, false], type: 'BOOLEAN' as const, nullable: true },
      { name: 't', data: [new Date(0), new Date(1), new Date(-1)], type: 'TIMESTAMP' as const },
    ];
    parquetWriteFile({ filename, columnData, rowGroupSize: 2 });
    const source = await openFileSource({ path: 'rows.parquet' }, dir);
    const rows = [
      '{"b":"AQI=","d":0.1,"n":1,"o":true,"t":"1970-01-01T00:00:00.000Z","z":"a\\u0000"}',
      '{"b":"","d":null,"n":-9007199254740991,"o":null,"t":"1970-01-01T00:00:00.001Z","z":"漢\\""}',
      '{"b":"/w==","d":0,"n":0,"o":false,"t":"1969-12-31T23:59:59.999Z","z":""}',
    ];
    expect(texts(await readAll(source))).toEqual(rows);
    expect(texts(await readAll(source, 2))).toEqual(rows.slice(2));
  });

  it('names column and row of a whole number that JSON would bend', async () => {
    parquetWriteFile({ filename: join(dir, 'big.parquet'), columnData: [{ name: 'n', data: [1n, 2n ** 53n], type: 'INT64' }] });
    const error = await errorOf(openFileSource({ path: 'big.parquet' }, dir));
    expect(error).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('row 1, column n: 9007199254740992') });
    expect(error.hint).toContain('as text');
  });

  it('refuses a file that is no Parquet', async () => {
    expect((await errorOf(openFileSource({ path: fileOf('not parquet at all', '.parquet') }, dir))).code).toBe('INPUT_INVALID');
  });
});

describe('package paths', () => {
  it('finds an installed package from the folder of the workflow, and says how to get one that is missing', async () => {
    const home = join(dir, 'home');
    mkdirSync(join(home, 'node_modules', '@some', 'data', 'texts'), { recursive: true });
    writeFileSync(join(home, 'node_modules', '@some', 'data', 'package.json'), '{"name":"@some/data","exports":{}}');
    writeFileSync(join(home, 'node_modules', '@some', 'data', 'texts', 'a.txt'), 'hello');
    const source = await openFileSource({ path: 'package:@some/data/texts' }, home);
    expect(texts(await readAll(source))).toEqual(['\u0005a.txthello']);
    const error = await errorOf(openFileSource({ path: 'package:@some/other/texts' }, home));
    expect(error).toMatchObject({ code: 'FILE_UNREADABLE', hint: 'Get it with: npm install --no-save @some/other' });
  });

  it('stays inside the package', async () => {
    expect((await errorOf(openFileSource({ path: 'package:@some/data/../../x' }, dir))).code).toBe('INPUT_INVALID');
    expect((await errorOf(openFileSource({ path: 'package:' }, dir))).code).toBe('INPUT_INVALID');
  });
});
