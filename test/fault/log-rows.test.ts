/**
 * Small entries of a commit share a row of the store: they are served as if each stood alone, and damage to a row hides its own entries only, by name
 * (contract: checked). MIZU_SEED replays the draws.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { type Append, checkStorage, type Log, type LogEntry, offset } from '#engine';
import { PACKED_BYTES, PACKED_VALUE_BYTES } from '../../connectors/embedded/limits.ts';
import { packEntries, unpackEntries } from '../../connectors/embedded/packed.ts';
import { codeOf, commitVisibly, readAll, rejection } from '../support/log-tools.ts';
import { quickFolder } from '../support/run-support.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const RUNS = 60;
const PARTITIONS = 3;
const LIMIT_MS = 120_000;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function withLog<T>(directory: string, use: (log: Log) => Promise<T>): Promise<T> {
  const log = await openEmbeddedLog({ directory });
  try {
    await log.createTopic({ name: 't', partitions: PARTITIONS, cleanup: 'keep' });
    return await use(log);
  } finally {
    await log.close();
  }
}

function folder(): string {
  const made = quickFolder();
  folders.push(made);
  return made;
}

const sizes = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 1, arbitrary: fc.constantFrom(PACKED_VALUE_BYTES - 20, PACKED_VALUE_BYTES, PACKED_VALUE_BYTES + 1, PACKED_BYTES) },
);
const append: fc.Arbitrary<Append> = fc
  .record({
    partition: fc.nat(PARTITIONS - 1),
    size: sizes,
    fill: fc.nat(255),
    key: fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined }),
    headers: fc.option(
      fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 5 }), fc.string({ unit: 'grapheme', maxLength: 5 }), { maxKeys: 2 }),
      {
        nil: undefined,
      },
    ),
  })
  .map(({ partition, size, fill, key, headers }) => ({
    topic: 't',
    partition,
    value: new Uint8Array(size).fill(fill),
    ...(key === undefined ? {} : { key }),
    ...(headers === undefined ? {} : { headers }),
  }));

const plain = ({ key, value, headers }: Append | LogEntry): unknown => [
  key === undefined ? undefined : Buffer.from(key).toString('hex'),
  Buffer.from(value).toString('hex'),
  { ...headers },
];

describe(`entries that share rows (seed ${SEED})`, () => {
  it(
    'are served as they were committed, from any offset and in reads of any size, under the offsets that the commit gave',
    async () => {
      const commits = fc.array(fc.array(append, { minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 4 });
      await fc.assert(
        fc.asyncProperty(
          commits,
          fc.nat(),
          fc.integer({ min: 1, max: 80 }),
          fc.integer({ min: 1, max: 40_000 }),
          async (all, place, most, bytes) => {
            await withLog(folder(), async (log) => {
              const written: unknown[][] = Array.from({ length: PARTITIONS }, () => []);
              const writer = await log.openWriter('w');
              for (const appends of all) {
                const outcome = await writer.commit(appends);
                expect(outcome.status === 'committed' ? [...outcome.offsets] : outcome).toEqual(
                  appends.map((one) => (written[one.partition]?.push(plain(one)) ?? 0) - 1),
                );
              }
              for (const [partition, expected] of written.entries()) {
                const from = place % (expected.length + 1);
                const { entries, next } = await log.read('t', partition, offset(from), { maxEntries: most, maxBytes: bytes });
                expect(entries.map(plain)).toEqual(expected.slice(from, from + entries.length));
                expect(entries.map((entry) => entry.offset)).toEqual(entries.map((_, n) => from + n));
                expect(next).toBe(from + entries.length);
                expect(entries.length).toBeLessThanOrEqual(most);
                expect(entries.length > 0).toBe(from < expected.length);
                expect((await readAll(log, 't', partition)).map(plain)).toEqual(expected);
              }
            });
          },
        ),
        { seed: SEED, numRuns: RUNS },
      );
    },
    LIMIT_MS,
  );

  it('take few rows', async () => {
    const directory = folder();
    await withLog(directory, async (log) => {
      const one = { topic: 't', value: new Uint8Array(100) };
      await commitVisibly(
        await log.openWriter('w'),
        Array.from({ length: 3_000 }, (_, n) => ({ ...one, partition: n % PARTITIONS })),
      );
    });
    const db = new DatabaseSync(join(directory, 'log.db'));
    const { rows, entries } = db.prepare('SELECT count(*) AS rows, sum(count) AS entries FROM entries').get() ?? {};
    db.close();
    expect(entries).toBe(3_000);
    expect(rows).toBe(PARTITIONS);
  });

  it('are refused together when their row is damaged, by name, and no others; a look at the whole store names the row once and reads on', async () => {
    const directory = folder();
    const texts = (name: string) =>
      Array.from({ length: 20 }, (_, n) => ({ topic: 't', partition: 0, value: Buffer.from(`${name} ${n} of them`) }));
    await withLog(directory, async (log) => {
      const writer = await log.openWriter('w');
      for (const name of ['early', 'middle', 'late']) await commitVisibly(writer, texts(name));
    });
    const file = join(directory, 'log.db');
    const content = readFileSync(file);
    const at = content.indexOf('middle 7 of them');
    content[at] = (content[at] ?? 0) ^ 1;
    writeFileSync(file, content);
    await withLog(directory, async (log) => {
      for (let n = 0; n < 60; n++) {
        const read = log.read('t', 0, offset(n), { maxEntries: 1 });
        if (n < 20 || n >= 40) expect((await read).entries).toHaveLength(1);
        else expect(codeOf(await rejection(read))).toBe('LOG_CORRUPT');
      }
      const { problems, entries } = await checkStorage(log, '');
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatchObject({
        where: 't/0 @20',
        message: expect.stringContaining('entry 20 of t/0, or one of the 19 that share its row,'),
      });
      expect(entries).toBe(40);
    });
  });
});

describe('packed bytes', () => {
  it('that are not whole entries are told', () => {
    const packed = packEntries([
      { key: Buffer.from('k'), headers: '{"a":"ü"}', value: Buffer.from('value') },
      { key: undefined, headers: '', value: new Uint8Array() },
    ]);
    expect(unpackEntries(packed, 2)?.map(({ headers }) => headers)).toEqual(['{"a":"ü"}', '']);
    for (const [bytes, count] of [
      [packed.subarray(0, -1), 2],
      [packed.subarray(0, 20), 2],
      [packed, 1],
      [packed, 1_000],
    ] as const)
      expect(unpackEntries(bytes, count)).toBeUndefined();
  });
});
