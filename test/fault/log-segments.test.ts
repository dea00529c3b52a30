/**
 * Large values stand in files beside the database: whatever happens to those, what is served was written, or is refused by name (contract: checked);
 * and what a failed commit put there takes no room. MIZU_SEED replays the places.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { type Append, type Log, offset } from '#engine';
import { PAGE_BYTES, SEGMENT_COMMIT_BYTES, SEGMENT_READ_BYTES, SEGMENT_VALUE_BYTES } from '../../connectors/embedded/limits.ts';
import { dice } from '../support/dice.ts';
import { Damage } from '../support/log-damage.ts';
import { codeOf, commitVisibly, outcomeCode, readAll, rejection } from '../support/log-tools.ts';
import { quickFolder } from '../support/run-support.ts';
import { flipped } from '../support/tamper.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const draw = dice(SEED);
const FIRST = join('segments', '00000001.seg');
const LIMIT_MS = 120_000;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = quickFolder();
  folders.push(made);
  return made;
}

/** Values of random bytes; those from SEGMENT_VALUE_BYTES on are large. */
function commitOf(sizes: readonly number[]): Append[] {
  return sizes.map((size, n) => ({
    topic: 't',
    partition: n % 2,
    value: Uint8Array.from({ length: size }, () => draw(65_536) >>> 8),
    ...(n % 3 === 0 ? { headers: { n: String(n) } } : {}),
  }));
}

/** Small values, values at the bounds, one of no bytes and one that is longer than what is read at once. */
const SIZES = [
  [SEGMENT_COMMIT_BYTES, 0, SEGMENT_VALUE_BYTES, SEGMENT_VALUE_BYTES - 1, 3, 20_000],
  [10, 20, 30],
  [SEGMENT_READ_BYTES + 7, 700, 1_000, 4_000, 1],
];

async function withTopic<T>(directory: string, use: (log: Log) => Promise<T>, sizeLimitBytes?: number): Promise<T> {
  const log = await openEmbeddedLog({ directory, ...(sizeLimitBytes === undefined ? {} : { sizeLimitBytes }) });
  try {
    await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
    return await use(log);
  } finally {
    await log.close();
  }
}

async function values(log: Log, partition: number): Promise<string[]> {
  return (await readAll(log, 't', partition)).map(({ value }) => Buffer.from(value).toString('hex'));
}

/** Writes the commits and gives, for each partition, the values that they hold. */
async function write(directory: string, sizes: readonly (readonly number[])[]): Promise<string[][]> {
  const written: string[][] = [[], []];
  await withTopic(directory, async (log) => {
    const writer = await log.openWriter('w');
    for (const appends of sizes.map(commitOf)) {
      await commitVisibly(writer, appends);
      for (const { partition, value } of appends) written[partition]?.push(Buffer.from(value).toString('hex'));
    }
  });
  return written;
}

/** Of the large values, from the rows that name them. */
function placesIn(directory: string): { readonly position: number; readonly end: number }[] {
  const database = new DatabaseSync(join(directory, 'log.db'), { readOnly: true });
  const rows = database.prepare('SELECT position, length FROM entries WHERE value IS NULL').all();
  database.close();
  return rows.map(({ position, length }) => ({ position: Number(position), end: Number(position) + Number(length) }));
}

const segmentsIn = (directory: string): number[] =>
  readdirSync(join(directory, 'segments')).map((name) => statSync(join(directory, 'segments', name)).size);

describe(`large values beside the database (seed ${SEED})`, () => {
  it('are served as they were written, among small ones, from any offset and in reads of any size', async () => {
    const directory = folder();
    const written = await write(directory, SIZES);
    await withTopic(directory, async (log) => {
      for (const partition of [0, 1]) {
        expect(await values(log, partition)).toEqual(written[partition]);
        for (let from = 0; from < (written[partition]?.length ?? 0); from++) {
          const { entries } = await log.read('t', partition, offset(from), { maxEntries: 1 + draw(3), maxBytes: 1 + draw(30_000) });
          expect(entries.map(({ value }) => Buffer.from(value).toString('hex'))).toEqual(
            written[partition]?.slice(from, from + entries.length),
          );
          expect(entries.length).toBeGreaterThan(0);
        }
      }
      expect((await log.size()).bytes).toBeGreaterThan(SIZES.flat().reduce((sum, size) => sum + size, 0));
    });
  });

  it('may be given back by whoever has copied them, and are there again when they are read again', async () => {
    const directory = folder();
    const written = await write(directory, [[SEGMENT_COMMIT_BYTES + 1, 10], ...SIZES]);
    await withTopic(directory, async (log) => {
      const { entries, free } = await log.read('t', 0, offset(0));
      free?.();
      const left = entries.map(({ value }) => value.length);
      // Up to 64 KiB they may stay.
      expect(left[0]).toBe(0);
      expect(await values(log, 0)).toEqual(written[0]);
    });
  });

  it('of several writers, handles and sizes at once are all there', async () => {
    const directory = folder();
    await withTopic(directory, (first) =>
      withTopic(directory, async (second) => {
        const written = new Set<string>();
        await Promise.all(
          [first, second, first].map(async (log, n) => {
            const writer = await log.openWriter(`w${n}`);
            for (let round = 0; round < 5; round++) {
              const appends = commitOf([SEGMENT_COMMIT_BYTES + draw(50_000), draw(2_000), draw(200_000)]);
              for (const { value } of appends) written.add(Buffer.from(value).toString('hex'));
              await commitVisibly(writer, appends);
            }
          }),
        );
        expect(new Set([...(await values(second, 0)), ...(await values(first, 1))])).toEqual(written);
        // One file for each handle: no two processes meet in one.
        expect(segmentsIn(directory)).toHaveLength(2);
      }),
    );
  });

  it('of a commit that is refused take no room: without space, and by a writer that was fenced', async () => {
    const directory = folder();
    await withTopic(
      directory,
      async (log) => {
        const writer = await log.openWriter('w');
        await commitVisibly(writer, commitOf([SEGMENT_COMMIT_BYTES]));
        const held = segmentsIn(directory);
        for (let n = 0; n < 3; n++) expect(outcomeCode(await writer.commit(commitOf([2_000_000])))).toBe('DISK_FULL');
        await log.openWriter('w');
        expect(outcomeCode(await writer.commit(commitOf([SEGMENT_COMMIT_BYTES])))).toBe('LOG_FENCED');
        expect(segmentsIn(directory)).toEqual(held);
        expect((await readAll(log, 't', 0)).length).toBe(1);
      },
      1_000_000,
    );
  });
});

describe('commits of several writers that go to disk together', () => {
  it('are each its own: one that was fenced and one that meets damage keep none of the others from being committed', async () => {
    const directory = folder();
    await withTopic(directory, async (log) => {
      await log.createTopic({ name: 'damaged', partitions: 1, cleanup: 'keep' });
      const [one, fenced, unlucky, other] = await Promise.all(['one', 'fenced', 'unlucky', 'other'].map((owner) => log.openWriter(owner)));
      await log.openWriter('fenced');
      const tamper = new DatabaseSync(join(directory, 'log.db'));
      tamper.exec('DELETE FROM heads WHERE slot = 2');
      tamper.close();
      const damaged = commitOf([SEGMENT_COMMIT_BYTES]).map((append) => ({ ...append, topic: 'damaged', partition: 0 }));
      // The first is on its way while the others begin to wait.
      const outcomes = await Promise.all([
        one?.commit(commitOf([SEGMENT_COMMIT_BYTES, 10])),
        fenced?.commit(commitOf([SEGMENT_COMMIT_BYTES, 10])),
        unlucky?.commit(damaged),
        other?.commit(commitOf([3 * SEGMENT_VALUE_BYTES, 10])),
      ]);
      expect(outcomes.map((outcome) => (outcome?.status === 'aborted' ? outcomeCode(outcome) : outcome?.status))).toEqual([
        'committed',
        'LOG_FENCED',
        'LOG_CORRUPT',
        'committed',
      ]);
      expect((await values(log, 0)).map((value) => value.length / 2)).toEqual([SEGMENT_COMMIT_BYTES, 3 * SEGMENT_VALUE_BYTES]);
      expect(await values(log, 1)).toHaveLength(2);
    });
  });
});

describe(`a damaged segment (seed ${SEED})`, () => {
  let damage: Damage;
  let bytes: Buffer;
  /** Where each value stands. Behind those of a commit the rest of a block may belong to none. */
  let places: readonly { readonly position: number; readonly end: number }[];
  beforeAll(async () => {
    const sound = folder();
    await write(sound, SIZES);
    damage = new Damage(sound);
    folders.push(damage.directory);
    bytes = damage.read(FIRST);
    places = placesIn(sound);
  });

  const lastEnd = (): number => Math.max(...places.map(({ end }) => end));

  function somewhere(): number {
    const place = places[draw(places.length)];
    if (place === undefined) throw new Error('There are no values');
    return place.position + draw(place.end - place.position);
  }

  it('is refused by name, whichever byte of a value is flipped', { timeout: LIMIT_MS }, async () => {
    const edges = places.flatMap(({ position, end }) => [position, end - 1]);
    for (const at of [...edges, ...Array.from({ length: 40 }, somewhere)]) {
      expect(await damage.expectNamed(FIRST, flipped(bytes, at, 1 << draw(8)), `byte ${at}`), `byte ${at}`).toBe(true);
    }
  });

  it('is refused by name when it is cut, gone, or blocks of it change places or are zero', { timeout: LIMIT_MS }, async () => {
    for (const length of [0, 1, SEGMENT_COMMIT_BYTES, lastEnd() - 1, draw(lastEnd())])
      expect(await damage.expectNamed(FIRST, bytes.subarray(0, length), `cut to ${length}`)).toBe(true);
    expect(await damage.expectNamed(FIRST, undefined, 'gone')).toBe(true);
    const blocks = Math.floor(bytes.length / PAGE_BYTES);
    for (let round = 0; round < 10; round++) {
      const [one, other] = [draw(blocks), draw(blocks - 1)].map((n) => n * PAGE_BYTES) as [number, number];
      const block = (at: number): Buffer => bytes.subarray(at, at + PAGE_BYTES);
      const swapped = Buffer.from(bytes);
      swapped.set(block(one), other);
      swapped.set(block(other), one);
      expect(await damage.expectNamed(FIRST, swapped, `blocks at ${one} and ${other} exchanged`)).toBe(one !== other);
      const zero = Buffer.from(bytes).fill(0, one, one + PAGE_BYTES);
      expect(await damage.expectNamed(FIRST, zero, `zero from ${one} on`)).toBe(true);
    }
  });

  it('is not served in place of another one, nor by a row that was changed', { timeout: LIMIT_MS }, async () => {
    const database = damage.read('log.db');
    for (let page = 0; page < database.length / PAGE_BYTES; page++)
      for (let n = 0; n < 8; n++)
        await damage.expectNamed(
          'log.db',
          flipped(database, page * PAGE_BYTES + draw(PAGE_BYTES), 1 << draw(8)),
          `page ${page}`,
          /log\.db|\.seg/,
        );
  });

  it('does not keep what is whole from being read', async () => {
    const given = await damage.outcome(FIRST, flipped(bytes, lastEnd() - 1));
    expect(codeOf(given as Error)).toBe('LOG_CORRUPT');
    const log = await openEmbeddedLog({ directory: damage.directory, readOnly: true });
    // The last two values of partition 1 share the row that stands last.
    expect((await log.read('t', 1, offset(0), { maxEntries: 4 })).entries).toHaveLength(4);
    for (const at of [4, 5]) expect((await rejection(log.read('t', 1, offset(at)))).message).toContain(FIRST);
    expect((await readAll(log, 't', 0)).length).toBeGreaterThan(5);
    await log.close();
  });
});
