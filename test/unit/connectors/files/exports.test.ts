/** Laws of exports: the same rows give the same bytes (1), what is read back is what was written, a file is whole or not there. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { parse as parseYaml } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MizuError } from '#engine';
import type { Row, Schema } from '#engine';
import { AtomicFile, EXPORT_FORMATS, openRecordWriter, ROW_GROUP_ROWS, WRITE_BYTES, writeDatasetCard } from '#connectors/files';
import type { ExportFormat } from '#connectors/files';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mizu-exports-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const SCHEMA: Schema = [
  { name: 'text', type: 'string' },
  { name: 'count', type: 'long' },
  { name: 'share', type: 'double' },
  { name: 'ok', type: 'boolean' },
  { name: 'note', type: { optional: 'string' } },
  { name: 'tags', type: { array: 'string' } },
  {
    name: 'shape',
    type: {
      record: [
        { name: 'w', type: 'double' },
        { name: 'kind', type: 'string' },
      ],
    },
  },
  { name: 'seen', type: { map: 'long' } },
  { name: 'raw', type: 'bytes' },
];

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('"', ',', '\n', '\r', "'", '=', '\u0000', '\u2028', '\ufeff', '\\'),
    fc.string({ unit: 'grapheme', maxLength: 1 }),
  ),
});
const row: fc.Arbitrary<Row> = fc.record({
  text,
  count: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
  share: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
  ok: fc.boolean(),
  note: fc.option(text, { nil: null }),
  tags: fc.array(text, { maxLength: 3 }),
  shape: fc.record({ w: fc.integer(), kind: text }),
  seen: fc.dictionary(fc.constantFrom('a', '10', '9', 'é'), fc.integer()),
  raw: fc.uint8Array({ maxLength: 5 }),
}) as fc.Arbitrary<Row>;

/** What a reader of JSON gets for a row. */
function plain(value: Row): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, item: unknown) => (item instanceof Uint8Array ? Buffer.from(item).toString('base64') : item)),
  );
}

async function exported(format: ExportFormat, rows: readonly Row[], folder = dir): Promise<string> {
  const writer = await openRecordWriter(format, { dir: folder, name: 'data', schema: SCHEMA });
  for (const [i, item] of rows.entries()) writer.write(item, `run/1/0.${i}`);
  const { files } = await writer.close();
  expect(files).toHaveLength(1);
  const path = join(folder, files[0]?.name ?? '');
  const bytes = readFileSync(path);
  expect(files[0]).toEqual({ name: `data.${format}`, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  return path;
}

const nested = ['tags', 'shape', 'seen'];

/** Reads an export back with a reader that is not ours, into plain rows. */
const readBack: Readonly<Record<ExportFormat, (path: string) => Promise<unknown[]>>> = {
  async jsonl(path) {
    return readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  },
  async csv(path) {
    // csv-parse tells an empty text ("") from an empty field only through `quoting`.
    const rows: Record<string, string | null>[] = parse(readFileSync(path), {
      columns: true,
      recordDelimiter: '\r\n',
      cast: (value, context) => (value === '' && !context.quoting ? null : value),
    });
    return rows.map((item) =>
      Object.fromEntries(
        Object.entries(item).map(([name, value]) => [
          name,
          name === 'raw' ? (value ?? '') : value === null || ['_id', 'text', 'note'].includes(name) ? value : JSON.parse(value),
        ]),
      ),
    );
  },
  async parquet(path) {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), utf8: false });
    return rows.map((item) =>
      Object.fromEntries(
        Object.entries(item).map(([name, value]) => [
          name,
          nested.includes(name)
            ? JSON.parse(String(value))
            : typeof value === 'bigint'
              ? Number(value)
              : value instanceof Uint8Array
                ? Buffer.from(value).toString('base64')
                : (value ?? null),
        ]),
      ),
    );
  },
};

describe.each(EXPORT_FORMATS)('%s', (format) => {
  it('gives back what was written, with the record id first, for odd texts too', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async (rows) => {
        const read = await readBack[format](await exported(format, rows));
        // hyparquet decodes text with a decoder that drops a leading U+FEFF.
        const bare = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll('\ufeff', ''));
        expect(bare(read)).toEqual(bare(rows.map((item, i) => ({ _id: `run/1/0.${i}`, ...(plain(item) as object) }))));
        expect(Object.keys(read[0] as object)).toEqual(['_id', ...SCHEMA.map((field) => field.name)]);
      }),
      { numRuns: 60, seed: 21 },
    );
  });

  it('gives the same bytes for the same rows, whatever the order of keys in the objects', async () => {
    const [a, b] = [join(dir, `${format}-a`), join(dir, `${format}-b`)];
    const rows = fc.sample(row, { numRuns: 50, seed: 22 });
    const turned = rows.map((item) =>
      Object.fromEntries(Object.entries({ ...item, seen: Object.fromEntries(Object.entries(item['seen'] as object).reverse()) }).reverse()),
    ) as Row[];
    expect(readFileSync(await exported(format, turned, b))).toEqual(readFileSync(await exported(format, rows, a)));
  });

  it('leaves nothing when it is given up, and an earlier export as it was', async () => {
    const folder = join(dir, `${format}-given-up`);
    const path = await exported(format, fc.sample(row, { numRuns: 1, seed: 23 }), folder);
    const before = readFileSync(path);
    const writer = await openRecordWriter(format, { dir: folder, name: 'data', schema: SCHEMA });
    for (const item of fc.sample(row, { numRuns: 20, seed: 24 })) writer.write(item, 'run/1/0.0');
    writer.discard();
    expect(readdirSync(folder)).toEqual([`data.${format}`]);
    expect(readFileSync(path)).toEqual(before);
  });

  it('writes an empty data set that still names its columns', async () => {
    const path = await exported(format, [], join(dir, `${format}-empty`));
    expect(await readBack[format](path)).toEqual([]);
  });
});

describe('every export', () => {
  it('names the path when the folder can not be made', async () => {
    writeFileSync(join(dir, 'in-the-way'), '');
    const open = () => openRecordWriter('jsonl', { dir: join(dir, 'in-the-way', 'out'), name: 'data', schema: SCHEMA });
    await expect(open()).rejects.toThrow(MizuError);
    await expect(open()).rejects.toThrow(join(dir, 'in-the-way', 'out', 'data.jsonl'));
  });

  // /dev/full answers every write with ENOSPC; other systems have no such device.
  it.runIf(existsSync('/dev/full'))('says that the disk is full and leaves nothing', () => {
    const folder = join(dir, 'full');
    mkdirSync(folder);
    symlinkSync('/dev/full', join(folder, `.data.jsonl.${hostname()}.${process.pid}.partial`));
    const onFullDisk = new AtomicFile(folder, 'data.jsonl');
    let thrown: unknown;
    try {
      onFullDisk.write(new Uint8Array(WRITE_BYTES));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'FILE_UNWRITABLE', message: `Cannot write ${join(folder, 'data.jsonl')}: the disk is full` });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses a field with the name of the id column', async () => {
    await expect(openRecordWriter('csv', { dir, name: 'x', schema: [{ name: '_id', type: 'string' }] })).rejects.toThrow('_id');
  });
});

describe('csv', () => {
  it('guards formulas only when asked to', async () => {
    for (const [guardFormulas, written] of [
      [false, '=1+1'],
      [true, "'=1+1"],
    ] as const) {
      const writer = await openRecordWriter('csv', { dir, name: 'guard', schema: [{ name: 't', type: 'string' }], guardFormulas });
      writer.write({ t: '=1+1' }, 'a/1/0.0');
      await writer.close();
      expect(readFileSync(join(dir, 'guard.csv'), 'utf8')).toBe(`_id,t\r\na/1/0.0,${written}\r\n`);
    }
  });
});

describe('parquet', () => {
  it('closes row groups at their limit and names its maker without a version', async () => {
    const writer = await openRecordWriter('parquet', { dir, name: 'groups', schema: [{ name: 'n', type: 'long' }] });
    for (let n = 0; n < 2 * ROW_GROUP_ROWS + 5; n += 1) writer.write({ n }, `r/1/0.${n}`);
    await writer.close();
    const file = await asyncBufferFromFile(join(dir, 'groups.parquet'));
    const metadata = await parquetMetadataAsync(file);
    expect(metadata.created_by).toBe('mizu');
    expect(metadata.row_groups.map((group) => Number(group.num_rows))).toEqual([ROW_GROUP_ROWS, ROW_GROUP_ROWS, 5]);
    const last = await parquetReadObjects({ file, rowStart: 2 * ROW_GROUP_ROWS + 4 });
    expect(last).toEqual([{ _id: `r/1/0.${2 * ROW_GROUP_ROWS + 4}`, n: BigInt(2 * ROW_GROUP_ROWS + 4) }]);
  });
});

describe('the dataset card', () => {
  it('opens with front matter that the hub reads, and tells counts, fields and how to verify', () => {
    const card = {
      dir,
      name: 'falling-stacks',
      files: [
        { name: 'data.jsonl', bytes: 10, sha256: 'a'.repeat(64) },
        { name: 'data.parquet', bytes: 9, sha256: 'b'.repeat(64) },
      ],
      schema: SCHEMA,
      steps: [{ id: 'keep|calm', op: 'range', in: 1200, kept: 1000 }],
      counts: { candidates: 1200, accepted: 1000, corrected: 3, duplicates: 12, failed: 0, rejected: { 'keep|calm': 188 } },
      program: 'c'.repeat(64),
      root: 'd'.repeat(64),
      treeSize: 77,
      verifierKey: 'mizu+00000000+AAAA',
      commands: [{ command: 'mizu verify falling-stacks', shows: 'Signatures, tree and counts' }],
    };
    const written = writeDatasetCard(card);
    const content = readFileSync(join(dir, 'README.md'), 'utf8');
    expect(written.sha256).toBe(createHash('sha256').update(content).digest('hex'));
    const [, front] = content.split('---\n');
    expect(parseYaml(front ?? '')).toMatchObject({
      license: 'unknown',
      size_categories: ['1K<n<10K'],
      configs: [{ data_files: [{ path: 'data.parquet' }] }],
    });
    for (const part of [
      '| rejected by keep\\|calm | 188 |',
      '| tree root | ddd',
      'mizu verify falling-stacks',
      '| shape | {w: double, kind: string} |',
      'mizu+00000000+AAAA',
    ]) {
      expect(content).toContain(part);
    }
    expect(writeDatasetCard(card)).toEqual(written);
  });
});
